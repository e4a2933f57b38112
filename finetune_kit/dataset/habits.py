"""What most answers of a file have in common, and the few that differ by accident."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

_FEW = 0.1
_ENOUGH = 10
_KEPT = 1_000

#: Habit -> what an answer does, or None where the habit says nothing about it.
_HABITS: dict[str, Callable[[str], str | None]] = {
    "start": lambda text: _start(text),
    "edge": lambda text: _edge(text),
}


def _start(text: str) -> str | None:
    first = text.lstrip()[:1]
    if first.isupper():
        return "starts with a capital letter"
    return "starts with a small letter" if first.islower() else None


def _edge(text: str) -> str:
    before, after = text[:1].isspace(), text[-1:].isspace()
    if before:
        return "starts with white space"
    return "ends with white space" if after else _BARE


#: The way of answers that need no trimming.
_BARE = "has no white space around it"


@dataclass(frozen=True, slots=True)
class Unlike:
    """An answer that goes another way than most: its place, and both in words."""

    line: int
    message: int | None
    way: str
    usual: str
    what: str


@dataclass(frozen=True, slots=True)
class Usual:
    """What most of a file does, where few lines do otherwise.

    ``prompts`` holds the usual system prompt by the place (line, message) of each slip,
    ``bare`` the places of answers with white space where most have none.
    """

    prompts: dict[tuple[int, Any], str] = field(default_factory=dict)
    bare: set[tuple[int, Any]] = field(default_factory=set)


class Habits:
    """Counts habits of answers; remembers the first lines of each way."""

    def __init__(self) -> None:
        self._counts: dict[str, Counter[str]] = defaultdict(Counter)
        self._places: dict[str, list[tuple[int, int | None]]] = defaultdict(list)

    def add(self, line: int, message: int | None, answer: str) -> None:
        for habit, look in _HABITS.items():
            if way := look(answer):
                counts = self._counts[habit]
                counts[way] += 1
                if counts[way] <= _KEPT:
                    self._places[way].append((line, message))

    def exceptions(self) -> Iterator[Unlike]:
        """The answers where at most one in ten goes another way."""
        for counts in self._counts.values():
            usual, often = counts.most_common(1)[0]
            total = sum(counts.values())
            if total < _ENOUGH:
                continue
            for way, count in counts.items():
                if way != usual and count <= _FEW * total:
                    what = f"this answer {way}, {often:,} of {total:,} {_plural(usual)}"
                    for place in self._places[way]:
                        yield Unlike(*place, way, usual, what)


def _plural(way: str) -> str:
    verb, _, rest = way.partition(" ")
    return f"{ {'has': 'have'}.get(verb, verb.removesuffix('s')) } {rest}".strip()


class SystemPrompts:
    """The system prompts of a file, and those that nearly equal the usual one."""

    def __init__(self) -> None:
        self._places: dict[str, list[tuple[int, int]]] = {}
        self._counts: Counter[str] = Counter()

    def add(self, line: int, message: int, text: str) -> None:
        if text not in self._counts and len(self._counts) >= _KEPT:
            return
        self._counts[text] += 1
        places = self._places.setdefault(text, [])
        if len(places) < _KEPT:
            places.append((line, message))

    def slips(self) -> Iterator[tuple[int, int, str, str]]:
        """(line, message, the usual prompt, this one) of the rare near-copies."""
        total = sum(self._counts.values())
        if total < _ENOUGH or len(self._counts) < 2:
            return
        usual, often = self._counts.most_common(1)[0]
        for text, count in self._counts.items():
            if text != usual and count <= _FEW * often and _alike(text, usual):
                yield from ((*place, usual, text) for place in self._places[text])


def _alike(one: str, other: str) -> bool:
    if _bare(one) == _bare(other):
        return True
    if max(len(one), len(other)) > 4_000:
        return False
    # digits differ on purpose: "customer 17", "customer 18"
    if re.findall(r"\d+", one) != re.findall(r"\d+", other):
        return False
    return difflib.SequenceMatcher(None, one, other).ratio() > 0.93


def usual_of(prompts: SystemPrompts, habits: Habits) -> Usual:
    """What a repair needs to know of a file whose texts were all added."""
    return Usual(
        {(line, message): usual for line, message, usual, _ in prompts.slips()},
        {(u.line, u.message) for u in habits.exceptions() if u.usual == _BARE},
    )


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()
