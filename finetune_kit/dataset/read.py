"""Whatever people bring, to rows: JSONL, JSON, tables, texts, DataFrames, dicts.

Reading never stops at a bad line and never raises on bad content. A path is
streamed, whatever its size.
"""

from __future__ import annotations

import io
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from os import PathLike, fspath
from pathlib import Path
from typing import Any, BinaryIO, Protocol

from .json_texts import json_texts
from .jsonl import Fault, Parser, Row, json_lines
from .sniff import HEAD_BYTES, Kind, encoding_of, kind_of
from .tables import sheet_rows, table_rows, text_rows

__all__ = [
    "Fault",
    "Row",
    "Source",
    "kept",
    "kind",
    "name_of",
    "read",
    "read_rows",
    "refuse_count",
]


class Frame(Protocol):
    """A DataFrame, of pandas or of whatever has its `to_dict`."""

    def to_dict(self, orient: Any) -> Any: ...


Source = str | PathLike[str] | bytes | Sequence[Mapping[str, Any]] | Frame

_LONGEST_PATH = 255  # a longer text is not even looked for

#: Kind of file -> the fault that the service finds in it.
_WHOLE_FILE = {
    "json_array": Fault("json_array"),
    "pretty_json": Fault("pretty_json"),
    "csv": Fault("table", "CSV"),
    "tsv": Fault("table", "TSV"),
    "xlsx": Fault("table", "XLSX"),
    "txt": Fault("plain_text"),
}


def kept(source: Source) -> Source:
    """The source; of a generator, which can be gone through once only, its rows."""
    once: object = source
    return list(once) if isinstance(once, Iterator) else source


def name_of(source: Source) -> str:
    """What a source is called in a heading: the file's name, else `rows`."""
    return Path(source).name if isinstance(source, str | PathLike) else "rows"


def refuse_count(n: int | None) -> None:
    """Raises ValueError where `n` is no number of rows; None is all of them."""
    if n is not None and (not hasattr(n, "__index__") or n < 0):
        raise ValueError(
            f"n is {n!r}; give a whole number of rows from 0 on, such as 3."
        )


def kind(source: Source) -> Kind | None:
    """What a path or bytes hold, by content; None for rows that are in memory."""
    _refuse_text(source)
    if isinstance(source, bytes):
        return kind_of(source[:HEAD_BYTES])
    if isinstance(source, str | PathLike):
        with Path(source).open("rb") as stream:
            return kind_of(stream.read(HEAD_BYTES), fspath(source))
    return None


def read_rows(source: Source) -> Iterator[Row]:
    """One row for each example of any source, readable (`value`) or not (`faults`).

    `line` is the line of the file where the example starts, `number` counts the
    examples from 1. Blank lines and what is wrong with the file as a whole are left
    out. Raises OSError when a path cannot be opened.
    """
    rows = (row for row in read(source) if row.number)
    return (row for row in rows if not _is_blank(row))


def _is_blank(row: Row) -> bool:
    return any(fault.code == "blank_line" for fault in row.faults)


def texts_at(source: Source, lines: set[int]) -> Iterator[tuple[int, str]]:
    """The text of those lines, in their order; of a table, the row as JSON."""
    last = max(lines, default=0)
    if isinstance(source, bytes) or kind(source) != "jsonl":
        rows: Iterator[tuple[int, str]] = ((r.line, r.text) for r in read_rows(source))
    else:
        rows = _raw_lines(Path(fspath(source)))  # type: ignore[arg-type]
    for line, text in rows:
        if line in lines:
            yield line, text
        if line >= last:
            return


def _raw_lines(path: Path) -> Iterator[tuple[int, str]]:
    with path.open("rb") as stream:
        wide = not encoding_of(stream.read(4)).startswith("utf-8")
    if wide:
        yield from ((row.line, row.text) for row in read_rows(path))
        return
    with path.open(encoding="utf-8-sig", errors="replace", newline="\n") as lines:
        yield from ((n, text.rstrip("\r\n")) for n, text in enumerate(lines, start=1))


def read(source: Source) -> Iterator[Row]:
    """Rows of a source with all faults that reading finds.

    A file that is no JSONL (a table, an array, UTF-16) first gives a row of number 0
    that says so, then its examples. Raises OSError when a path cannot be opened.
    """
    _refuse_text(source)
    if isinstance(source, bytes):
        yield from _read_stream(io.BytesIO(source), "")
    elif isinstance(source, str | PathLike):
        with Path(source).open("rb") as stream:
            yield from _read_stream(stream, fspath(source))
    else:
        yield from _read_objects(_records(source))


def _refuse_text(source: Source) -> None:
    if not isinstance(source, str) or source.lstrip()[:1] not in ("{", "["):
        return
    if len(source) > _LONGEST_PATH or not Path(source).exists():
        raise ValueError(
            f"This is text, not a path: {source.strip():.40}… Give the path of a file, "
            "a list of rows, or the text as bytes: text.encode()."
        )


def _records(source: Sequence[Mapping[str, Any]] | Frame) -> Iterable[Any]:
    if hasattr(source, "to_dict") and not isinstance(source, Mapping):
        found: list[dict[str, Any]] = source.to_dict("records")
        return ({key: _cell(cell) for key, cell in row.items()} for row in found)
    if isinstance(source, Mapping):
        raise TypeError(
            f"This is one row, of {', '.join(map(str, source)) or 'no key'}; give a "
            "list: [row] instead of row, such as check([row])."
        )
    if not isinstance(source, Iterable):
        raise TypeError(
            f"Data is a path, bytes, a list of rows or a table of pandas; this is "
            f"{source!r:.60} ({type(source).__name__})."
        )
    return source


def _cell(value: Any) -> Any:
    """A DataFrame's cell as a CSV file would hold it: a missing one is empty."""
    missing = isinstance(value, float) and value != value
    if missing or type(value).__name__ in ("NaTType", "NAType"):
        return ""
    return str(value) if hasattr(value, "isoformat") else value


def _read_objects(objects: Iterable[Any]) -> Iterator[Row]:
    parser = Parser()
    for line, value in enumerate(objects, start=1):
        try:
            text = json.dumps(value)
        except (TypeError, ValueError, RecursionError) as error:
            yield Row(line, line, None, "", (Fault("not_json", str(error)),))
        else:
            yield parser.row(line, line, text)


def _read_stream(stream: BinaryIO, name: str) -> Iterator[Row]:
    head = stream.read(HEAD_BYTES)
    stream.seek(0)
    found, encoding = kind_of(head, name), encoding_of(head)
    faults = [Fault("utf16")] if encoding.startswith(("utf-16", "utf-32")) else []
    if found == "pretty_json":
        faults.append(Fault("pretty_json", _first_error(head, encoding)))
    elif found in _WHOLE_FILE:
        faults.append(_WHOLE_FILE[found])
    if faults:
        start = head[:80].decode(encoding, "replace").lstrip("\ufeff")
        yield Row(1, 0, None, start, tuple(faults))
    yield from _rows(stream, found, encoding, name)


def _rows(stream: BinaryIO, found: Kind, encoding: str, name: str) -> Iterator[Row]:
    if found in ("csv", "tsv"):
        return table_rows(stream, encoding, name)
    if found == "xlsx":
        return sheet_rows(stream)
    if found == "txt":
        return text_rows(stream, encoding)
    if found in ("json_array", "pretty_json"):
        return json_texts(stream, encoding)
    wide = encoding.startswith(("utf-16", "utf-32"))
    return json_lines(_Recoded(stream, encoding) if wide else stream)


def _first_error(head: bytes, encoding: str) -> str:
    """What a reader of JSON lines says to the first line."""
    text = head.decode(encoding, "replace").lstrip("\ufeff\r\n")
    row = Parser().row(1, 1, text.partition("\n")[0].rstrip("\r"))
    return row.faults[0].as_json_says if row.faults else ""


class _Recoded:
    """Lines of a file in UTF-16 or UTF-32, as UTF-8."""

    def __init__(self, stream: BinaryIO, encoding: str) -> None:
        self._text = io.TextIOWrapper(stream, encoding, "replace", newline="\n")

    def readline(self, size: int = -1, /) -> bytes:
        line = self._text.readline()
        return line.removeprefix("\ufeff").encode("utf-8", "replace")
