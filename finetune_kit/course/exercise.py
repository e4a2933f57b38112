"""An exercise: `check` an answer, get a `hint`, see the `solution`.

A check never raises and never stops a notebook: an untouched exercise says so, a
wrong answer gets a sentence that helps, and a right one is noted in the workspace.
"""

from __future__ import annotations

import difflib
import html
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from finetune_kit import workspace
from finetune_kit.display.cards import Card

Level = Literal["core", "optional"]
_CODE = "margin:.4em 0;padding:.5em .8em;background:rgba(128,128,128,.12)"


@dataclass
class Exercise:
    """``judge`` returns None for a right answer, else what is not right about it.

    ``wants`` says what kind of thing an answer is; ``solution`` is code that assigns
    ``answer``, and is run by the tests with ``kit``, ``client`` and ``lesson``.
    """

    name: str
    wants: str
    judge: Callable[[Any], str | None]
    hints: Sequence[str]
    solution_code: str
    well_done: str
    level: Level = "core"
    _hints_given: int = field(default=0, repr=False)

    def check(self, answer: Any = ...) -> Card:
        """Is ``answer`` right? ``...`` stands for no answer yet."""
        if answer is ...:
            return self._card("not answered yet", [f"Wanted: {self.wants}."], "plain")
        try:
            problem = self.judge(answer)
        except Exception as error:  # whatever a learner's object does when looked at
            kind = type(answer).__name__
            problem = f"This {kind} cannot be read ({error!r}). Wanted: {self.wants}."
        if problem:
            more = f'`kit.exercise("{self.name}").hint()` helps.'
            return self._card("not yet", [problem, more], "warn")
        _note(self.name)
        return self._card("right", [self.well_done], "good")

    def hint(self) -> Card:
        """One hint more with every call; the last one stays."""
        self._hints_given = min(self._hints_given + 1, len(self.hints))
        given = self.hints[: self._hints_given]
        return self._card(f"hint {len(given)} of {len(self.hints)}", given, "plain")

    def solution(self) -> Card:
        """One way to do it, as code."""
        card = self._card("one solution", [], "plain")
        code = self.solution_code.strip()
        card.extra = f'<pre style="{_CODE}">{html.escape(code)}</pre>'
        card.text = code
        return card

    def _card(self, state: str, lines: Sequence[str], tone: str) -> _ExerciseCard:
        return _ExerciseCard(f"Exercise {self.name}: {state}", lines, tone)


@dataclass
class _ExerciseCard(Card):
    """A card whose code also shows as text."""

    text: str = ""

    def __repr__(self) -> str:
        said = super().__repr__()
        return f"{said}\n\n{self.text}" if self.text else said


def exercise(name: str) -> Exercise:
    """The exercise called ``name``, such as "02-legal-rows"."""
    from finetune_kit.course.exercises import all_exercises

    known = all_exercises()
    if not isinstance(name, str):
        raise TypeError(
            f"An exercise is named by a text, such as {next(iter(known))!r}; this is "
            f"{name!r}. Each exercise's cell in a notebook has its name."
        )
    if name not in known:
        near = difflib.get_close_matches(name, known, n=1)
        meant = f" Did you mean {near[0]!r}?" if near else ""
        raise ValueError(f"There is no exercise {name!r}.{meant}")
    return known[name]


def _note(name: str) -> None:
    """Remember in the workspace that this exercise was solved."""
    with workspace.locked("exercises"):
        solved = set(workspace.facts().get("exercises", []))
        workspace.remember(exercises=sorted(solved | {name}))
