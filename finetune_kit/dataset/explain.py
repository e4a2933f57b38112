"""The rules' look at one line: everything that is wrong with it, and where."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

# The rules of a module join their list when it is imported.
from . import content_rules as content_rules
from . import order_rules as order_rules
from . import tool_rules as tool_rules
from .chat_rules import CHAT_RULES
from .completion_rules import COMPLETION_RULES
from .findings import Excerpt, Finding
from .formats import format_of
from .jsonl import Row
from .line_rules import LINE_RULES
from .places import column_of
from .preference_rules import PREFERENCE_RULES, input_messages, message_findings
from .reinforcement_rules import REINFORCEMENT_RULES
from .rules import EXAMPLE_RULES, Example, Rule

#: Characters of the line shown on each side of the place.
_AROUND = 36
_RULES: dict[str | None, list[Rule[Example]]] = {
    "chat": CHAT_RULES,
    "completion": COMPLETION_RULES,
    "preference": PREFERENCE_RULES,
    "reinforcement": REINFORCEMENT_RULES,
}
_PLAIN_KEY = {
    "chat": "messages",
    "completion": "prompt",
    "preference": "preferred_output",
    "reinforcement": "messages",
}


def explain(row: Row, kind: str | None) -> list[Finding]:
    """The findings of one line of a file in the format `kind`, by message."""
    is_object = isinstance(row.value, dict)
    found: list[Finding] = []
    if row.faults or not is_object:
        found += [f for rule in LINE_RULES for f in rule.findings(row)]
    if is_object:
        found += _of_example(row, kind)
    return found


def _of_example(row: Row, kind: str | None) -> list[Finding]:
    value: dict[str, Any] = row.value
    plainly = kind is not None and _PLAIN_KEY[kind] in value
    own = kind if plainly or kind is None else format_of(value)
    if own == "chat" and kind == "reinforcement":
        own = kind
    listed = input_messages(value) if kind == "preference" else value.get("messages")
    messages = [
        (index, message)
        for index, message in enumerate(listed if isinstance(listed, list) else [])
        if type(message) is dict
    ]
    example = Example(row, value, messages, kind, own)
    rules = EXAMPLE_RULES
    if own == kind or own is None:
        rules = rules + _RULES.get(kind, [])
    found = [f for rule in rules for f in rule.findings(example)]
    if kind == "preference" and own in (kind, None):
        found += message_findings(example)
    return sorted(found, key=lambda f: -1 if f.message is None else f.message)


def located(found: Finding, text: str) -> Finding:
    """The finding with its column in the line and the text around it."""
    column = found.column
    if column is None and found.path:
        column = column_of(text, found.path, found.mark, of_key=found.at_key)
    if column is None:
        return found
    start = column - 1
    length = len(found.mark or "") or _length(text, start)
    end = start + length
    before = ("…" if start > _AROUND else "") + text[max(0, start - _AROUND) : start]
    after = text[end : end + _AROUND] + ("…" if len(text) > end + _AROUND else "")
    return replace(
        found, column=column, excerpt=Excerpt(before, text[start:end], after)
    )


def _length(text: str, start: int) -> int:
    """How much to mark from there: a short string whole, else one character."""
    if text[start : start + 1] == '"':
        end = text.find('"', start + 1)
        if 0 < end - start < 60:
            return end - start + 1
    return 1
