"""Mends lines that are almost JSON, where there is one way to read them.

A mend is a function from text to text that touches nothing within a JSON string. A
line counts as mended only when it parses afterwards; otherwise it stays as it was.
"""

from __future__ import annotations

import ast
import io
import json
import re
import tokenize
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from itertools import pairwise
from typing import Any

_STRING = r'("(?:\\.|[^"\\])*")'
_WORDS = {"True": "true", "False": "false", "None": "null"}
#: Longer lines are not mended as Python: its parser needs 100 times their size.
_LONGEST_PYTHON = 1_000_000


@dataclass(frozen=True, slots=True)
class Mended:
    """The objects that a broken line holds, and in words what was wrong with it."""

    values: list[dict[str, Any]]
    what: list[str]


def mend(text: str) -> Mended | None:
    """The objects of a line that does not parse, or None where that needs a guess."""
    stripped = text.strip().strip("\ufeff").strip()
    if re.match(r"//|#", stripped):
        return Mended([], ["a comment, which JSON does not have"])
    values = _python(stripped)
    if values:
        return Mended(values, ["Python's way of writing a dict"])
    what: list[str] = []
    if stripped != text.strip():
        what.append("a byte order mark within the file")
    for words, change in _MENDS:
        changed = change(stripped)
        if changed != stripped:
            what.append(words)
            stripped = changed
    values = _objects(stripped)
    if not values:
        return None
    if re.search(r"[\x00-\x1f]", stripped):
        what.append("control characters (tabs, line breaks) within a text")
    if len(values) > 1:
        what.append(f"{len(values)} examples on one line")
    return Mended(values, what) if what else None


def _outside_strings(pattern: str, new: Callable[[str], str]) -> Callable[[str], str]:
    """A mend of what `pattern` finds outside the line's strings."""
    found = re.compile(f"{_STRING}|{pattern}")

    def change(text: str) -> str:
        return found.sub(lambda m: m.group(1) or new(m.group()), text)

    return change


_MENDS: list[tuple[str, Callable[[str], str]]] = [
    ("a comma at the end of the line", lambda text: re.sub(r",\s*$", "", text)),
    (
        "a comma before a closing bracket",
        _outside_strings(r",(?=\s*[}\]])", lambda _: ""),
    ),
    (
        "Python's True, False or None",
        _outside_strings(r"\b(?:True|False|None)\b", lambda word: _WORDS[word]),
    ),
]


def _objects(text: str) -> list[dict[str, Any]]:
    """The objects that follow each other in a text; none if anything else is there."""
    decoder = json.JSONDecoder(
        strict=False, object_pairs_hook=_unambiguous, parse_constant=_refused
    )
    values = []
    position = 0
    while position < len(text):
        try:
            value, position = decoder.raw_decode(text, position)
        except (ValueError, RecursionError):
            return []
        if not isinstance(value, dict):
            return []
        values.append(value)
        gap = re.compile(r"\s*,?\s*").match(text, position)
        position = gap.end() if gap else position
    return values


def _unambiguous(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    value = dict(pairs)
    if len(value) < len(pairs):
        raise ValueError("a key stands twice")
    return value


def _refused(name: str) -> float:
    raise ValueError(name)


def _python(text: str) -> list[dict[str, Any]]:
    """The dict that a Python literal stands for, if JSON can hold it as it is."""
    if not re.match(r"\{\s*'", text) or len(text) > _LONGEST_PYTHON:
        return []
    try:
        with warnings.catch_warnings():
            # An unknown escape such as '\d' is a guess. Other warnings may come out of
            # the collection of garbage, in the midst of the parser.
            warnings.simplefilter("error", SyntaxWarning)
            warnings.simplefilter("error", DeprecationWarning)
            if _adjacent_strings(text):
                return []
            tree = ast.parse(text, mode="eval")
            if _repeats_a_key(tree):
                return []
            value = ast.literal_eval(tree)
        if json.loads(json.dumps(value, allow_nan=False)) == value:
            return [value] if isinstance(value, dict) else []
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return []
    except (tokenize.TokenError, SyntaxWarning, DeprecationWarning):
        return []
    return []


def _repeats_a_key(tree: ast.AST) -> bool:
    """Python keeps the last of two values; which one was meant is a guess."""
    for node in ast.walk(tree):
        keys = [ast.dump(key) for key in getattr(node, "keys", ()) if key]
        if len(set(keys)) < len(keys):
            return True
    return False


def _adjacent_strings(text: str) -> bool:
    """Python joins 'it''s' to "its", where the writer meant "it's"."""
    kinds = [
        token.type
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type not in (tokenize.NL, tokenize.NEWLINE)
    ]
    return any(one == two == tokenize.STRING for one, two in pairwise(kinds))
