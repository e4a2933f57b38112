"""Lesson 01: the right tool for a case, the break-even point, a prompt of one's own."""

from collections.abc import Sequence
from typing import Any

import finetune_kit
from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder
from finetune_kit.course.loose import by_letter, number
from finetune_kit.dataset.money import break_even

_BOXES = {
    "A": ("retrieval", "The hours of today are a fact: it must be looked up."),
    "B": ("prompt", "One sentence says how long an answer may be."),
    "C": (
        "fine-tune",
        "Four pages of rules in 40,000 calls a day are dear, and examples abound.",
    ),
    "D": (
        "few-shot",
        "What is easy to show is shown; 50 calls never pay for training.",
    ),
    "E": ("retrieval", "What changes monthly is looked up, not learnt."),
    "F": (
        "fine-tune",
        "Prompt and examples were tried and do not reach it, and 800 texts show it.",
    ),
    "G": ("prompt", "One sentence names the language."),
    "H": ("few-shot", "Three samples say it, and they fit into the prompt."),
}
_MODEL, _CALLS, _NEAR = "gpt-4.1-mini", 1000, 10
_LEAST, _ASKED = 8, 10


def _boxes(answer: dict[str, str]) -> str | None:
    boxes = {box for box, _ in _BOXES.values()}
    named = by_letter(answer)
    for letter, (box, why) in _BOXES.items():
        if letter not in named:
            return f"{letter} is missing."
        given = str(named[letter]).strip().lower()
        if given not in boxes:
            return (
                f"{letter}: `{given}` is none of the boxes {', '.join(sorted(boxes))}."
            )
        if given != box:
            return f"{letter} is not for {given}. {why}"
    return None


def _calls(saved: float) -> int | None:
    """Calls after which training is paid for, None for never."""
    train = data_folder() / "proverbs" / "train.jsonl"
    calls = break_even(train, _MODEL, saved, n_epochs=3).calls
    return calls[1] if calls else None


def _move(answer: Any) -> str | None:
    saved = number(answer)
    if saved is None or saved <= 0:
        return "The tokens saved a call are a number above 0."
    calls = _calls(saved + _NEAR)
    if calls is None:
        return "With so few tokens saved, training never pays."
    if calls > _CALLS:
        return f"That takes about {calls:,} calls. Save more tokens a call."
    fewer = _calls(saved - _NEAR)
    if fewer is not None and fewer <= _CALLS:
        return "That is enough, but fewer tokens would be, too."
    return None


def _own(answer: Sequence[str]) -> str | None:
    if isinstance(answer, str) or len(answer) != _ASKED:
        return "Ten answers were wanted, as a list: those to `questions[:10]`."
    graders = finetune_kit.proverb_graders(
        data_folder() / "proverbs" / "proverbs.jsonl"
    )
    right = sum(graders["well-formed"](text, {}) for text in answer)
    if right < _LEAST:
        return f"{right} of {_ASKED} answers are proverbs; {_LEAST} were wanted."
    return None


EXERCISES = [
    Exercise(
        name="01-boxes",
        wants="a dictionary from the letters A to H to the names of the boxes",
        judge=_boxes,
        hints=[
            "First the facts that change: they belong to retrieval.",
            "Then what one sentence can say: that is a prompt.",
            "Of the rest: many calls and many examples, or few of both?",
        ],
        solution_code="""
answer = dict(A="retrieval", B="prompt", C="fine-tune", D="few-shot")
answer |= dict(E="retrieval", F="fine-tune", G="prompt", H="few-shot")
""",
        well_done="The cheapest tool that does the job, in each case.",
    ),
    Exercise(
        name="01-move",
        wants="a number of tokens",
        judge=_move,
        hints=[
            "`kit.break_even(train, model, 300, n_epochs=3).calls` gives the low, the "
            "likely and the high number of calls.",
            "Try 100, 200 and 300, then go in steps of 10. `calls` is None for never.",
        ],
        solution_code="""
train = lesson.path("proverbs/train.jsonl")
found = {n: kit.break_even(train, "gpt-4.1-mini", n, n_epochs=3)
         for n in range(100, 500, 10)}
answer = next(n for n, gain in found.items() if gain.calls[1] <= 1000)
""",
        well_done="About nine short examples: that is soon reached.",
    ),
    Exercise(
        name="01-own",
        wants="the list of ten answers that kit.ask gives",
        judge=_own,
        level="optional",
        hints=[
            "Give an order, and name the language in it.",
            "A description of an assistant is not an order.",
        ],
        solution_code="""
rows = kit.read_jsonl(lesson.path("proverbs/test.jsonl"), 10)
questions = [row["question"] for row in rows]
order = "Reply with a Latin proverb."
answer = kit.ask(client, "gpt-4.1-mini", questions, order)
""",
        well_done="A prompt of one sentence, where others would train.",
    ),
]
