"""The data set tickets: labels by a written rule, customers in one file only."""

from __future__ import annotations

import re
from collections import Counter
from itertools import product

import pytest

from tests.data.sets import rows

LABELS = {
    "team": ("billing", "shipping", "technical", "account"),
    "urgency": ("low", "normal", "high"),
    "tone": ("calm", "annoyed", "angry"),
}
KEYS = ["customer", "message", *LABELS]
#: The README's rule in signs: the first label one of whose signs stands there.
SIGNS = {
    "urgency": {
        "high": r"urgent|at once|now|today|tonight|tomorrow",
        "low": r"no hurry|no rush|can wait|whenever|some day|take your time",
    },
    "tone": {
        "angry": r"outrageous|furious|disgrace|thieves|crooks|liars|lied|sick of|worst"
        r"|ridiculous|lawyer|never again|shameless",
        "annoyed": r"again|still|third|second (?:time|one)|disappointed|tired of|really"
        r"|not happy|nuisance|honestly",
    },
}
OTHERWISE = {"urgency": "normal", "tone": "calm"}


def read_off(field: str, message: str) -> str:
    for label, signs in SIGNS[field].items():
        if re.search(rf"\b(?:{signs})\b", message, re.IGNORECASE):
            return label
    return OTHERWISE[field]


@pytest.mark.parametrize("name", ["train", "validation", "test"])
def test_rows_have_the_keys_and_labels_of_the_readme(name: str) -> None:
    keys = [*KEYS, "style", "words"] if name == "test" else KEYS
    for row in rows("tickets", name):
        assert list(row) == keys
        assert re.fullmatch(r"C-\d{4}", row["customer"])
        assert all(row[field] in labels for field, labels in LABELS.items())


@pytest.mark.parametrize("field", SIGNS)
@pytest.mark.parametrize("name", ["train", "validation"])
def test_a_label_can_be_read_off_the_message(name: str, field: str) -> None:
    wrong = [
        (row["message"], row[field])
        for row in rows("tickets", name)
        if read_off(field, row["message"]) != row[field]
    ]
    assert wrong == []


def test_each_customer_writes_in_one_file_only() -> None:
    files = [
        {row["customer"] for row in rows("tickets", name)}
        for name in ("train", "validation", "test")
    ]
    assert sum(map(len, files)) == len(set.union(*files))


def test_every_combination_of_labels_was_seen_two_or_three_times() -> None:
    counts = Counter(
        tuple(row[field] for field in LABELS) for row in rows("tickets", "train")
    )
    assert set(counts) == set(product(*LABELS.values()))
    assert set(counts.values()) == {2, 3}


def test_teams_are_balanced_in_training_and_all_labels_in_the_test() -> None:
    train, test = rows("tickets", "train"), rows("tickets", "test")
    assert set(Counter(row["team"] for row in train).values()) == {25}
    for field, labels in LABELS.items():
        counts = Counter(row[field] for row in test)
        assert counts == dict.fromkeys(labels, len(test) // len(labels))
