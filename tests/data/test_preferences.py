"""The data set preferences: kind advice against the same advice, blunt."""

from __future__ import annotations

from collections import Counter

import pytest

from finetune_kit.graders import is_encouraging
from tests.data.sets import Row, rows, text_of

PAIRS = rows("preferences", "train") + rows("preferences", "validation")


def answers(row: Row) -> tuple[str, str]:
    (kind,), (blunt,) = row["preferred_output"], row["non_preferred_output"]
    assert kind["role"] == blunt["role"] == "assistant"
    return kind["content"], blunt["content"]


@pytest.mark.parametrize("row", PAIRS, ids=lambda row: text_of("preferences", row))
def test_only_the_preferred_answer_encourages(row: Row) -> None:
    assert list(row) == ["input", "preferred_output", "non_preferred_output"]
    assert [message["role"] for message in row["input"]["messages"]] == ["user"]
    kind, blunt = answers(row)
    assert is_encouraging(kind)
    assert not is_encouraging(blunt)
    assert blunt.endswith(".")


def test_no_answer_stands_twice() -> None:
    counts = Counter(text for row in PAIRS for text in answers(row))
    assert [text for text, count in counts.items() if count > 1] == []


def test_every_encouragement_ends_9_to_12_answers_in_training() -> None:
    endings = Counter(
        answers(row)[0].rpartition(", ")[2] for row in rows("preferences", "train")
    )
    assert len(endings) == 6
    assert all(9 <= count <= 12 for count in endings.values()), endings


def test_test_questions_are_spread_evenly_over_ten_topics() -> None:
    found = rows("preferences", "test")
    assert all(list(row) == ["question", "topic", "style", "words"] for row in found)
    counts = Counter(row["topic"] for row in found)
    assert set(counts.values()) == {10}
