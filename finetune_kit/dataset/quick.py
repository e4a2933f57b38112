"""A chat file in JSON lines, block by block: plain blocks quickly, others by line."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from . import jsonl
from .jsonl import LineReader, Row

if TYPE_CHECKING:
    from .plain import Example

#: About 80 lines of usual length: one odd line sends few others to the slow look.
BLOCK_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class PlainBlock:
    """Examples on following lines that are plainly right; `line` is the first's."""

    line: int
    number: int
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

    plain, reader = PlainChats(long), LineReader()
    for block, whole in _blocks(stream):
        examples = plain.examples(block) if whole else None
        if examples is not None:
            yield from _plain(reader, examples, len(block))
            continue
        lines = block.splitlines(keepends=True) if b"\r" not in block else _lines(block)
        for number, line in enumerate(lines, start=1):
            last_and_cut = not whole and number == len(lines)
            one = None if last_and_cut else plain.examples(line)
            if one is not None:
                yield from _plain(reader, one, len(line))
            else:
                yield from reader.rows(line, whole=not last_and_cut)


def _plain(
    reader: LineReader, examples: Sequence[Example], size: int
) -> Iterator[PlainBlock | Row]:
    line, number = reader.line + 1, reader.number + 1
    yield from reader.pass_over(len(examples), size)
    yield PlainBlock(line, number, examples)


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
