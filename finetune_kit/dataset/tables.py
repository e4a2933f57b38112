"""Tables and texts to rows: CSV, TSV, XLSX and TXT, every value a string.

The first row holds the columns' names. An empty cell is an empty string, a line of
a text is a completion with an empty prompt: both as the tool `prepare_data` of the
openai package 0.28 read them.
"""

from __future__ import annotations

import csv
import io
import json
import sys
import zipfile
import zlib
from collections.abc import Iterable, Iterator
from typing import Any, BinaryIO

from .jsonl import Fault, Row
from .sniff import HEAD_BYTES, delimiter_of, told_delimiter

#: What openpyxl raises for a file that only begins like a workbook.
BROKEN_SHEET = (
    zipfile.BadZipFile,
    zlib.error,
    EOFError,
    KeyError,
    ValueError,
    SyntaxError,  # of the XML within
)


def table_rows(stream: BinaryIO, encoding: str, name: str) -> Iterator[Row]:
    """Rows of a table in CSV or TSV; cells beyond the columns are a fault."""
    # a cell may hold a whole conversation; the module's own limit is 128 KB
    csv.field_size_limit(min(sys.maxsize, 2**31 - 1))
    text = as_text(stream, encoding)
    head = text.read(HEAD_BYTES)
    delimiter = delimiter_of(head, name, whole=len(head) < HEAD_BYTES) or ","
    text.seek(0)
    reader = csv.reader(text, delimiter=delimiter)
    columns: list[str] = []
    number, line = 0, 1
    try:
        if told_delimiter(head):
            next(reader)
        for cells in reader:
            if cells and not columns:
                columns = _named(cells)
            elif cells:
                number += 1
                yield _row(line, number, columns, cells)
            line = reader.line_num + 1
    except csv.Error as error:
        yield Row(line, number + 1, None, "", (Fault("broken_table", str(error)),))


def sheet_rows(stream: BinaryIO) -> Iterator[Row]:
    """Rows of the first sheet of an XLSX file; lines are the sheet's own."""
    import openpyxl

    try:
        book = openpyxl.load_workbook(stream, read_only=True, data_only=True)
        yield from _sheet(book.worksheets[0].iter_rows(values_only=True))
    except BROKEN_SHEET as error:
        yield Row(1, 0, None, "", (Fault("broken_table", str(error)),))


def _sheet(lines: Iterable[tuple[Any, ...]]) -> Iterator[Row]:
    columns: list[str] = []
    number = 0
    for line, values in enumerate(lines, start=1):
        cells = ["" if value is None else str(value) for value in values]
        cells = _trimmed(cells)
        if cells and not columns:
            columns = _named(cells)
        elif cells:
            number += 1
            yield _row(line, number, columns, cells)


def text_rows(stream: BinaryIO, encoding: str) -> Iterator[Row]:
    """Each line of a text as the completion of an empty prompt."""
    for line, text in enumerate(as_text(stream, encoding), start=1):
        text = text.rstrip("\r\n")
        value = {"prompt": "", "completion": text}
        yield Row(line, line, value, json.dumps(value, ensure_ascii=False))


def _named(cells: list[str]) -> list[str]:
    """Names of the columns: an empty one is `column 2`, a repeated one `answer 2`."""
    names: list[str] = []
    for place, cell in enumerate(_trimmed(cells), start=1):
        name = cell.strip() or f"column {place}"
        names.append(f"{name} {place}" if name in names else name)
    return names


def _row(line: int, number: int, columns: list[str], cells: list[str]) -> Row:
    """A row that holds more than the columns has no value: a part would be lost."""
    if len(cells) > len(columns):
        cells = _trimmed(cells)
    if len(cells) > len(columns):
        fault = Fault("cells", f"{len(cells)} cells, {len(columns)} columns")
        return Row(line, number, None, ",".join(cells), (fault,))
    cells = cells + [""] * (len(columns) - len(cells))
    value = dict(zip(columns, cells, strict=True))
    return Row(line, number, value, json.dumps(value, ensure_ascii=False))


def _trimmed(cells: list[str]) -> list[str]:
    """The cells up to the last one that holds something."""
    while cells and not cells[-1].strip():
        cells = cells[:-1]
    return cells


def as_text(stream: BinaryIO, encoding: str) -> io.TextIOWrapper:
    """The stream as text; what is no UTF-8 is taken for Windows' encoding, cp1252."""
    if encoding in ("utf-8", "utf-8-sig"):
        encoding = "utf-8-sig" if _is_utf8(stream) else "cp1252"
    return io.TextIOWrapper(stream, encoding, errors="replace", newline="")


def _is_utf8(stream: BinaryIO) -> bool:
    import codecs

    decoder = codecs.getincrementaldecoder("utf-8")()
    try:
        while chunk := stream.read(1 << 20):
            decoder.decode(chunk)
        decoder.decode(b"", final=True)
    except UnicodeDecodeError:
        return False
    finally:
        stream.seek(0)
    return True
