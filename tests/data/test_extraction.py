"""The data set extraction: patterns seen and unseen, names real and invented."""

from __future__ import annotations

import json
import re
from collections import Counter

import pytest

from tests.data.sets import DATA, Row, in_fours, rows, text_of

SYSTEM = "You are a clerk who notes the name and the city."
PATTERNS = (DATA / "extraction" / "patterns.txt").read_text("utf-8").splitlines()
EXPRESSIONS = [
    re.compile(
        re.escape(pattern)
        .replace(r"\{name\}", "(?P<name>.+)")
        .replace(r"\{city\}", "(?P<city>.+)")
    )
    for pattern in PATTERNS
]


def answer(row: Row) -> dict[str, str]:
    """Name and city, from a row of either shape."""
    if "messages" in row:
        return dict(json.loads(row["messages"][-1]["content"]))
    return {"name": row["name"], "city": row["city"]}


def patterns_of(row: Row) -> list[str]:
    text = text_of("extraction", row)
    return [
        pattern
        for pattern, expression in zip(PATTERNS, EXPRESSIONS, strict=True)
        if (found := expression.fullmatch(text)) and found.groupdict() == answer(row)
    ]


SEEN = rows("extraction", "train") + rows("extraction", "validation")
TEST = rows("extraction", "test")


@pytest.mark.parametrize("row", SEEN, ids=lambda row: text_of("extraction", row))
def test_a_chat_row_is_system_sentence_and_one_line_of_json(row: Row) -> None:
    system, user, assistant = row["messages"]
    assert [message["role"] for message in row["messages"]] == [
        "system",
        "user",
        "assistant",
    ]
    assert system["content"] == SYSTEM
    assert list(answer(row)) == ["name", "city"]
    assert assistant["content"] == json.dumps(answer(row))
    assert all(part in user["content"] for part in answer(row).values())


def test_each_of_the_30_patterns_was_seen_twice() -> None:
    assert len(set(PATTERNS)) == len(PATTERNS) == 30
    counts = Counter(
        pattern for row in rows("extraction", "train") for pattern in patterns_of(row)
    )
    assert counts == dict.fromkeys(PATTERNS, 2)


def test_half_of_the_validation_rows_have_patterns_of_their_own() -> None:
    seen = [bool(patterns_of(row)) for row in rows("extraction", "validation")]
    assert Counter(seen) == {True: 10, False: 10}


def test_test_rows_are_half_seen_half_unseen_patterns() -> None:
    keys = ["sentence", "name", "city", "pattern", "invented", "style", "words"]
    assert all(list(row) == keys for row in TEST)
    assert Counter(row["pattern"] for row in TEST) == {"seen": 80, "unseen": 80}
    assert all(patterns_of(row) for row in TEST if row["pattern"] == "seen")
    assert not any(patterns_of(row) for row in TEST if row["pattern"] == "unseen")


def test_half_of_the_names_in_the_test_rows_are_invented() -> None:
    counts = Counter((row["pattern"], row["invented"]) for row in TEST)
    assert set(counts.values()) == {40}


def test_name_and_city_stand_in_the_test_sentence_once() -> None:
    for row in TEST:
        for part in answer(row).values():
            assert len(re.findall(rf"\b{re.escape(part)}\b", row["sentence"])) == 1


def test_no_name_and_no_city_of_the_test_rows_was_seen_before() -> None:
    seen = {part.lower() for row in SEEN for part in answer(row).values()}
    parts = {part for row in TEST for part in answer(row).values()}
    assert {part for part in parts if part.lower() in seen} == set()


def test_four_words_of_a_seen_test_sentence_are_the_pattern_of_one_in_training() -> (
    None
):
    """Nothing but the pattern is shared with a validation row's own sentence."""
    own = {
        four
        for row in rows("extraction", "validation")
        if not patterns_of(row)
        for four in in_fours(text_of("extraction", row))
    }
    assert [row["sentence"] for row in TEST if in_fours(row["sentence"]) & own] == []
