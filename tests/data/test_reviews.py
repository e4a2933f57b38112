"""The data set reviews: half praise, half blame, in the form of 2023."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.data.sets import rows


@pytest.mark.parametrize(("name", "half"), [("train", 30), ("validation", 10)])
def test_completions_are_the_two_labels_half_each(name: str, half: int) -> None:
    found = rows("reviews", name)
    assert all(list(row) == ["prompt", "completion"] for row in found)
    assert Counter(row["completion"] for row in found) == {
        " positive\n": half,
        " negative\n": half,
    }


@pytest.mark.parametrize("name", ["train", "validation"])
def test_prompts_are_one_line_and_the_separator(name: str) -> None:
    for row in rows("reviews", name):
        review, separator, rest = row["prompt"].partition("\n\n###\n\n")
        assert review == review.strip()
        assert "\n" not in review
        assert (bool(separator), rest) == (True, "")


def test_labels_are_mixed_in_the_training_file() -> None:
    labels = "".join(row["completion"][1] for row in rows("reviews", "train"))
    assert "pppp" not in labels
    assert "nnnn" not in labels


def test_test_rows_are_half_positive_half_negative() -> None:
    found = rows("reviews", "test")
    assert all(list(row) == ["review", "sentiment", "style", "words"] for row in found)
    assert Counter(row["sentiment"] for row in found) == {
        "positive": 60,
        "negative": 60,
    }
