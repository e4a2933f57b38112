"""What a repair may change: its fixes, which of them were asked for, and its edits."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from . import text_fixes as text_fixes
from . import tool_fixes as tool_fixes
from .chat_rules import MESSAGE_KEYS
from .fixes import FIXES, Fix
from .rules import did_you_mean

#: What writing JSONL always changes, in words.
WRITTEN = {
    "utf16": "the text is written as UTF-8",
    "json_array": "each element of the array is written on a line of its own",
    "pretty_json": "each object is written on one line",
    "table": "each row of the table is written as a JSON object",
    "plain_text": "each line of the text is written as a completion",
    "blank_start": "the empty lines before the first example are left out",
    "bom": "the byte order mark at the start is left out",
}
#: Fixes of lines, beside those of examples in `fixes`: code -> safe, what it does.
_LINE_FIXES = {
    "invalid_json": (True, "JSON that can be read in one way only is written right."),
    "blank_line": (True, "Empty lines are removed."),
    "duplicate_key": (True, "A key that stands twice is kept once: the last counts."),
    "not_a_number": (False, "NaN and Infinity are written null."),
    "not_utf8": (False, "Lines that are no UTF-8 are read as cp1252, Windows' code."),
    "duplicate_example": (False, "Copies of an earlier line are removed."),
}


@dataclass(frozen=True, slots=True)
class Edit:
    """One fix at one place; `before` and `after` are the line's text.

    `after` is None where the line was removed, and both are empty where the fix is
    about the file as a whole. `line` counts from 1 in the original.
    """

    code: str
    line: int
    message: int | None
    field: str | None
    what: str
    before: str = ""
    after: str | None = ""

    @property
    def where(self) -> str:
        """The place in words, e.g. `line 3, messages[1].role`."""
        if not self.before:
            return "file"
        steps = [] if self.message is None else [f"messages[{self.message}]"]
        steps += [self.field] if self.field else []
        return ", ".join([f"line {self.line}", *filter(None, [".".join(steps)])])


def fixable(safe: bool | None = None) -> dict[str, str]:
    """Codes that have a fix, with what it does; only safe ones, or only others."""
    lines = _LINE_FIXES.items()
    found = {code: what for code, (is_safe, what) in lines if safe in (None, is_safe)}
    for one in FIXES:
        if safe in (None, one.safe):
            found.setdefault(one.code, one.what)
    return found


@dataclass(frozen=True, slots=True)
class Plan:
    """Which fixes were asked for."""

    codes: frozenset[str]
    answers: Mapping[str, str]

    @classmethod
    def of(cls, fixes: str | Iterable[str], answers: Mapping[str, str]) -> Plan:
        if isinstance(fixes, str) and "," in fixes:
            listed = [code.strip() for code in fixes.split(",")]
            raise ValueError(f"several fixes are a list: fixes={listed}, not {fixes!r}")
        if not isinstance(answers, Mapping):
            raise TypeError(
                'answers say what your own roles mean, such as {"bot": "assistant"}; '
                f"this is {answers!r:.60}"
            )
        codes = frozenset([fixes] if isinstance(fixes, str) else fixes)
        known = {"safe", *fixable(), *WRITTEN}
        if unknown := sorted(codes - known):
            raise ValueError(
                f"no fix is called {unknown[0]!r}; there are: "
                f"{', '.join(sorted(known))}.{did_you_mean(unknown[0], known)}"
            )
        if wrong := sorted(set(answers.values()) - set(MESSAGE_KEYS)):
            roles = ", ".join(MESSAGE_KEYS)
            raise ValueError(f"{wrong[0]!r} is no role; there are: {roles}")
        return cls(codes, answers)

    def wants(self, code: str, safe: bool) -> bool:
        return code in self.codes or (safe and "safe" in self.codes)

    def split(self, kind: str | None) -> tuple[list[Fix], list[Fix]]:
        """The fixes of a format: those asked for, and the others."""
        of_format = [one for one in FIXES if kind in one.formats]
        asked = [one for one in of_format if self.wants(one.code, one.safe)]
        return asked, [one for one in of_format if one not in asked]
