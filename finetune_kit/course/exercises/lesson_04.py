"""Lesson 04: epochs within a budget, a split by customer, a threshold for copies."""

from __future__ import annotations

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder
from finetune_kit.course.loose import number, whole
from finetune_kit.dataset.duplicates import duplicates
from finetune_kit.dataset.money import Estimate, estimate
from finetune_kit.dataset.read import read_rows
from finetune_kit.dataset.split import Split

BUDGET = 1.00  # USD
RESENT = 3  # messages that stand twice in the sample
STEP = 0.05
SHARES = {"train": 0.7, "validation": 0.15, "test": 0.15}
NEAR = 0.12  # of a share: groups stay whole


def _price(n_epochs: int) -> Estimate:
    return estimate(data_folder() / "proverbs/train.jsonl", "gpt-4.1", n_epochs)


def judge_epochs(answer: Any) -> str | None:
    epochs = whole(answer)
    if epochs is None or epochs < 1:
        return "A number of epochs is a whole number from 1 on, such as 5."
    cost, more = _price(epochs), _price(epochs + 1)
    if cost.high > BUDGET:
        fits = " Only the likely price fits." if cost.likely <= BUDGET else ""
        return (
            f"{epochs} epochs may cost up to {cost.high:.2f} USD.{fits} The budget has "
            "to hold in the worst case: compare the high value."
        )
    if more.high <= BUDGET:
        return (
            f"{epochs} epochs fit, but so do {epochs + 1}: up to {more.high:.2f} USD. "
            "Is the model `gpt-4.1`?"
        )
    return None


def judge_split(answer: Any) -> str | None:
    if not isinstance(answer, Split):
        kind = type(answer).__name__
        return f"This is a {kind}. Give what `kit.split(…)` returns."
    if list(answer.parts) != list(SHARES):
        return f"The parts are {list(answer.parts)}. Three sizes give three parts."
    rows = [row.value for row in read_rows(data_folder() / "tickets/sample.jsonl")]
    if sum(map(len, answer.parts.values())) != len(rows) or any(
        row not in rows for part in answer.parts.values() for row in part
    ):
        return "Not all rows of `tickets/sample.jsonl`, and only these, are in it."
    if torn := answer.shared("customer"):
        return f"Customers in more than one part: {', '.join(torn[:3])} … Set `by`."
    labels = {label for counts in answer.labels.values() for label in counts}
    if labels != {row["team"] for row in rows if row}:
        return "No customer is torn apart. Now share out the teams: set `stratify`."
    if empty := [name for name, part in answer.parts.items() if not part]:
        return f"There is no row in {', '.join(empty)}. Give it a larger share."
    return _shares(answer, len(rows))


def _shares(answer: Split, total: int) -> str | None:
    for name, wanted in SHARES.items():
        share = len(answer[name]) / total
        if abs(share - wanted) > NEAR:
            size = "large" if share > wanted else "small"
            return (
                f"{name} is too {size}: {share:.0%} of the rows, and about "
                f"{wanted:.0%} were wanted. Look at `sizes`; whole customers move the "
                "shares too, so if these are right, try another `seed`."
            )
    return None


def judge_threshold(answer: Any) -> str | None:
    threshold = number(answer)
    if threshold is None:
        return "A threshold is a number from 0.5 to 1, such as 0.8."
    if not 0.5 <= threshold <= 1:
        return f"{threshold} is no threshold: it lies between 0.5 and 1."
    if abs(threshold / STEP - round(threshold / STEP)) > 1e-6:
        return f"Go in steps of {STEP}: 0.5, 0.55, 0.6 and so on."
    found = _groups(threshold)
    if found > RESENT:
        return (
            f"At {threshold} it finds {found} groups. Read them: some are two "
            "customers who complain of the same thing. Those are no copies."
        )
    if threshold > 0.5 and _groups(threshold - STEP) == RESENT:
        return f"{threshold} is right, but not the lowest: try {threshold - STEP:.2f}."
    return None


def _groups(threshold: float) -> int:
    near = max(0.5, round(threshold, 2))
    return len(
        duplicates(data_folder() / "tickets/sample.jsonl", threshold=near).groups
    )


EXERCISES = [
    Exercise(
        name="04-budget",
        wants="a whole number of epochs",
        judge=judge_epochs,
        hints=[
            "`kit.estimate(file, model, n_epochs)` has `.low`, `.likely` and `.high`.",
            "The budget must hold in the worst case: compare `.high` with 1.00.",
            "The price grows with each epoch by the same amount: divide.",
        ],
        solution_code="""
cost = kit.estimate(lesson.path("proverbs/train.jsonl"), "gpt-4.1", 1)
answer = int(1.00 // cost.high)
""",
        well_done="One epoch more, and the bill could be above 1 USD.",
    ),
    Exercise(
        name="04-split",
        wants="what `kit.split(…)` returns",
        judge=judge_split,
        hints=[
            "`by` keeps rows together, `stratify` keeps the labels' shares alike.",
            "`sizes=(0.7, 0.15, 0.15)` gives train, validation and test.",
        ],
        solution_code="""
answer = kit.split(
    lesson.path("tickets/sample.jsonl"),
    by="customer",
    stratify="team",
    sizes=(0.7, 0.15, 0.15),
)
""",
        well_done="No customer stands in two parts, so the test meets strangers only.",
    ),
    Exercise(
        name="04-threshold",
        wants="a number from 0.5 to 1",
        judge=judge_threshold,
        hints=[
            "`kit.duplicates(file, threshold=0.5)` finds more than the three.",
            "Look at the column `similarity`: where is the gap?",
        ],
        solution_code="answer = 0.65",
        well_done="Below it, different people with the same trouble count as copies.",
        level="optional",
    ),
]
