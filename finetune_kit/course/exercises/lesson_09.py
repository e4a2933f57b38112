"""Exercises of lesson 09: an old row, an old request, old lines of code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.loose import chosen
from finetune_kit.dataset import check

QUESTION, PROVERB = "What comes before a fall?", "Contritionem praecedit superbia"
OLD_BASES = {"ada", "babbage", "curie", "davinci"}
IN_THE_METHOD = {"n_epochs": 4, "batch_size": 2}
WORKS = {"a": True, "b": False, "c": True, "d": False, "e": True, "f": False}
_WHY = {
    "a": "`openai.api_key = …` still works: the module has a client of its own.",
    "b": "`openai.File` went with openai 1.0 (2023-11); it is `openai.files` now.",
    "c": "`openai.files.create` is today's spelling; it works.",
    "d": "`openai.FineTune` went with openai 1.0, and its API on 2024-01-04.",
    "e": "`client.completions.create` is still there, for prompts without roles.",
    "f": "The Python package has had no `openai` command since 2.35.0 (2026-05-06).",
}


def _row(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return "A row is a dictionary: {'messages': [...]}."
    if "messages" not in answer:
        return "Today's rows have one key, `messages`, a list of turns with a role."
    report = check([dict(answer)], format="chat")
    faults = [found for found in report.errors if found.line]
    if faults:
        return f"{faults[0].what}. {faults[0].fix}"
    said = {turn["role"]: turn["content"] for turn in answer["messages"]}
    if "->" in said.get("user", ""):
        return "The separator ` ->` is still there; roles now say where the answer is."
    if said.get("user") != QUESTION:
        return f"The user asks: {QUESTION!r}."
    if said["assistant"] == PROVERB:
        return None
    if said["assistant"].strip() == PROVERB:
        return "Drop the leading space and the `\\n` at the end: signs of 2023."
    return f"The assistant answers: {PROVERB!r}."


def _request(answer: Any) -> str | None:
    if not isinstance(answer, Mapping):
        return "Write the arguments of `jobs.create` as a dictionary."
    if "prompt_loss_weight" in set(_keys(answer)):
        return "`prompt_loss_weight` is gone: only the assistant's words are learnt."
    if answer.get("model") in OLD_BASES:
        return "That base was shut down on 2024-01-04. Use gpt-4.1-mini."
    if answer.get("model") != "gpt-4.1-mini":
        return "Name the base: `model` is gpt-4.1-mini."
    for name in IN_THE_METHOD:
        if name in answer:
            return f"`{name}` is no argument of its own any more: look into `method`."
    if "hyperparameters" in answer:
        return "`hyperparameters` beside `model` is deprecated: put it into `method`."
    method = answer.get("method", {})
    if method.get("type") != "supervised":
        return "`method` needs a `type`: examples with answers are `supervised`."
    if method.get("supervised", {}).get("hyperparameters") != IN_THE_METHOD:
        return "Two numbers belong into method → supervised → hyperparameters."
    kept = {"training_file": "file-abc123", "suffix": "life"}
    missing = [name for name, value in kept.items() if answer.get(name) != value]
    return f"Unchanged from 2023 is: {', '.join(missing)}." if missing else None


def _keys(value: Any) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            yield key
            yield from _keys(inner)


def _lines(answer: Any) -> str | None:
    letters = chosen(answer)
    if not letters <= set(WORKS):
        return "Write the letters of the lines, such as {'a', 'b'}."
    wrong = [letter for letter, works in WORKS.items() if works != (letter in letters)]
    return _WHY[wrong[0]] if wrong else None


EXERCISES = [
    Exercise(
        name="09-row",
        wants="the row of 2023 as a chat row: a dictionary with messages",
        judge=_row,
        hints=[
            "prompt and completion become two messages: user and assistant.",
            "Take off ` ->` from the question, the space and `\\n` from the answer.",
        ],
        solution_code=f"""
answer = {{
    "messages": [
        {{"role": "user", "content": "{QUESTION}"}},
        {{"role": "assistant", "content": "{PROVERB}"}},
    ]
}}
""",
        well_done="Roles say what separator, leading space and ending said in 2023.",
    ),
    Exercise(
        name="09-request",
        wants="the arguments of jobs.create as a dictionary",
        judge=_request,
        hints=[
            "Two of the six go on as they are, one is gone, one gets a new value.",
            "n_epochs and batch_size stand in method → supervised → hyperparameters.",
        ],
        solution_code="""
numbers = {"n_epochs": 4, "batch_size": 2}
answer = {
    "model": "gpt-4.1-mini",
    "training_file": "file-abc123",
    "suffix": "life",
    "method": {"type": "supervised", "supervised": {"hyperparameters": numbers}},
}
""",
        well_done="`client.fine_tuning.jobs.create(**answer)` is the call of today.",
    ),
    Exercise(
        name="09-old-lines",
        wants="a set of letters, such as {'a', 'b'}",
        judge=_lines,
        hints=[
            "Names in capitals (`openai.File`) are those before openai 1.0.",
            "Three of the six still work with openai 3.",
        ],
        solution_code='answer = {"a", "c", "e"}',
        well_done="Attributes in lower case stayed; classes and the command went.",
        level="optional",
    ),
]
