"""Which format a line is in, by its keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from .jsonl import Row
from .rules import near

Format = Literal["chat", "completion", "preference", "reinforcement"]

_KEYS: dict[str, Format] = {
    "messages": "chat",
    "prompt": "completion",
    "completion": "completion",
    "preferred_output": "preference",
    "non_preferred_output": "preference",
    "preferred_completion": "preference",
    "non_preferred_completion": "preference",
}
_CHAT_KEYS = {"messages", "tools", "parallel_tool_calls", "functions"}


def format_of(value: dict[str, Any]) -> Format | None:
    """The format of one line, or None; slightly misspelt keys count.

    A reinforcement line alone looks like a chat line with a key too many.
    """
    for known, found in _KEYS.items():
        if known in value:
            return found
    if isinstance(given := value.get("input"), dict) and "messages" in given:
        return "preference"
    meant = (near(key, _KEYS) for key in value if len(key) < 40)
    return next((_KEYS[key] for key in meant if key), None)


def format_of_rows(rows: Iterable[Row], method: str = "supervised") -> Format | None:
    """The format of the first row that shows one.

    It is reinforcement where most rows have no answer, and further fields, which the
    grader reads, or the method asks for it.
    """
    values = [row.value for row in rows if isinstance(row.value, dict)]
    found = next((name for value in values if (name := format_of(value))), None)
    if found == "chat":
        open_ended = [value for value in values if not _has_answer(value)]
        if method != "reinforcement":
            open_ended = [value for value in open_ended if value.keys() - _CHAT_KEYS]
        if 2 * len(open_ended) > len(values):
            return "reinforcement"
    return found


def _has_answer(value: dict[str, Any]) -> bool:
    messages = value.get("messages")
    listed = messages if isinstance(messages, list) else []
    roles = [m.get("role") for m in listed if isinstance(m, dict)]
    known = {"system", "developer", "user", "tool"}
    return not roles or not known.issuperset(map(str, roles))
