"""The checker: every rule over every line of a training or validation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import chain, islice
from os import PathLike
from typing import Any, Literal, get_args

# The rules of a module join their list when it is imported.
from . import content_rules as content_rules
from . import tool_rules as tool_rules
from .chat_rules import CHAT_RULES
from .completion_rules import COMPLETION_RULES
from .findings import Finding, Report
from .formats import format_of, format_of_rows
from .jsonl import Row
from .line_rules import LINE_RULES
from .read import Source, read
from .rules import COUNT_RULES, EXAMPLE_RULES, FORMAT_RULES, Example, File, Rule

FormatChoice = Literal["auto", "chat", "completion"]
Method = Literal["supervised", "dpo"]

#: So many findings of one code are listed; the rest is counted in a last one.
LISTED_PER_CODE = 10_000
#: The format is taken from the first line that shows one, among so many.
_LINES_TO_GUESS_FROM = 20
_RULES: dict[str | None, list[Rule[Example]]] = {
    "chat": CHAT_RULES,
    "completion": COMPLETION_RULES,
}


def check(
    source: Source, format: FormatChoice = "auto", method: Method = "supervised"
) -> Report:
    """Check a data file and report all problems of all its lines.

    `source` is a path (streamed, whatever its size), bytes, or a list of dicts.
    Bad content never raises; OSError tells of a path that cannot be read and
    ValueError of an unknown format or method.
    """
    _known("format", format, get_args(FormatChoice))
    _known("method", method, get_args(Method))
    findings = _Findings()
    rows = read(source)
    first = list(islice(rows, _LINES_TO_GUESS_FROM))
    kind = format_of_rows(first) if format == "auto" else format
    findings.extend(_about_format(first, kind, method))
    examples, readable = 0, True
    for example in _examples(chain(first, rows), kind, findings):
        examples = max(examples, example.number)
        readable = not any(fault.code == "broken_table" for fault in example.faults)
    if readable:
        file = File(None, examples, kind, method)
        findings.extend(f for rule in COUNT_RULES for f in rule.findings(file))
    return Report(_name(source), kind, method, examples, findings.listed())


def _known(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _name(source: Source) -> str | None:
    return str(source) if isinstance(source, str | PathLike) else None


def _about_format(first: list[Row], kind: str | None, method: str) -> Iterator[Finding]:
    objects = [row for row in first if isinstance(row.value, dict)]
    if objects:
        file = File(objects[0].line, objects[0].number, kind, method)
        for rule in FORMAT_RULES:
            yield from rule.findings(file)


def _examples(
    rows: Iterable[Row], kind: str | None, findings: _Findings
) -> Iterator[Row]:
    """Check each row as it comes by, and hand on the rows."""
    # 64-bit hashes instead of the lines: about 100 bytes an example.
    first_lines: dict[int, int] = {}
    for row in rows:
        is_object = isinstance(row.value, dict)
        if row.faults or not is_object:
            findings.extend(f for rule in LINE_RULES for f in rule.findings(row))
        if is_object:
            seen = first_lines.setdefault(hash(row.text.strip()), row.line)
            repeats = seen if seen != row.line else None
            findings.extend(_of_example(row, kind, repeats))
        yield row


def _of_example(row: Row, kind: str | None, repeats: int | None) -> list[Finding]:
    """The findings of one object, in the order of its messages."""
    own = format_of(row.value) if kind and not _plainly(row, kind) else kind
    example = Example(row, row.value, _messages(row.value), kind, own, repeats)
    rules = EXAMPLE_RULES
    if own == kind or own is None:
        rules = rules + _RULES.get(kind, [])
    found = [f for rule in rules for f in rule.findings(example)]
    return sorted(found, key=lambda f: -1 if f.message is None else f.message)


def _messages(value: dict[str, Any]) -> list[tuple[int, dict[str, Any]]]:
    found = value.get("messages")
    listed = found if isinstance(found, list) else []
    return [(i, message) for i, message in enumerate(listed) if type(message) is dict]


def _plainly(row: Row, kind: str) -> bool:
    """Whether the row has a key of its format: the short way past guessing."""
    return {"chat": "messages", "completion": "prompt"}.get(kind) in row.value


class _Findings:
    """Findings in order; beyond a number of one code they are only counted."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self._counts: Counter[str] = Counter()

    def extend(self, found: Iterable[Finding]) -> None:
        for finding in found:
            self._counts[finding.code] += 1
            if self._counts[finding.code] <= LISTED_PER_CODE:
                self._listed.append(finding)

    def listed(self) -> list[Finding]:
        return self._listed + [
            self._rest(code, count - LISTED_PER_CODE)
            for code, count in self._counts.items()
            if count > LISTED_PER_CODE
        ]

    def _rest(self, code: str, count: int) -> Finding:
        like = next(found for found in self._listed if found.code == code)
        return Finding(
            code=code,
            severity=like.severity,
            line=None,
            message=None,
            field=None,
            column=None,
            what=f"{count:,} more like the {LISTED_PER_CODE:,} listed: {like.what}",
            why=like.why,
            fix=like.fix,
            service_message=None,
            exact=False,
        )
