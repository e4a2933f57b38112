"""Bytes to rows: one JSON value a line, with its line number and what is wrong.

Reading never stops at a bad line and never raises on bad content. A path is
streamed, one line in memory at a time.
"""

from __future__ import annotations

import codecs
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from os import PathLike
from pathlib import Path
from typing import Any, BinaryIO

Source = str | PathLike[str] | bytes | Sequence[Mapping[str, Any]]

#: A longer line is not parsed: ten images of 10 MB as base64 fit into it.
MAX_LINE_BYTES = 160 * 1024 * 1024

_UTF16_32 = (codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE, codecs.BOM_UTF32_BE)
_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|NaN|-?Infinity')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What reading found on a line; `code` is the code of a line rule."""

    code: str
    detail: str = ""
    column: int | None = None


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `line` counts from 1, `number` counts only the non-blank ones.

    `value` is the parsed JSON, None where the line could not be read. A row with the
    number 0 stands for a whole file that is no JSONL.
    """

    line: int
    number: int
    value: Any
    text: str
    faults: tuple[Fault, ...] = ()


def read(source: Source) -> Iterator[Row]:
    """Rows of a path (streamed), of bytes, or of a list of dicts.

    A file that is no JSONL at all (an array, pretty-printed JSON, UTF-16) gives one
    row that says so. Raises OSError when a path cannot be opened.
    """
    if isinstance(source, bytes):
        yield from _read_stream(io.BytesIO(source))
    elif isinstance(source, str | PathLike):
        with Path(source).open("rb") as stream:
            yield from _read_stream(stream)
    else:
        yield from _read_objects(source)


def _read_objects(objects: Iterable[Any]) -> Iterator[Row]:
    parser = _Parser()
    for line, value in enumerate(objects, start=1):
        try:
            text = json.dumps(value)
        except (TypeError, ValueError, RecursionError) as error:
            yield Row(line, line, None, "", (Fault("not_json", str(error)),))
        else:
            yield parser.row(line, line, text)


def _read_stream(stream: BinaryIO) -> Iterator[Row]:
    start = stream.read(4)
    stream.seek(0)
    if start.startswith(_UTF16_32) or b"\0" in start[:2]:
        yield Row(1, 0, None, "", (Fault("utf16"),))
        return
    rows = _rows(stream)
    first = next(rows, None)
    if first is None:
        return
    second = next(rows, None)
    if code := _whole_file_code(first, second):
        detail = first.faults[0].detail if first.faults else ""
        yield Row(first.line, 0, first.value, first.text, (Fault(code, detail),))
    else:
        yield from chain([first], [second] if second else [], rows)


def _whole_file_code(first: Row, second: Row | None) -> str | None:
    """Whether the first two lines are pieces of one JSON text, not JSONL."""
    cut_off = any(fault.code == "cut_off_json" for fault in first.faults)
    opening = first.text.lstrip()[:1]
    if opening == "[" and (cut_off or (second is None and _is_list(first))):
        return "json_array"
    if opening == "{" and cut_off and second and not second.text.startswith("{"):
        return "pretty_json"
    return None


def _is_list(row: Row) -> bool:
    return isinstance(row.value, list)


def _rows(stream: BinaryIO) -> Iterator[Row]:
    """Rows with their faults; blank lines count as faults unless they end the file."""
    parser = _Parser()
    blank: list[int] = []
    number = offset = 0
    for line, raw, whole in _lines(stream):
        begin, offset = offset, offset + len(raw)
        if not raw.strip():
            blank.append(line)
            continue
        if number:
            yield from (Row(n, number, None, "", (Fault("blank_line"),)) for n in blank)
        blank.clear()
        number += 1
        if whole:
            yield _decoded(parser, line, number, raw, begin)
        else:
            yield Row(line, number, None, "", (Fault("line_too_long"),))


def _lines(stream: BinaryIO) -> Iterator[tuple[int, bytes, bool]]:
    """Line number, bytes, and whether they are the whole line."""
    line = 0
    while raw := stream.readline(MAX_LINE_BYTES):
        line += 1
        rest = raw
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest = stream.readline(MAX_LINE_BYTES)
        yield line, raw, rest is raw


def _decoded(parser: _Parser, line: int, number: int, raw: bytes, begin: int) -> Row:
    faults: tuple[Fault, ...] = ()
    if begin == 0 and raw.startswith(codecs.BOM_UTF8):
        raw = raw.removeprefix(codecs.BOM_UTF8)
        faults = (Fault("bom", raw[:3].decode("utf-8", "replace")),)
    raw = raw.rstrip(b"\r\n")
    try:
        text = raw.decode("utf-8")
    except UnicodeDecodeError as error:
        detail = f"byte 0x{raw[error.start]:02x} at byte {begin + error.start}"
        fault = Fault("not_utf8", detail, column=error.start + 1)
        text = raw.decode("utf-8", "replace")
        return Row(line, number, None, text, (*faults, fault))
    row = parser.row(line, number, text)
    return Row(line, number, row.value, text, (*faults, *row.faults))


class _Parser:
    """A JSON decoder that also notes repeated keys and non-JSON numbers."""

    def __init__(self) -> None:
        self._faults: list[Fault] = []
        self._decoder = json.JSONDecoder(
            object_pairs_hook=self._pairs, parse_constant=self._constant
        )

    def row(self, line: int, number: int, text: str) -> Row:
        self._faults = []
        value = None
        try:
            value = self._decoder.decode(text)
        except json.JSONDecodeError as error:
            self._faults = [_syntax_fault(text, error)]
        except RecursionError:
            self._faults = [Fault("invalid_json", "nested too deeply")]
        except ValueError as error:  # a number of more than 4,300 digits
            self._faults = [Fault("invalid_json", str(error))]
        if _SURROGATE_ESCAPE.search(text) and not _encodable(value):
            self._faults.append(Fault("half_character"))
        return Row(line, number, value, text, _with_columns(text, self._faults))

    def _pairs(self, pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        value = dict(pairs)
        if len(value) < len(pairs):
            seen: set[str] = set()
            for key, _ in pairs:
                if key in seen:
                    self._faults.append(Fault("duplicate_key", key))
                seen.add(key)
        return value

    def _constant(self, name: str) -> float:
        self._faults.append(Fault("not_a_number", name))
        return float(name)


def _syntax_fault(text: str, error: json.JSONDecodeError) -> Fault:
    at_end = error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated")
    code = "cut_off_json" if at_end and text.lstrip()[:1] in "[{" else "invalid_json"
    return Fault(code, str(error), column=error.colno)


def _with_columns(text: str, faults: list[Fault]) -> tuple[Fault, ...]:
    """The faults, each non-JSON number with the column where it stands."""
    if not any(fault.code == "not_a_number" for fault in faults):
        return tuple(faults)
    found = _STRING_OR_CONSTANT.finditer(text)
    columns = iter([m.start() + 1 for m in found if not m.group().startswith('"')])
    return tuple(
        Fault(fault.code, fault.detail, next(columns, None))
        if fault.code == "not_a_number"
        else fault
        for fault in faults
    )


def _encodable(value: Any) -> bool:
    """Whether every string in it can be written as UTF-8."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except (UnicodeEncodeError, RecursionError):
        return False
    return True
