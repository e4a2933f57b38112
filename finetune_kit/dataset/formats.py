"""Which format a line is in, by its keys."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Literal

from .jsonl import Row
from .rules import near

Format = Literal["chat", "completion", "preference"]

_KEYS: dict[str, Format] = {
    "messages": "chat",
    "prompt": "completion",
    "completion": "completion",
    "preferred_output": "preference",
    "non_preferred_output": "preference",
    "preferred_completion": "preference",
    "non_preferred_completion": "preference",
}


def format_of(value: dict[str, Any]) -> Format | None:
    """The format of one line, or None; slightly misspelt keys count."""
    for known, found in _KEYS.items():
        if known in value:
            return found
    meant = (near(key, _KEYS) for key in value if len(key) < 40)
    return next((_KEYS[key] for key in meant if key), None)


def format_of_rows(rows: Iterable[Row]) -> Format | None:
    """The format of the first row that shows one."""
    found = (format_of(row.value) for row in rows if isinstance(row.value, dict))
    return next((name for name in found if name), None)
