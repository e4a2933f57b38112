"""The rows of a data file on their way through the fixes of a repair."""

from __future__ import annotations

import copy
import json
import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import replace
from functools import partial
from typing import Any

from .edits import WRITTEN, Edit, Plan
from .fixes import Draft, Note, apply_fixes
from .formats import format_of
from .habits import Usual
from .jsonl import Row
from .mending import mend
from .personal import all_covered
from .saving import line_of

#: So many edits of one code are kept for the diff; all are counted.
LISTED_PER_CODE = 1_000
#: Faults of lines that no fix can read; they stay out of the copy.
UNREAD = {"not_utf8", "line_too_long", "cells"}
_STYLES = [
    partial(json.dumps, ensure_ascii=ascii_only, separators=separators)
    for ascii_only in (False, True)
    for separators in ((", ", ": "), (",", ":"))
]


class Mender:
    """The rows of one file on their way through the fixes."""

    def __init__(self, plan: Plan, kind: str | None, usual: Usual) -> None:
        self.edits: list[Edit] = []
        self.counts: Counter[str] = Counter()
        self.offered: Counter[str] = Counter()
        self.unread: set[int] = set()
        self._plan = plan
        self._kind = kind
        self._usual = usual
        self._asked, self._others = plan.split(kind)
        self._seen: set[int] = set()

    def lines(self, rows: Iterable[Row]) -> Iterator[tuple[int, str]]:
        """Lines of the repaired file, each with its line in the original."""
        for row in rows:
            for fault in row.faults:
                if fault.code in WRITTEN:
                    self._add(
                        Edit(fault.code, row.line, None, None, WRITTEN[fault.code])
                    )
            if row.number:
                yield from ((row.line, text) for text in self._mended(row))

    def note_line(self, line: int, what: str, before: str, after: str) -> None:
        self._add(Edit("not_utf8", line, None, None, what, before, after))

    def _add(self, edit: Edit) -> None:
        self.counts[edit.code] += 1
        if self.counts[edit.code] <= LISTED_PER_CODE:
            self.edits.append(edit)

    def _mended(self, row: Row) -> list[str]:
        codes = {fault.code for fault in row.faults}
        if "blank_line" in codes:
            return self._blank(row)
        if codes & UNREAD:
            self.unread.add(row.line)
            return []
        if row.value is None:
            return self._unparsed(row)
        value, notes = self._of_line(row, codes)
        return self._example(row, value, notes)

    def _blank(self, row: Row) -> list[str]:
        if not self._plan.wants("blank_line", safe=True):
            return [""]
        self._add(Edit("blank_line", row.line, None, None, "removed", "(empty)", None))
        return []

    def _unparsed(self, row: Row) -> list[str]:
        mended = mend(row.text) if {f.code for f in row.faults} & _BROKEN else None
        if mended is None:
            return [row.text]
        what = ", ".join(mended.what)
        if not self._plan.wants("invalid_json", safe=True):
            self.offered["invalid_json"] += 1
            return [row.text]
        note = Note("invalid_json", None, None, f"mended: {what}")
        if not mended.values:
            self._add(Edit(note.code, row.line, None, None, note.what, row.text, None))
            return []
        if len(mended.values) == 1:
            return self._example(row, mended.values[0], [note])
        after = "\n".join(map(line_of, mended.values))
        self._add(Edit(note.code, row.line, None, None, note.what, row.text, after))
        return [
            text
            for value in mended.values
            for text in self._example(replace(row, text=line_of(value)), value, [])
        ]

    def _of_line(self, row: Row, codes: set[str]) -> tuple[Any, list[Note]]:
        """The value without repeated keys and numbers that are no JSON."""
        value, notes = row.value, []
        if "duplicate_key" in codes:
            same = _repeats_agree(row.text)
            if self._plan.wants("duplicate_key", safe=same):
                words = "one of two equal keys is removed"
                what = words if same else "the last of two equal keys is kept"
                notes.append(Note("duplicate_key", None, None, what))
            else:
                self.offered["duplicate_key"] += 1
        if "not_a_number" in codes:
            if self._plan.wants("not_a_number", safe=False):
                value = _without_nan(value)
                what = "what is no number in JSON is written null"
                notes.append(Note("not_a_number", None, None, what))
            else:
                self.offered["not_a_number"] += 1
        return value, notes

    def _example(self, row: Row, value: Any, notes: list[Note]) -> list[str]:
        if isinstance(value, dict):
            answers = self._plan.answers
            draft = Draft(copy.deepcopy(value), answers, [], row.line, self._usual)
            if self._is_of_the_files_format(value):
                notes = notes + apply_fixes(draft, self._asked)
                rest = Draft(copy.deepcopy(draft.value), {}, [], row.line, self._usual)
                offered = {note.code for note in apply_fixes(rest, self._others)}
                self.offered.update(offered)
            value = draft.value
        text = row.text
        if notes or "\n" in text:
            text = "" if value is None else _in_the_style_of(row.text, value)
        for note in notes:
            after = None if value is None else text
            pair = (row.text, after)
            if note.code in _NOT_SPREAD:
                pair = (all_covered(row.text), after and all_covered(after))
            self._add(Edit(note.code, row.line, *_place(note), *pair))
        return [text] if value is not None and self._is_wanted(row, text) else []

    def _is_of_the_files_format(self, value: dict[str, Any]) -> bool:
        own = format_of(value)
        return own == self._kind or (own == "chat" and self._kind == "reinforcement")

    def _is_wanted(self, row: Row, text: str) -> bool:
        """Whether the line is not a copy that was asked to be removed."""
        key = hash(text.strip())
        if key not in self._seen:
            self._seen.add(key)
            return True
        if not self._plan.wants("duplicate_example", safe=False):
            self.offered["duplicate_example"] += 1
            return True
        what = "removed: the same as an earlier line"
        self._add(Edit("duplicate_example", row.line, None, None, what, text, None))
        return False


_BROKEN = {"invalid_json", "cut_off_json"}
#: Fixes whose diff must not show what they take away.
_NOT_SPREAD = {"secret", "personal_data"}


def _place(note: Note) -> tuple[int | None, str | None, str]:
    return note.message, note.field, note.what


def _in_the_style_of(text: str, value: Any) -> str:
    """The line for a value, spaced and escaped as the line was that it replaces."""
    try:
        old = json.loads(text)
        return next(style(value) for style in _STYLES if style(old) == text)
    except (ValueError, StopIteration, RecursionError):
        return _line(value)


def _line(value: Any) -> str:
    try:
        return line_of(value)
    except ValueError:  # NaN, which nobody asked to replace
        return json.dumps(value)


def _repeats_agree(text: str) -> bool:
    """Whether keys that stand twice in an object have the same value each time."""
    agree = True

    def pairs(found: list[tuple[str, Any]]) -> dict[str, Any]:
        nonlocal agree
        value = dict(found)
        agree = agree and all(value[key] == one for key, one in found)
        return value

    json.loads(text, object_pairs_hook=pairs)
    return agree


def _without_nan(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _without_nan(one) for key, one in value.items()}
    if isinstance(value, list):
        return [_without_nan(one) for one in value]
    return value if not isinstance(value, float) or math.isfinite(value) else None
