"""Exercises of lesson 10: who may create jobs, days that are left, what is kept."""

from __future__ import annotations

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.loose import chosen, whole

DAYS = (45, 53)  # from 2026-11-22 to 2027-01-06 and to 2027-01-14
_MAY = {
    "a": (True, "a has fine-tuned, and its model is asked daily: it may."),
    "b": (False, "b never fine-tuned: it is shut out since 2026-05-07."),
    "c": (
        False,
        "c asked its model last in March: shut out since 2026-07-02.",
    ),
    "d": (True, "d fine-tuned before the notice and asks its model weekly: it may."),
}
_KEPT = {
    "a": (True, "a: the file holds plain text; other services read `messages`, too."),
    "b": (False, "b: the weights stay with OpenAI; nobody can download them."),
    "c": (True, "c: questions and graders ask any model the same."),
    "d": (False, "d: an id means something only to the API that gave it."),
    "e": (
        True,
        "e: the system prompt is text, the same in training and in use.",
    ),
    "f": (False, "f: a multiplier multiplies the default of one service and model."),
}


def _letters(answer: Any, facts: dict[str, tuple[bool, str]]) -> str | None:
    """What is not right about the first letter that stands on the wrong side."""
    letters = chosen(answer)
    if not letters <= set(facts):
        return "Write letters in a set, such as {'a', 'b'}."
    for letter, (belongs, why) in facts.items():
        if belongs != (letter in letters):
            return why
    return None


def _days(answer: Any) -> str | None:
    given = answer if isinstance(answer, list | tuple) else [answer]
    numbers = [whole(each) for each in given]
    if len(numbers) != 2 or None in numbers:
        return (
            "Give two numbers, such as (10, 20): the days for new jobs, and those for "
            "answers. `.days` makes a number of a difference of dates."
        )
    jobs, answers = numbers
    if (jobs, answers) == DAYS:
        return None
    if (answers, jobs) == DAYS:
        return "Both are right, in the wrong order: first new jobs, then answers."
    if jobs == answers:
        return "They differ: tuned models answer longer than jobs can be created."
    wrong = "new jobs" if jobs != DAYS[0] else "answers"
    return f"Look again at {wrong}: subtract one date from the other, `.days`."


EXERCISES = [
    Exercise(
        name="10-who-may",
        wants="a set of letters, such as {'a', 'b'}",
        judge=lambda answer: _letters(answer, _MAY),
        hints=[
            "Two rules hold on that day: those of 2026-05-07 and of 2026-07-02.",
            "Who has fine-tuned, and has asked a tuned model within the last 60 days?",
        ],
        solution_code='answer = {"a", "d"}',
        well_done="And from 2027-01-07 on: nobody.",
    ),
    Exercise(
        name="10-days",
        wants="two numbers of days, such as (10, 20)",
        judge=_days,
        hints=[
            "New jobs end on 2027-01-06; a tuned gpt-4.1-mini answers to 2027-01-14.",
            "(date(2027, 1, 6) - date(2026, 11, 22)).days is the first one.",
        ],
        solution_code="""
from datetime import date

today = date(2026, 11, 22)
answer = ((date(2027, 1, 6) - today).days, (date(2027, 1, 14) - today).days)
""",
        well_done="A job of the last day makes a model that answers for a week.",
    ),
    Exercise(
        name="10-kept",
        wants="a set of letters, such as {'a', 'b'}",
        judge=lambda answer: _letters(answer, _KEPT),
        hints=[
            "What is text in your own files goes with you.",
            "Three of the six carry over unchanged.",
        ],
        solution_code='answer = {"a", "c", "e"}',
        well_done="Data, test and prompt are yours. The model was only lent.",
        level="optional",
    ),
]
