"""Lesson 08: what an interval shows, how many questions it takes, where it fails."""

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder
from finetune_kit.course.loose import by_letter, whole
from finetune_kit.dataset.read import read_rows
from finetune_kit.evaluate import Scores, wilson

_SHOWN = {"A": True, "B": False, "C": False, "D": False, "E": False}
_WHY = {
    "A": "The two intervals in A are far apart: no other 120 questions close that gap.",
    "B": "`kit.wilson(9, 10)` and `kit.wilson(7, 10)` overlap widely.",
    "C": "A training loss is measured on answers that the model has seen.",
    "D": "`kit.wilson(120, 120)` begins at 0.97: three in a hundred may still fail.",
    "E": "One point, where each interval is more than 15 points wide, is chance.",
}
_STYLES = {"plain", "chatty", "formal", "indirect"}
_SHARE, _WIDTH = 0.6, 0.1


def _shown(answer: dict[str, bool]) -> str | None:
    named = by_letter(answer)
    for letter, right in _SHOWN.items():
        if letter not in named:
            return f"{letter} is missing."
        if named[letter] not in (True, False):
            return f"{letter}: write True or False, not {named[letter]!r}."
        if named[letter] != right:
            return f"Look at {letter} again. {_WHY[letter]}"
    return None


def _width(n: int) -> float:
    low, high = wilson(_SHARE * n, n)
    return high - low


def _how_many(answer: Any) -> str | None:
    n = whole(answer)
    if n is None or n < 10:
        return "The number of questions is a whole number, ten or more."
    if n % 10:
        return f"{n} is no multiple of 10."
    if _width(n) > _WIDTH:
        points = 100 * _width(n)
        return f"With {n} questions the interval is {points:.1f} points wide."
    if n > 10 and _width(n - 10) <= _WIDTH:
        return "Fewer questions are enough."
    return None


def _styles(answer: Any) -> str | None:
    if not isinstance(answer, Scores):
        return f"This is a {type(answer).__name__}; `kit.score_by(...)` was wanted."
    missing = sorted(_STYLES - set(answer.metrics))
    if missing:
        return f"There is no entry for `{missing[0]}`."
    if more := sorted(set(answer.metrics) - _STYLES):
        return f"`{more[0]}` is no style of the test rows."
    if any("on topic" not in metrics for metrics in answer.metrics.values()):
        return "Grade with `kit.proverb_graders`: `on topic` is missing."
    n = sum(metrics["on topic"].n for metrics in answer.metrics.values())
    asked = sum(1 for _ in read_rows(data_folder() / "proverbs/test.jsonl"))
    if n != asked:
        return f"These are {n} questions; test.jsonl has {asked}."
    if not any(metrics["well-formed"].value for metrics in answer.metrics.values()):
        return "Not one answer is a proverb: was the tuned model asked?"
    return None


EXERCISES = [
    Exercise(
        name="08-shown",
        wants="a dictionary from the letters A to E to True or False",
        judge=_shown,
        hints=[
            "A finding shows a difference where the intervals lie apart.",
            "`kit.wilson(hits, n)` gives the interval of a share.",
        ],
        solution_code="""
answer = {"A": True, "B": False, "C": False, "D": False, "E": False}
""",
        well_done="Only the first difference is larger than chance.",
    ),
    Exercise(
        name="08-how-many",
        wants="a number of questions, a multiple of 10",
        judge=_how_many,
        hints=[
            "`low, high = kit.wilson(0.6 * n, n)`, and `high - low` is the width.",
            "Half the width takes four times the questions: begin with 100, then 400.",
        ],
        solution_code="""
sizes = range(10, 1000, 10)
widths = {n: kit.wilson(0.6 * n, n) for n in sizes}
answer = next(n for n, (low, high) in widths.items() if high - low <= 0.1)
""",
        well_done="Several hundred, for ten points from end to end.",
    ),
    Exercise(
        name="08-styles",
        wants="what kit.score_by gives, one entry for each of the four styles",
        judge=_styles,
        level="optional",
        hints=[
            'The style of a test row is `row["style"]`.',
            '`kit.score_by("style", answers, rows, graders)`, with the answers of one '
            "model.",
        ],
        solution_code="""
rows = kit.read_jsonl(lesson.path("proverbs/test.jsonl"))
graders = kit.proverb_graders(lesson.path("proverbs/proverbs.jsonl"))
system = "You are a smart assistant that replies with Latin proverbs."
tuned = lesson.job().fine_tuned_model
answers = kit.ask(client, tuned, [row["question"] for row in rows], system)
answer = kit.score_by("style", answers, rows, graders)
""",
        well_done="Compare the intervals before you call a style the weakest.",
    ),
]
