"""The data set proverbs keeps its promises: sizes, balance, sources, no leaks."""

import json
import re
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from tests.data.sets import words

FOLDER = Path(__file__).parents[2] / "data" / "proverbs"
TOPICS = frozenset(
    (
        *("anger", "calm", "courage", "death", "money", "friendship", "love"),
        *("work", "time", "learning", "truth", "health", "quarrels", "luck"),
        *("silence", "mistakes", "hope", "pride", "patience", "justice", "travel"),
    )
)
STYLES = ("plain", "chatty", "formal", "indirect")
SYSTEM = "You are a smart assistant that replies with Latin proverbs."
LIVE_QUESTION = "How can one find inner peace?"


def rows(name: str) -> list[dict[str, Any]]:
    text = (FOLDER / name).read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


PROVERBS = rows("proverbs.jsonl")
TRAIN = rows("train.jsonl")
VALIDATION = rows("validation.jsonl")
TEST = rows("test.jsonl")
MAIN_TOPIC = {row["latin"]: row["topics"][0] for row in PROVERBS}


def question(row: dict[str, Any]) -> str:
    return str(row["question"] if "question" in row else row["messages"][1]["content"])


def answer(row: dict[str, Any]) -> str:
    return str(row["messages"][2]["content"])


def topic_counts(chat_rows: list[dict[str, Any]]) -> Counter[str]:
    return Counter(MAIN_TOPIC[answer(row)] for row in chat_rows)


@pytest.mark.parametrize(
    ("name", "count"),
    [("train.jsonl", 100), ("validation.jsonl", 25), ("test.jsonl", 120)],
)
def test_each_file_has_the_promised_number_of_rows(name: str, count: int) -> None:
    assert len(rows(name)) == count


@pytest.mark.parametrize("path", sorted(FOLDER.iterdir()), ids=lambda path: path.name)
def test_every_file_is_plain_ascii_and_ends_with_a_line_break(path: Path) -> None:
    data = path.read_bytes()
    assert data.isascii()
    assert data.endswith(b"\n")


def test_every_topic_has_six_to_eight_proverbs_of_its_own() -> None:
    counts = Counter(row["topics"][0] for row in PROVERBS)
    assert set(counts) == TOPICS
    assert all(6 <= count <= 8 for count in counts.values()), counts
    assert 130 <= len(PROVERBS) <= 150


@pytest.mark.parametrize("row", PROVERBS, ids=lambda row: row["latin"])
def test_every_proverb_is_short_translated_and_has_a_source(
    row: dict[str, Any],
) -> None:
    assert list(row) == ["latin", "english", "topics", "source"]
    assert 2 <= len(row["latin"].split()) <= 7
    assert row["latin"][0].isupper()
    assert row["latin"][-1].isalpha()
    assert not set(row["latin"]) & set("\"'")
    assert len(row["english"].split()) >= 2
    assert len(row["source"].split()) >= 2
    assert re.search(r"\d|medieval|early modern", row["source"]) or (
        "Publilius Syrus" in row["source"]
    )
    assert 1 <= len(row["topics"]) == len(set(row["topics"])) <= 2
    assert set(row["topics"]) <= TOPICS


def test_no_proverb_stands_twice() -> None:
    assert len({words(row["latin"]) for row in PROVERBS}) == len(PROVERBS)


@pytest.mark.parametrize("row", TRAIN + VALIDATION, ids=question)
def test_every_chat_row_is_system_question_and_known_proverb(
    row: dict[str, Any],
) -> None:
    assert list(row) == ["messages"]
    assert [set(message) for message in row["messages"]] == [{"role", "content"}] * 3
    assert [message["role"] for message in row["messages"]] == [
        "system",
        "user",
        "assistant",
    ]
    assert row["messages"][0]["content"] == SYSTEM
    assert answer(row) in MAIN_TOPIC
    assert 4 <= len(question(row).split()) <= 20


def test_the_first_75_training_rows_cover_every_topic_three_or_four_times() -> None:
    counts = topic_counts(TRAIN[:75])
    assert set(counts) == TOPICS
    assert set(counts.values()) == {3, 4}


def test_training_rows_are_spread_evenly_over_the_topics_and_shuffled() -> None:
    counts = topic_counts(TRAIN)
    assert set(counts) == TOPICS
    assert set(counts.values()) == {4, 5}
    topics = [MAIN_TOPIC[answer(row)] for row in TRAIN]
    assert all(left != right for left, right in pairwise(topics))


def test_training_uses_at_least_70_different_proverbs() -> None:
    assert len({answer(row) for row in TRAIN}) >= 70


def test_validation_covers_every_topic_with_answers_known_from_training() -> None:
    assert set(topic_counts(VALIDATION)) == TOPICS
    assert {answer(row) for row in VALIDATION} <= {answer(row) for row in TRAIN}


def test_test_questions_are_spread_evenly_over_topics_and_styles() -> None:
    assert all(list(row) == ["question", "topic", "style"] for row in TEST)
    assert Counter(row["style"] for row in TEST) == dict.fromkeys(STYLES, 30)
    counts = Counter(row["topic"] for row in TEST)
    assert set(counts) == TOPICS
    assert set(counts.values()) == {5, 6}
    pairs = {(row["topic"], row["style"]) for row in TEST}
    assert len(pairs) == len(TOPICS) * len(STYLES)


def test_no_question_stands_twice_within_or_across_the_files() -> None:
    counts = Counter(words(question(row)) for row in TRAIN + VALIDATION + TEST)
    assert [key for key, count in counts.items() if count > 1] == []


def test_no_test_question_opens_with_four_words_of_a_question_seen_before() -> None:
    seen = {words(question(row))[:4] for row in TRAIN + VALIDATION}
    assert [question(row) for row in TEST if words(question(row))[:4] in seen] == []


def test_no_two_test_questions_open_with_the_same_four_words() -> None:
    counts = Counter(words(question(row))[:4] for row in TEST)
    assert [key for key, count in counts.items() if count > 1] == []


def test_indirect_questions_never_name_their_topic() -> None:
    named = [
        row["question"]
        for row in TEST
        if row["style"] == "indirect"
        and row["topic"].removesuffix("s") in row["question"].lower()
    ]
    assert named == []


def test_chatty_questions_are_written_in_lower_case() -> None:
    chatty = [row["question"] for row in TEST if row["style"] == "chatty"]
    assert [text for text in chatty if text != text.lower()] == []


def test_the_question_asked_live_is_a_calm_one_of_the_test_set_only() -> None:
    live = [row for row in TEST if row["question"] == LIVE_QUESTION]
    assert [row["topic"] for row in live] == ["calm"]
    seen = {words(question(row)) for row in TRAIN + VALIDATION}
    assert words(LIVE_QUESTION) not in seen
