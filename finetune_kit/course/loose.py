"""Answers in another form than asked for, where it is plain what they say."""

from __future__ import annotations

import math
from collections.abc import Mapping
from numbers import Real
from typing import Any


def number(answer: Any) -> float | None:
    """A number, numpy's too, or a text that is one; True is none."""
    if isinstance(answer, bool) or not isinstance(answer, Real | str):
        return None
    try:
        found = float(answer)
    except ValueError:
        return None
    return found if math.isfinite(found) else None


def whole(answer: Any) -> int | None:
    """7 for 7, 7.0 and "7"."""
    found = number(answer)
    return int(found) if found is not None and found.is_integer() else None


def chosen(answer: Any) -> set[Any]:
    """What a list names, or a dictionary in which each has its True or False."""
    if isinstance(answer, Mapping) and all(yes in (0, 1) for yes in answer.values()):
        return {name for name, yes in answer.items() if yes}
    return set(answer)


def by_letter(answer: Mapping[str, Any]) -> dict[str, Any]:
    """The answers by capital letter, however the letters were written."""
    return {str(letter).strip().upper(): given for letter, given in answer.items()}
