"""A chat file in JSON lines, block by block: plain blocks quickly, others by line."""

from __future__ import annotations

import io
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import jsonl
from .jsonl import LineReader, Row

if TYPE_CHECKING:
    from .plain import Example, PlainChats

#: About 30 lines of usual length: one odd line sends few others to the slow look, and
#: CPython counts words in less than 30,000 bytes a third faster than in more.
BLOCK_BYTES = 24_000
#: What one process looks at in one go.
_SHARE_BYTES = 1 << 24
_MOST_PROCESSES = 61  # that Windows can wait for at once


@dataclass(frozen=True, slots=True)
class PlainBlock:
    """So many lines that are plainly right; `line` and `number` are the first's.

    `examples` are empty where only the structure was asked for.
    """

    line: int
    number: int
    count: int
    examples: Sequence[Example]


def quick_look(
    source: str | PathLike[str] | bytes, long: int
) -> Iterator[PlainBlock | Row]:
    """Plain blocks, and a row for each line that is not plainly right.

    A line longer than `long` bytes is never plain. The source holds JSON lines in
    UTF-8 in the chat format.
    """
    if isinstance(source, bytes):
        yield from _look(io.BytesIO(source), long)
    else:
        with Path(source).open("rb") as stream:
            yield from _look(stream, long)


def _look(stream: BinaryIO, long: int) -> Iterator[PlainBlock | Row]:
    from .plain import PlainChats

    plain = PlainChats(min(long, jsonl.MAX_LINE_BYTES))
    reader = LineReader()
    for block, whole in _blocks(stream):
        examples = plain.examples(block) if whole else None
        if examples is not None:
            yield from _plain(reader, len(block), len(examples), examples)
        else:
            yield from _by_line(plain, reader, block, whole)


def _by_line(
    plain: PlainChats, reader: LineReader, block: bytes, whole: bool
) -> Iterator[PlainBlock | Row]:
    lines = block.splitlines(keepends=True) if b"\r" not in block else _lines(block)
    for number, line in enumerate(lines, start=1):
        last_and_cut = not whole and number == len(lines)
        one = None if last_and_cut else plain.examples(line)
        if one is not None:
            yield from _plain(reader, len(line), 1, one)
        else:
            yield from reader.rows(line, whole=not last_and_cut)


def _plain(
    reader: LineReader, size: int, count: int, examples: Sequence[Example]
) -> Iterator[PlainBlock | Row]:
    line, number = reader.line + 1, reader.number + 1
    yield from reader.pass_over(count, size)
    yield PlainBlock(line, number, count, examples)


def processes(workers: int) -> int:
    """So many as are asked for; 0 stands for one a core."""
    return min(workers or os.cpu_count() or 1, _MOST_PROCESSES)


def shared_look(path: Path, long: int, processes: int) -> Iterator[PlainBlock | Row]:
    """The quick look with the work shared out; the blocks come without examples.

    The processes say which blocks are plain; the others are looked at here.
    """
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    from .plain import PlainChats

    plain, reader = PlainChats(long), LineReader()
    with (
        path.open("rb") as stream,
        ProcessPoolExecutor(processes, get_context("spawn")) as pool,
    ):
        starts = list(_starts(path))
        verdicts = pool.map(_verdicts, [(path, *span, long) for span in starts])
        for size, count in (one for verdict in verdicts for one in verdict):
            if count is not None:
                stream.seek(size, 1)
                yield from _plain(reader, size, count, ())
            else:
                block = stream.read(size)
                yield from _by_line(plain, reader, block, whole=True)


def _starts(path: Path) -> Iterator[tuple[int, int]]:
    """(start, end) of pieces of whole lines."""
    start, size = 0, path.stat().st_size
    with path.open("rb") as stream:
        while start < size:
            stream.seek(start + _SHARE_BYTES)
            stream.readline()
            end = min(stream.tell(), size)
            yield start, end
            start = end


def _verdicts(piece: tuple[Path, int, int, int]) -> list[tuple[int, int | None]]:
    """(bytes, lines or None where one is not plain) of each block of a piece."""
    from .plain import PlainChats

    path, start, end, long = piece
    plain = PlainChats(long)
    found: list[tuple[int, int | None]] = []
    with path.open("rb") as stream:
        stream.seek(start)
        while stream.tell() < end:
            block = stream.read(min(BLOCK_BYTES, end - stream.tell()))
            if not block.endswith(b"\n"):
                block += stream.readline()
            examples = plain.examples(block)
            found.append((len(block), None if examples is None else len(examples)))
    return found


def _lines(block: bytes) -> list[bytes]:
    """`bytes.splitlines` would also split at a lone CR."""
    lines = [line + b"\n" for line in block.split(b"\n")]
    lines[-1] = lines[-1][:-1]
    return lines if lines[-1] else lines[:-1]


def _blocks(stream: BinaryIO) -> Iterator[tuple[bytes, bool]]:
    """Pieces of whole lines; False where the last line was too long to read."""
    while block := stream.read(BLOCK_BYTES):
        whole = True
        if not block.endswith(b"\n"):
            rest = stream.readline(jsonl.MAX_LINE_BYTES)
            block += rest
            while len(rest) == jsonl.MAX_LINE_BYTES and not rest.endswith(b"\n"):
                rest, whole = stream.readline(jsonl.MAX_LINE_BYTES), False
        yield block, whole
