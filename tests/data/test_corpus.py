"""The pre-training corpus holds no test question, nor a part that gives one away."""

import tomllib
from collections import Counter
from collections.abc import Iterator
from typing import Any

import pytest

from tests.data.sets import DATA, TEST_TEXT, Four, in_fours, rows

IDIOM = 3  # phrases with the same four words: a turn of speech ("how do i stop")


def corpus_phrases() -> Iterator[str]:
    """Every text that the pre-training corpus is made of."""
    for path in sorted((DATA.parent / "pretraining").rglob("*.toml")):
        yield from strings(tomllib.loads(path.read_text(encoding="utf-8")))


def strings(value: Any) -> Iterator[str]:
    if isinstance(value, str):
        yield value
    elif isinstance(value, list | dict):
        for part in value.values() if isinstance(value, dict) else value:
            yield from strings(part)


@pytest.fixture(scope="module")
def corpus() -> Counter[Four]:
    """In how many phrases each four words in a row stand."""
    counts = Counter(four for phrase in corpus_phrases() for four in in_fours(phrase))
    assert len(counts) > 100_000
    return counts


def questions(folder: str) -> list[str]:
    field = TEST_TEXT.get(folder, "question")
    return [row[field] for row in rows(folder, "test")]


def test_no_four_words_in_a_row_of_a_proverbs_question_stand_in_the_corpus(
    corpus: Counter[Four],
) -> None:
    assert shared(questions("proverbs"), corpus, idiom=len(corpus)) == {}


@pytest.mark.parametrize("folder", TEST_TEXT)
def test_only_turns_of_speech_of_a_test_question_stand_in_the_corpus(
    corpus: Counter[Four], folder: str
) -> None:
    assert shared(questions(folder), corpus, IDIOM) == {}


def shared(
    texts: list[str], corpus: Counter[Four], idiom: int
) -> dict[str, list[Four]]:
    """Four words in a row that stand in fewer phrases of the corpus than an idiom."""
    found = {
        text: [four for four in in_fours(text) if 0 < corpus[four] < idiom]
        for text in texts
    }
    return {text: fours for text, fours in found.items() if fours}
