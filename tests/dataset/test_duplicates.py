"""Copies and near copies are found, within a file and across files."""

from __future__ import annotations

import json
import random
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import finetune_kit as kit
from finetune_kit.dataset.duplicates import duplicates

Row = dict[str, Any]

SYSTEM = "You are a smart assistant. Answer in one short and friendly sentence."
_CHANCE = random.Random(7)
WORDS = ["".join(_CHANCE.choices("abcdefghijklmnoprstuvw", k=6)) for _ in range(3000)]


def sentence(chance: random.Random, length: int = 30) -> str:
    return " ".join(chance.choices(WORDS, k=length))


def chat(question: str, answer: str = "Yes.", system: str = SYSTEM) -> Row:
    said = [("system", system), ("user", question), ("assistant", answer)]
    return {"messages": [{"role": r, "content": c} for r, c in said]}


CHANCE = random.Random(1)
ROWS = [chat(sentence(CHANCE), sentence(CHANCE, 5)) for _ in range(40)]


def words_changed(text: str, count: int, chance: random.Random) -> str:
    words = text.split()
    for place in chance.sample(range(len(words)), count):
        words[place] = chance.choice(WORDS)
    return " ".join(words)


def question(row: Row) -> str:
    return str(row["messages"][1]["content"])


def places(found: Any) -> list[list[int]]:
    return [[member.line for member in group.members] for group in found.groups]


def test_the_kit_hands_it_on():
    assert kit.duplicates is duplicates


def test_different_examples_are_no_duplicates_though_they_share_a_system_prompt():
    found = duplicates(ROWS)
    assert found.groups == []
    assert repr(found) == "no duplicates among 40 examples"


def test_copies_are_found_whatever_their_system_prompt():
    copy = chat(question(ROWS[3]), ROWS[3]["messages"][2]["content"], system="Other.")
    (group,) = duplicates([*ROWS, copy]).groups
    assert ([m.line for m in group.members], group.exact) == ([4, 41], True)
    assert group.similarity == 1


def test_case_spacing_and_punctuation_make_a_near_copy():
    shouted = question(ROWS[3]).upper().replace(" ", "  ") + "!!"
    copy = chat(shouted, ROWS[3]["messages"][2]["content"])
    (group,) = duplicates([*ROWS, copy]).groups
    assert (group.exact, group.similarity) == (False, 1)


def test_a_word_or_two_changed_make_a_near_copy():
    near = chat(words_changed(question(ROWS[3]), 2, CHANCE),
                ROWS[3]["messages"][2]["content"])  # fmt: skip
    (group,) = duplicates([*ROWS, near]).groups
    assert [m.line for m in group.members] == [4, 41]
    assert 0.7 <= group.similarity < 1
    assert duplicates([*ROWS, near], threshold=0.95).groups == []
    assert duplicates([*ROWS, near], threshold=None).groups == []


def test_a_chain_of_near_copies_is_one_group():
    texts = [question(ROWS[0])]
    for _ in range(5):
        texts.append(words_changed(texts[-1], 2, CHANCE))
    (group,) = duplicates([chat(text) for text in texts], threshold=0.6).groups
    assert len(group.members) == 6


def test_a_question_in_training_and_validation_leaks_whatever_its_answer():
    validation = [chat(question(ROWS[5]), "Something else entirely.")]
    assert duplicates(ROWS, validation, threshold=None).leaks == []
    (group,) = duplicates(ROWS, validation, of="question").leaks
    assert [(m.source, m.line) for m in group.members] == [("rows 1", 6), ("rows 2", 1)]


def test_lines_to_leave_out_keep_the_validation_row():
    found = duplicates([*ROWS, ROWS[0]], [ROWS[5]])
    assert found.extra_lines == {"rows 1": [6, 41]}


def test_the_matrix_counts_shared_groups():
    found = duplicates([*ROWS, ROWS[0]], [ROWS[5], ROWS[6]])
    assert found.matrix.to_dicts() == [
        {"groups in": "rows 1", "rows 1": 1, "rows 2": 2},
        {"groups in": "rows 2", "rows 1": 2, "rows 2": 0},
    ]


def test_files_are_called_by_their_names(tmp_path: Path):
    paths = [tmp_path / name for name in ("train.jsonl", "test.jsonl")]
    for path in paths:
        path.write_text(json.dumps(ROWS[0]) + "\n", encoding="utf-8")
    found = duplicates(*paths)
    assert found.groups[0].sources == ["train.jsonl", "test.jsonl"]
    text = repr(found)
    assert "train.jsonl: 1; test.jsonl: 1" in text
    assert "1 exact and 0 near duplicates among 2 examples, 1 across files" in text
    assert "<table" in found._repr_html_()
    assert found.to_dict()["groups"][0]["members"] == [
        ["train.jsonl", 1],
        ["test.jsonl", 1],
    ]


def test_the_same_file_twice_is_told_apart(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text(json.dumps(ROWS[0]), encoding="utf-8")
    assert len(duplicates(path, path).groups[0].sources) == 2


@pytest.mark.parametrize("rows", [[], [ROWS[0]], [chat("?"), chat("!", "No.")]])
def test_little_data_has_no_duplicates(rows: list[Row]):
    assert duplicates(rows).groups == []


def test_prompts_and_completions_are_compared_too():
    rows = [{"prompt": sentence(CHANCE), "completion": "a"} for _ in range(5)]
    assert places(duplicates([*rows, rows[2]])) == [[3, 6]]


def test_wrong_arguments_are_named():
    with pytest.raises(ValueError, match="of must be one of example, question"):
        duplicates(ROWS, of="answer")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match=r"between 0\.5 and 1"):
        duplicates(ROWS, threshold=0.2)
    with pytest.raises(ValueError, match=r"between 0\.5 and 1, not '0\.8'"):
        duplicates(ROWS, threshold="0.8")  # type: ignore[arg-type]


@settings(max_examples=30, deadline=None)
@given(st.lists(st.integers(0, 39), min_size=1, max_size=30), st.integers(0, 2**32))
def test_planted_copies_are_all_found_and_nothing_else(planted: list[int], seed: int):
    chance = random.Random(seed)
    rows = list(ROWS)
    expected = {number: [number + 1] for number in range(40)}
    for number in planted:
        text = words_changed(question(ROWS[number]), chance.randrange(2), chance)
        rows.append(chat(text, ROWS[number]["messages"][2]["content"]))
        expected[number].append(len(rows))
    wanted = [lines for lines in expected.values() if len(lines) > 1]
    assert sorted(places(duplicates(rows))) == wanted


def many(count: int) -> tuple[list[Row], int]:
    """So many rows, one in fifty a near copy of another (two words of 40 changed)."""
    chance = random.Random(3)
    near = count // 50
    rows = [chat(sentence(chance, 40)) for _ in range(count - near)]
    copies = [chat(words_changed(question(rows[n]), 2, chance)) for n in range(near)]
    return [*rows, *copies], near


def test_nearly_all_planted_near_copies_are_found():
    rows, near = many(4000)
    found = duplicates(rows)
    assert len(found.groups) >= 0.97 * near
    assert all(b - a == 3920 for a, b in places(found))


@pytest.mark.slow
@pytest.mark.parametrize("alike", [False, True])
def test_100_000_rows_take_less_than_a_minute(alike: bool):
    rows, near = many(100_000)
    if alike:  # ten templates with a number in them: the worst case for near copies
        rows = [chat(f"{question(rows[n % 10])} {n}") for n in range(100_000)]
        near = 10
    start = time.process_time()  # of the processor: other work does not count
    found = duplicates(rows)
    assert time.process_time() - start < 60
    assert 0.97 * near <= len(found.groups) <= near
