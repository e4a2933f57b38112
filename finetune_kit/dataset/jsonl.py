"""JSON lines to rows: one value a line, with its number and what is wrong with it.

Reading never stops at a bad line and never raises on bad content. One line is in
memory at a time.
"""

from __future__ import annotations

import codecs
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Protocol

#: A longer line is not parsed: ten images of 10 MB as base64 fit into it.
MAX_LINE_BYTES = 160 * 1024 * 1024

_STRING_OR_CONSTANT = re.compile(r'"(?:\\.|[^"\\])*"|NaN|-?Infinity')
_SURROGATE_ESCAPE = re.compile(r"\\u[dD][89a-fA-F]")


@dataclass(frozen=True, slots=True)
class Fault:
    """What reading found on a line; `code` is the code of a line rule."""

    code: str
    detail: str = ""
    column: int | None = None

    @property
    def as_json_says(self) -> str:
        """The detail as Python's decoder words it, for which each line is the first."""
        if self.column is None:
            return self.detail
        return f"{self.detail}: line 1 column {self.column} (char {self.column - 1})"


@dataclass(frozen=True, slots=True)
class Row:
    """One line: `line` counts from 1, `number` counts only the non-blank ones.

    `value` is the parsed JSON, None where the line could not be read. A row with the
    number 0 says what is wrong with the file as a whole.
    """

    line: int
    number: int
    value: Any
    text: str
    faults: tuple[Fault, ...] = ()

    @property
    def why_unread(self) -> str:
        """Why the line holds no example."""
        if not self.faults:
            return "it holds no object"
        fault = self.faults[0]
        column = f" (column {fault.column})" if fault.column else ""
        return f"{fault.detail or fault.code}{column}"


class Lines(Protocol):
    """What rows are read from: a binary file, or something that reads like one."""

    def readline(self, size: int = -1, /) -> bytes: ...


def json_lines(stream: Lines) -> Iterator[Row]:
    """Rows with their faults; blank lines count as faults unless they end the file."""
    reader = LineReader()
    while raw := stream.readline(MAX_LINE_BYTES):
        whole = True
        rest = raw
        while len(rest) == MAX_LINE_BYTES and not rest.endswith(b"\n"):
            rest, whole = stream.readline(MAX_LINE_BYTES), False
        yield from reader.rows(raw, whole)


class LineReader:
    """Makes rows of lines; blank lines are faults as soon as another line follows."""

    def __init__(self) -> None:
        self.line = 0
        self.number = 0
        self._offset = 0
        self._blank: list[int] = []
        self._parser = Parser()

    def rows(self, raw: bytes, whole: bool = True) -> Iterator[Row]:
        """The row of the next line, after those of blank lines before it."""
        begin, self._offset = self._offset, self._offset + len(raw)
        self.line += 1
        if not raw.strip():
            self._blank.append(self.line)
            return
        yield from self._blank_rows()
        self.number += 1
        if whole and len(raw) <= MAX_LINE_BYTES:
            yield _decoded(self._parser, self.line, self.number, raw, begin)
        else:
            yield Row(self.line, self.number, None, "", (Fault("line_too_long"),))

    def pass_over(self, examples: int, size: int) -> Iterator[Row]:
        """Lines of `size` bytes that need no look; only blank ones before them do."""
        yield from self._blank_rows()
        self.line += examples
        self.number += examples
        self._offset += size

    def _blank_rows(self) -> Iterator[Row]:
        fault = (Fault("blank_line"),)
        if self.number:
            yield from (Row(n, self.number, None, "", fault) for n in self._blank)
        elif self._blank:
            yield Row(self._blank[0], 0, None, "", (Fault("blank_start"),))
        self._blank.clear()


def _decoded(parser: Parser, line: int, number: int, raw: bytes, begin: int) -> Row:
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


class Parser:
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
    return Fault(code, error.msg, column=_column(text, error))


def _column(text: str, error: json.JSONDecodeError) -> int:
    """Where the mistake is: a comma too many itself, as Python 3.13 says."""
    before = text[: error.pos].rstrip()
    if before.endswith(",") and text[error.pos :].lstrip()[:1] in ("]", "}"):
        return len(before) - (before.rfind("\n") + 1)
    return error.colno


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
