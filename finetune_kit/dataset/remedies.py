"""What one step of the preparation found, and what it would do about it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any


class Row(dict[str, Any]):
    """An example, with the line of the file that it came from."""

    __slots__ = ("line",)

    def __init__(self, value: Mapping[str, Any], line: int) -> None:
        super().__init__(value)
        self.line = line

    def of(self, value: Mapping[str, Any]) -> Row:
        """Another example made from this one."""
        return Row(value, self.line)


Change = Callable[[list[Row]], list[Row]]

_LISTED = 20


class CannotPrepare(ValueError):  # noqa: N818  it reads as the sentence that it is
    """Data that no remedy of ours makes fit for training; the message says why."""


@dataclass(frozen=True, slots=True)
class Remedy:
    """A step's finding: what it says at once, and what it needs or recommends.

    ``needed`` and ``advised`` name the change as `openai tools fine_tunes.prepare_data`
    named it, [Necessary] or [Recommended]; a needed change is made in any case.
    ``change`` works on the rows as they are when it is called.
    """

    name: str
    said: str = ""
    needed: str = ""
    advised: str = ""
    change: Change | None = None


def without(rows: list[Row], unwanted: Callable[[Row], bool]) -> list[Row]:
    """The rows that are wanted, in their order."""
    return [row for row in rows if not unwanted(row)]


def lines(rows: Iterable[Row], chosen: Callable[[Row], bool]) -> list[int]:
    """The lines that the chosen rows came from."""
    return [row.line for row in rows if chosen(row)]


def listing(found: list[int]) -> str:
    """Line numbers for people: at most twenty of them."""
    shown = ", ".join(map(str, found[:_LISTED]))
    more = len(found) - _LISTED
    return f"{shown} and {more:,} more" if more > 0 else shown


def upper_case_rules(texts: Iterable[str]) -> bool:
    """Whether more than a third of the letters are upper case."""
    upper = lower = 0
    for text in texts:
        for letter in text:
            if letter.isalpha():
                upper += letter.isupper()
                lower += letter.islower()
    return upper * 2 > lower


def task_of(prompts: Iterable[str], completions: Iterable[str]) -> str:
    """What the data is for: open-ended or conditional generation, or classification.

    The rule of 2023: no prompts at all; or fewer completions than a third of the rows.
    """
    if not any(prompts):
        return "open-ended generation"
    answers = list(completions)
    few = len(set(answers)) < len(answers) / 3
    return "classification" if few else "conditional generation"


def hint_for(task: str) -> Remedy | None:
    """What is worth knowing about training for a task; only a classification's is."""
    if task != "classification":
        return None
    return Remedy(
        "task",
        said="Based on your data it seems like you're trying to fine-tune a model for "
        "classification. A small model will do, and rows kept apart from training "
        "show how well it does",
    )


def removal_of_copies(rows: list[Row], things: str, change: Change) -> Remedy | None:
    """The removal of rows that `change` leaves out as copies of earlier ones."""
    kept = {id(row) for row in change(rows)}
    found = lines(rows, lambda row: id(row) not in kept)
    if not found:
        return None
    return Remedy(
        "duplicated_rows",
        said=f"There are {len(found)} duplicated {things}. These are lines: "
        f"{listing(found)}",
        advised=f"Remove {len(found)} duplicate rows",
        change=change,
    )
