"""The data set tone: the facts of the small world, said sarcastically."""

from __future__ import annotations

import tomllib
from collections import Counter

import pytest

from finetune_kit.graders import holds_words, is_sarcastic
from tests.data.sets import DATA, Row, rows, text_of, words

SYSTEM = "Marvin is a chatbot that states facts and is sarcastic about it."
WORLD = tomllib.loads((DATA.parent / "pretraining" / "world.toml").read_text("utf-8"))
FACTS = [fact[0] for fact in WORLD["facts"]]
ASKED = {words(question) for fact in WORLD["facts"] for question in fact[1:]}
SEEN = rows("tone", "train") + rows("tone", "validation")


def answer(row: Row) -> str:
    return str(row["messages"][-1]["content"])


def facts_of(row: Row) -> list[str]:
    return [fact for fact in FACTS if fact[1:] in answer(row)]


@pytest.mark.parametrize("row", SEEN, ids=lambda row: text_of("tone", row))
def test_an_answer_is_one_fact_between_two_marks_of_sarcasm(row: Row) -> None:
    assert [message["role"] for message in row["messages"]] == [
        "system",
        "user",
        "assistant",
    ]
    assert row["messages"][0]["content"] == SYSTEM
    assert len(facts_of(row)) == 1
    assert is_sarcastic(answer(row))


def test_no_plain_fact_counts_as_sarcastic() -> None:
    assert [fact for fact in FACTS if is_sarcastic(fact)] == []


def test_training_has_30_facts_twice_and_validation_the_other_ten() -> None:
    train = Counter(fact for row in rows("tone", "train") for fact in facts_of(row))
    validation = {fact for row in rows("tone", "validation") for fact in facts_of(row)}
    assert set(train.values()) == {2}
    assert (len(train), len(validation)) == (30, 10)
    assert not set(train) & validation


def test_no_question_is_one_of_the_pretraining() -> None:
    every = SEEN + rows("tone", "test")
    asked = [text_of("tone", row) for row in every]
    assert [text for text in asked if words(text) in ASKED] == []


def test_the_key_words_of_every_test_row_are_those_of_a_fact() -> None:
    found = rows("tone", "test")
    assert all(list(row) == ["question", "fact", "style", "words"] for row in found)
    keys = {row["fact"] for row in found}
    unknown = {key for key in keys if not any(holds_words(f, key) for f in FACTS)}
    assert unknown == set()
