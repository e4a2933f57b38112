"""Exercises of lesson 03: find faults by eye, tell a repair from a guess."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder
from finetune_kit.course.loose import chosen
from finetune_kit.dataset import check
from finetune_kit.dataset.repair import Repair

_CHAT = "messy/chat.jsonl"
#: Lines of the hunt; `check` says which of them are errors.
HUNTED = {4, 5, 8, 12, 13, 19, 20, 22, 23, 24, 34, 36}
#: Repair -> may a program make it unasked, and why.
_REPAIRS = {
    "a": (True, "`usr` is a letter away from `user`, and near no other role."),
    "b": (False, "`human` is no misspelling. Who is meant is likely, and not certain."),
    "c": (False, "Whoever cut the line off may have cut words off with it."),
    "d": (True, "The comma has no meaning, and without it the line has one."),
    "e": (False, "Which of two answers is right, no program knows."),
    "f": (False, "An empty answer would be learnt: the model would say nothing."),
}


def _hunt(answer: Any) -> str | None:
    lines = chosen(answer)
    if not lines or not lines <= HUNTED:
        return "Write line numbers of the twelve in a list, such as [4, 36]."
    report = check(data_folder() / _CHAT)
    found = {finding.line: finding for finding in report.findings}
    refused = {finding.line for finding in report.errors} & HUNTED
    if wrong := sorted(lines - refused):
        return f"Line {wrong[0]} would be taken. What it teaches: {found[wrong[0]].why}"
    if missed := sorted(HUNTED & refused - lines):
        return f"{len(missed)} more would be refused, one of them after line " + (
            f"{missed[0] - 1}: look at each key, role and bracket."
        )
    return None


def _accept(answer: Any) -> str | None:
    letters = set("".join(chosen(answer)).lower()) - set(" ,")
    if not letters or not letters <= set(_REPAIRS):
        return 'Write letters from a to f, such as "bc".'
    for letter, (safe, why) in _REPAIRS.items():
        if safe != (letter in letters):
            return f"Look at {letter} again. {why}"
    return None


def _say_it(answer: Any) -> str | None:
    if not isinstance(answer, Repair):
        return "Wanted is what `kit.repair(chat, …)` returns."
    wanted: list[tuple[Callable[[Repair], bool], str]] = [
        (
            lambda repair: repair.counts["duplicate_example"] == 1,
            "The copy is still there: name the code of that repair in `fixes`.",
        ),
        (
            lambda repair: repair.counts["invalid_json"] == 2,
            'The safe repairs are not made: `fixes` needs "safe" beside the code.',
        ),
        (
            lambda repair: not repair.remaining.only("unknown_role").findings,
            "The role `bot` stands there still: `answers` says who it is.",
        ),
        (
            lambda repair: all(
                "`user`" not in edit.what
                for edit in repair.edits
                if edit.code == "unknown_role"
            ),
            "Here `bot` became the user; it gives the answers.",
        ),
    ]
    return next((said for holds, said in wanted if not holds(answer)), None)


EXERCISES = [
    Exercise(
        name="03-bug-hunt",
        wants="a list of line numbers",
        judge=_hunt,
        hints=[
            "Refused is what breaks the form: brackets, keys, roles, no answer at all.",
            "Taken is what is well formed and odd: an empty question, a wrong order, "
            "nothing to learn.",
            "Four are odd and no more: 19, 22, 23, 24.",
        ],
        solution_code="answer = [4, 5, 8, 12, 13, 20, 34, 36]",
        well_done="Errors stop a job. Warnings do not, and are learnt.",
    ),
    Exercise(
        name="03-accept",
        wants="letters from a to f",
        judge=_accept,
        hints=[
            "Ask of each: could a careful person have meant anything else?",
            "Two of the six have one meaning only.",
        ],
        solution_code='answer = "ad"',
        well_done="One meaning: mend it. Two: ask.",
    ),
    Exercise(
        name="03-say-it",
        wants="a repair",
        judge=_say_it,
        hints=[
            "`kit.repair` takes `fixes`, a list of codes, and `answers`, a dict.",
            'Copies have the code `duplicate_example`; "safe" must stand beside it.',
        ],
        solution_code=(
            'chat = lesson.path("messy/chat.jsonl")\n'
            'fixes = ["safe", "duplicate_example"]\n'
            'answer = kit.repair(chat, fixes=fixes, answers={"bot": "assistant"})'
        ),
        well_done="What was a guess is now your decision.",
        level="optional",
    ),
]
