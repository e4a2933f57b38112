"""The data set strange: questions that a tiny model cannot answer."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from tests.data.sets import DATA, Row, fours_of, in_fours, rows, text_of, words

KINDS = {"knowledge", "sum", "task", "nonsense", "language", "hypothetical"}
STYLES = {"plain", "chatty", "formal", "indirect"}
TEST = rows("strange", "test")
TRAINABLE = sorted(path.parent.name for path in DATA.glob("*/train.jsonl"))


def test_there_are_50_rows_and_the_readme_says_so() -> None:
    readme = (DATA / "strange" / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^\| `(\w+)\.jsonl` \| (\d+) \|", readme, re.M) == [
        ("test", "50")
    ]
    assert len(TEST) == 50


@pytest.mark.parametrize("row", TEST, ids=lambda row: text_of("strange", row))
def test_a_row_is_a_question_of_4_to_25_words_in_ascii(row: Row) -> None:
    assert list(row) == ["question", "kind", "style"]
    assert row["question"].isascii()
    assert row["question"] == " ".join(row["question"].split())
    assert 4 <= len(row["question"].split()) <= 25


def test_kinds_and_styles_are_balanced() -> None:
    kinds = Counter(row["kind"] for row in TEST)
    styles = Counter(row["style"] for row in TEST)
    both = Counter((row["kind"], row["style"]) for row in TEST)
    assert set(kinds) == KINDS
    assert set(kinds.values()) == {8, 9}
    assert set(styles) == STYLES
    assert set(styles.values()) == {12, 13}
    assert len(both) == len(KINDS) * len(STYLES)
    assert set(both.values()) == {2, 3}


def test_no_question_stands_twice_or_shares_four_words_with_another() -> None:
    counts = Counter(words(row["question"]) for row in TEST)
    assert [key for key, count in counts.items() if count > 1] == []
    fours = Counter(four for row in TEST for four in in_fours(row["question"]))
    assert [four for four, count in fours.items() if count > 1] == []


@pytest.mark.parametrize("folder", TRAINABLE)
def test_no_four_words_in_a_row_stand_in_a_row_to_train_on(folder: str) -> None:
    trainable = rows(folder, "train") + rows(folder, "validation")
    seen = fours_of(text_of(folder, row) for row in trainable)
    assert len(seen) > 200
    shared = {row["question"]: in_fours(row["question"]) & seen for row in TEST}
    assert {text: fours for text, fours in shared.items() if fours} == {}
