"""Before and after of one line, cut down to what changed and a little around it."""

from __future__ import annotations

import difflib
import re
from html import escape
from typing import Literal

Piece = tuple[Literal["same", "gone", "new"], str]

#: Longer changed stretches are shown as one, for comparing them takes too long.
_MOST_TOKENS = 600
_AROUND = 30  # characters shown on either side of a change
_LONGEST = 300  # characters shown of what went or came
_GONE = "background:#ffd7d5;color:#6e0716;text-decoration:line-through"
_NEW = "background:#cdf5d5;color:#0b3d18;text-decoration:none;font-weight:bold"


def pieces(before: str, after: str) -> list[Piece]:
    """What stays, what goes and what comes, in order, word by word."""
    one, two = _tokens(before), _tokens(after)
    start = _shared(one, two)
    end = _shared(one[start:][::-1], two[start:][::-1])
    middle = one[start : len(one) - end], two[start : len(two) - end]
    found: list[Piece] = [("same", "".join(one[:start]))]
    if max(map(len, middle)) > _MOST_TOKENS:
        found += [("gone", "".join(middle[0])), ("new", "".join(middle[1]))]
    else:
        matcher = difflib.SequenceMatcher(None, *middle, autojunk=False)
        for tag, a, b, c, d in matcher.get_opcodes():
            if tag == "equal":
                found.append(("same", "".join(middle[0][a:b])))
            else:
                found.append(("gone", "".join(middle[0][a:b])))
                found.append(("new", "".join(middle[1][c:d])))
    found.append(("same", "".join(one[len(one) - end :])))
    return [(kind, text) for kind, text in found if text]


def as_text(before: str, after: str | None) -> tuple[str, str]:
    """The two lines of a diff, cut to the changes; the second is empty if dropped."""
    if after is None:
        return _cut(before), ""
    found = _shortened(pieces(before, after))
    return (
        _visible("".join(text for kind, text in found if kind != "new")),
        _visible("".join(text for kind, text in found if kind != "gone")),
    )


def as_html(before: str, after: str | None) -> str:
    """The same in one line of HTML: struck out what went, bold what came."""
    if after is None:
        return f'<del style="{_GONE}">{escape(_visible(_cut(before)))}</del>'
    marks = {
        "same": "{}",
        "gone": f'<del style="{_GONE}">{{}}</del>',
        "new": f'<ins style="{_NEW}">{{}}</ins>',
    }
    found = _shortened(pieces(before, after))
    return "".join(marks[kind].format(escape(_visible(text))) for kind, text in found)


def _tokens(text: str) -> list[str]:
    return re.findall(r"\w+|\s+|[^\w\s]", text)


def _shared(one: list[str], two: list[str]) -> int:
    """How many tokens both begin with."""
    pairs = zip(one, two, strict=False)
    return next(
        (i for i, (a, b) in enumerate(pairs) if a != b), min(map(len, [one, two]))
    )


def _shortened(found: list[Piece]) -> list[Piece]:
    last = len(found) - 1
    return [
        (kind, _around(text, first=n == 0, last=n == last))
        if kind == "same"
        else (kind, _cut(text))
        for n, (kind, text) in enumerate(found)
    ]


def _around(text: str, first: bool, last: bool) -> str:
    """The ends of an unchanged stretch that touch a change."""
    head = "" if first else text[:_AROUND]
    tail = "" if last else text[-_AROUND:]
    short = len(text) <= _AROUND * (1 if first or last else 2)
    return text if short else f"{head}…{tail}"


def _cut(text: str) -> str:
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]}…"


def _visible(text: str) -> str:
    """On one line, and in characters that every output takes."""
    text = text.replace("\n", "⏎")
    text = re.sub(r"[\x00-\x1f\x7f]", "\N{REPLACEMENT CHARACTER}", text)
    return text.encode("utf-8", "replace").decode("utf-8")
