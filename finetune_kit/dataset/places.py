"""Where in the raw text of a line a value stands."""

from __future__ import annotations

import json
import re

_STEP = re.compile(r"([^.\[\]]+)|\[(\d+)\]")
_SPACE = re.compile(r"[ \t\r\n]*")
_DECODER = json.JSONDecoder()


def column_of(
    text: str, path: str, mark: str | None = None, of_key: bool = False
) -> int | None:
    """The column, from 1, of the value at a path such as `messages[1].role`.

    Where the path leads nowhere (a key is missing), it is the column of what should
    hold it. `mark` asks for that text within the value, `of_key` for its key.
    A key with a dot or bracket in it is found when it is the last step. None: the
    line cannot be read.
    """
    try:
        key, start, end = _walk(text, _skip(text, 0), path)
    except (ValueError, RecursionError, IndexError):
        return None
    if mark is not None:
        for form in (mark, json.dumps(mark)[1:-1]):
            found = text.find(form, start, end)
            if found >= 0:
                return found + 1
    return (key if of_key else start) + 1


def _walk(text: str, start: int, path: str) -> tuple[int, int, int]:
    """Where the key begins, where the value at `path` begins and ends."""
    key, end = start, _DECODER.raw_decode(text, start)[1]
    while path:
        inner = _items(text, start)
        match = _STEP.match(path)
        step = match and (match[1] or int(match[2]))
        if path in inner:  # the last step, whatever signs the key has
            return inner[path]
        if match is None or step not in inner:
            return key, start, end
        key, start, end = inner[step]
        path = path[match.end() :].removeprefix(".")
    return key, start, end


def _items(text: str, start: int) -> dict[str | int | None, tuple[int, int, int]]:
    """Key or index -> begin of the key, begin and end of the value, in a container."""
    found: dict[str | int | None, tuple[int, int, int]] = {}
    opening = text[start]
    if opening not in "{[":
        return found
    at = _skip(text, start + 1)
    while text[at] not in "}]":
        key: str | int = len(found)
        key_at = at
        if opening == "{":
            key, at = _DECODER.raw_decode(text, at)
            at = _skip(text, _skip(text, at) + 1)
        end = _DECODER.raw_decode(text, at)[1]
        found[key] = (key_at, at, end)
        at = _skip(text, end)
        if text[at] == ",":
            at = _skip(text, at + 1)
    return found


def _skip(text: str, at: int) -> int:
    match = _SPACE.match(text, at)
    return match.end() if match else at
