"""What a file is, by its content: the extension only decides where both would fit."""

from __future__ import annotations

import codecs
import csv
import io
import json
import re
from collections.abc import Iterable
from typing import Literal

Kind = Literal["jsonl", "json_array", "pretty_json", "csv", "tsv", "xlsx", "txt"]

#: So much of a file is looked at.
HEAD_BYTES = 1 << 16
#: `str.splitlines` would also split at U+2028 and others that JSON may hold.
_LINE_END = re.compile(r"\r\n|\n|\r")
#: Of characters that can be read in no encoding, in a text of Latin letters in cp1252.
_MOST_UNREADABLE = 0.2
_DELIMITERS = ",\t;|"
_COLUMN = re.compile(r"\ufeff?[^\W\d][\w .()/:-]{0,40}")
#: The line before a table by which Excel is told what parts its columns.
_TOLD = re.compile(r'\ufeff?"?sep=([^\w\s"]|\t)"?[ ]*(?:\r|\n)', re.IGNORECASE)
#: A table of one column is told from a text by its heading.
_HEADINGS = {"prompt", "completion", "messages", "text", "question", "answer"}
_BOMS = (
    (codecs.BOM_UTF8, "utf-8-sig"),
    (codecs.BOM_UTF32_LE, "utf-32"),
    (codecs.BOM_UTF32_BE, "utf-32"),
    (codecs.BOM_UTF16_LE, "utf-16"),
    (codecs.BOM_UTF16_BE, "utf-16"),
)


def encoding_of(head: bytes) -> str:
    """utf-8, utf-8-sig, utf-16 or utf-32, by the byte order mark or the zero bytes."""
    for mark, name in _BOMS:
        if head.startswith(mark):
            return name
    if not any(head[:8:2]) and head[1:2] > b"\0":
        return "utf-16-be"
    if not any(head[1:8:2]) and head[:1] > b"\0" and head[1:]:
        return "utf-32-le" if head[2:4] == b"\0\0" else "utf-16-le"
    return "utf-32-be" if head[:3] == b"\0\0\0" else "utf-8"


def kind_of(head: bytes, name: str = "") -> Kind:
    """The kind of a file that starts with `head` and is called `name`."""
    if head.startswith(b"PK\x03\x04"):
        return "xlsx"
    text = head.decode(encoding_of(head), "replace")
    if text.count("\0") + text.count("\ufffd") > len(text) * _MOST_UNREADABLE:
        return "jsonl"  # neither text nor a table; line by line it is refused
    whole = len(head) < HEAD_BYTES
    lines = [line for line in _LINE_END.split(text) if line.strip()]
    if not lines:
        return "jsonl"
    if not told_delimiter(text) and _looks_like_json(lines):
        return _kind_of_json(lines, text, whole)
    if delimiter := delimiter_of(text, name, whole):
        return "tsv" if delimiter == "\t" else "csv"
    return "txt"


def told_delimiter(text: str) -> str | None:
    """What parts the columns by Excel's `sep=;`, where a text begins with that line."""
    told = _TOLD.match(text)
    return told[1] if told else None


def delimiter_of(text: str, name: str = "", whole: bool = True) -> str | None:
    """What parts the columns of a table, or None where the text is no table."""
    if told := told_delimiter(text):
        return told
    suffix = name.lower().rpartition(".")[2]
    delimiters = sorted(_DELIMITERS, key=lambda d: (d != "\t") == (suffix == "tsv"))
    tables = [(d, rows) for d in delimiters if (rows := _table(text, d, whole))]
    for delimiter, rows in tables:
        if _is_table(rows, suffix):
            return delimiter
    if suffix in ("csv", "tsv"):
        for delimiter, rows in tables:
            if len(rows[0]) > 1 and _evenness(rows) >= 0.5:
                return delimiter
    first = text.lstrip("\ufeff").partition("\n")[0].strip().strip('"').lower()
    named = suffix in ("csv", "tsv") or first in _HEADINGS
    one_column = named and _COLUMN.fullmatch(first)
    return ("\t" if suffix == "tsv" else ",") if one_column else None


def _table(text: str, delimiter: str, whole: bool) -> list[list[str]]:
    reader = csv.reader(io.StringIO(text, newline=""), delimiter=delimiter)
    try:
        rows = [row for row in reader if row]
    except csv.Error:
        return []
    return rows if whole else rows[:-1]  # the last one may be cut off


def _is_table(rows: list[list[str]], suffix: str) -> bool:
    """Headings that look like names, and rows of as many cells as headings."""
    head, body = rows[0], rows[1:]
    if len(head) < 2 or not body or len(set(head)) < len(head):
        return False
    if not all(_COLUMN.fullmatch(cell.rstrip()) for cell in head):
        return False
    known = _HEADINGS & {cell.strip().lstrip("\ufeff").lower() for cell in head}
    if suffix == "txt" and not known:
        return False
    if suffix in ("csv", "tsv") and {"prompt", "completion"} <= known:
        return True
    return _evenness(rows) >= (0.5 if known or suffix in ("csv", "tsv") else 0.9)


def _evenness(rows: list[list[str]]) -> float:
    """The share of rows with a cell for each heading; empty ones may follow."""
    width, body = len(rows[0]), rows[1:]
    even = (len(row) >= width and not any(row[width:]) for row in body)
    return sum(even) / max(1, len(body))


def _looks_like_json(lines: Iterable[str]) -> bool:
    """Whether any of the first lines opens an object or list, or is a JSON value."""
    return any(
        line.lstrip("\ufeff \t")[:1] in ("{", "[") or _is_json(line)
        for line in list(lines)[:20]
    )


def _is_json(line: str) -> bool:
    try:
        json.loads(line)
    except (ValueError, RecursionError):
        return False
    return True


def _kind_of_json(lines: list[str], text: str, whole: bool) -> Kind:
    """Whether the first two lines are pieces of one JSON text, not JSONL."""
    first = lines[0].lstrip("\ufeff \t")
    second = lines[1] if len(lines) > 1 else None
    cut_off = _cut_off(first) and (second is not None or not whole)
    if first[:1] == "[" and (cut_off or (second is None and _is_json(first))):
        return "json_array"
    if first[:1] == "{" and cut_off and second and not second.startswith("{"):
        return "pretty_json"
    return "jsonl"


def _cut_off(line: str) -> bool:
    """Whether the line ends within its JSON, without a mistake before."""
    try:
        json.loads(line)
    except json.JSONDecodeError as error:
        at_end = error.pos >= len(line.rstrip())
        return at_end or error.msg.startswith("Unterminated")
    except (ValueError, RecursionError):
        return False
    return False
