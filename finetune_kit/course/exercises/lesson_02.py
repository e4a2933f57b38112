"""Exercises of lesson 02: legal rows, old rows as chats, a turn that is not learnt."""

from __future__ import annotations

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder
from finetune_kit.course.loose import chosen, whole
from finetune_kit.dataset import check
from finetune_kit.dataset.convert import convert
from finetune_kit.dataset.passages import passages
from finetune_kit.dataset.read import read_rows

QUESTION = "Is the review positive or negative?"
_REVIEWS = "reviews/train.jsonl"
#: Row -> may it stand in a training file, and why.
_ROWS = {
    1: (True, "Row 1 is legal: most rows have a system prompt, none needs one."),
    2: (False, "Row 2 has no answer, so there is nothing to learn in it."),
    3: (True, "Row 3 is legal: a turn may have the weight 0 if another is learnt."),
    4: (False, "In row 4, look where `weight` stands: it belongs into a message."),
}


def _legal(answer: Any) -> str | None:
    numbers = {whole(each) for each in chosen(answer)}
    if not numbers or not numbers <= set(_ROWS):
        return "Write numbers from 1 to 4 in a list, such as [2, 3]."
    for number, (legal, why) in _ROWS.items():
        if legal != (number in numbers):
            return why
    return None


def _converted(answer: Any) -> str | None:
    if hasattr(answer, "rows"):
        return "This is the conversion as a whole; its examples are in `.rows`."
    old = [row.value for row in read_rows(data_folder() / _REVIEWS)][:3]
    if not isinstance(answer, list) or len(answer) != 3:
        return "Wanted is a list of exactly three rows."
    for number, row in enumerate(answer, start=1):
        problem = _faulty(row) or _old_signs(row)
        if problem:
            return f"Row {number}: {problem}"
    wanted = convert(data_folder() / _REVIEWS, system=QUESTION).rows[:3]
    if answer != wanted:
        return (
            f"The first review is {old[0]['prompt'][:30]!r}; are these the same three?"
        )
    return None


def _old_signs(row: dict[str, Any]) -> str | None:
    """What is left of the older format in a chat row, or missing in it."""
    said = {message["role"]: message["content"] for message in row["messages"]}
    if said.get("system") != QUESTION:
        return f"the first message should be the system prompt {QUESTION!r}."
    question = said.get("user", "")
    if "###" in question:
        return "the separator `###` is still in the question."
    if question != question.rstrip():
        return (
            "white space is left at the end of the question: the separator was "
            r"`\n\n###\n\n`."
        )
    if said["assistant"] != said["assistant"].strip():
        return "there is white space around the answer; chats need none."
    return None


def _faulty(row: Any) -> str | None:
    """What `check` says first of one chat row; ten copies make a file of it."""
    if not isinstance(row, dict):
        return "a row is a dict with the key `messages`."
    errors = check([row] * 10, format="chat").errors
    return f"{errors[0].what}. {errors[0].fix}" if errors else None


def _hidden(answer: Any) -> str | None:
    problem = _faulty(answer)
    if problem:
        return problem
    turns = [said.learnt for said in passages(answer) if said.role == "assistant"]
    if len(turns) != 2:
        return f"There should be two answers; there are {len(turns)}."
    if turns == [True, True]:
        return 'Both answers are learnt. `"weight": 0` takes one out.'
    if turns == [False, True]:
        return "Here the second answer is learnt; wanted is the first."
    if turns == [False, False]:
        return "Neither answer is learnt; wanted is the first."
    return None


EXERCISES = [
    Exercise(
        name="02-legal-rows",
        wants="a list of numbers",
        judge=_legal,
        hints=[
            "Ask of each row: is there something to learn in it?",
            "Beside `messages` stand only `tools` and a few keys of their kind.",
        ],
        solution_code="answer = [1, 3]",
        well_done="An answer to learn, and keys where they belong: that is all.",
    ),
    Exercise(
        name="02-convert",
        wants="a list of three chat rows",
        judge=_converted,
        hints=[
            "`kit.convert` takes a `system`, as in section 5.",
            "The converted examples are in `.rows`; take three of them.",
        ],
        solution_code=(
            'old = lesson.path("reviews/train.jsonl")\n'
            f'question = "{QUESTION}"\n'
            "answer = kit.convert(old, system=question).rows[:3]"
        ),
        well_done="Old rows and new ones now look alike.",
    ),
    Exercise(
        name="02-weight",
        wants="a row with two questions and two answers",
        judge=_hidden,
        hints=[
            "Four messages: user, assistant, user, assistant.",
            'The second answer gets `"weight": 0`.',
        ],
        solution_code=(
            "answer = {\n"
            '    "messages": [\n'
            '        {"role": "user", "content": "Should I wait?"},\n'
            '        {"role": "assistant", "content": "Festina lente"},\n'
            '        {"role": "user", "content": "And in English?"},\n'
            '        {"role": "assistant", "content": "Hurry slowly", "weight": 0},\n'
            "    ]\n"
            "}"
        ),
        well_done="The second answer is read, and never learnt.",
        level="optional",
    ),
]
