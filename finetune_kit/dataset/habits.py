"""What most answers of a file have in common, and the few that differ by accident."""

from __future__ import annotations

import difflib
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator

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
    return "ends with white space" if after else "has no white space around it"


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

    def exceptions(self) -> Iterator[tuple[int, int | None, str]]:
        """(line, message, what) where at most one in ten goes another way."""
        for counts in self._counts.values():
            usual, often = counts.most_common(1)[0]
            total = sum(counts.values())
            if total < _ENOUGH:
                continue
            for way, count in counts.items():
                if way != usual and count <= _FEW * total:
                    what = f"this answer {way}, {often:,} of {total:,} {_plural(usual)}"
                    yield from ((*place, what) for place in self._places[way])


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


def _bare(text: str) -> str:
    return re.sub(r"\W+", " ", text).strip().casefold()
