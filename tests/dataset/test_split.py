"""A split keeps groups together, labels in balance, and rows where they were."""

from __future__ import annotations

import json
import random
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import finetune_kit as kit
from finetune_kit.dataset.split import Split, split

Row = dict[str, Any]


def tickets(count: int, customers: int = 60, seed: int = 0) -> list[Row]:
    chance = random.Random(seed)
    return [
        {
            "customer": f"C-{chance.randrange(customers)}",
            "message": f"message {number}",
            "team": chance.choice(["it", "it", "it", "hr"]),
        }
        for number in range(count)
    ]


def homes(parts: Split) -> dict[str, str]:
    """Row -> name of its part."""
    return {json.dumps(row): name for name, rows in parts.parts.items() for row in rows}


def test_the_kit_hands_it_on():
    assert kit.split is split


def test_every_row_lands_in_one_part():
    rows = tickets(300)
    parts = split(rows, sizes=(0.6, 0.2, 0.2))
    assert list(parts.parts) == ["train", "validation", "test"]
    assert sum(map(len, parts.parts.values())) == 300
    assert homes(parts).keys() == {json.dumps(row) for row in rows}


@pytest.mark.parametrize(
    "by", ["customer", re.compile(r'"(C-\d+)"'), lambda row: row["customer"]]
)
def test_no_group_stands_in_two_parts(by: Any):
    parts = split(tickets(300), by=by)
    groups = [{row["customer"] for row in rows} for rows in parts.parts.values()]
    assert groups[0].isdisjoint(groups[1])
    assert sum(parts.groups.values()) == 60


def test_groups_of_another_kind_that_stand_in_two_parts_are_named():
    rows = [{"customer": f"C-{n % 4}", "message": f"{n}"} for n in range(40)]
    parts = split(rows, by="message")
    assert parts.shared("customer") == ["C-0", "C-1", "C-2", "C-3"]
    assert split(rows, by="customer").shared("customer") == []
    with pytest.raises(ValueError, match="has nothing for by='team'"):
        parts.shared("team")


def test_a_group_may_lie_deeper():
    rows = [{"meta": {"customer": n % 7}, "text": str(n)} for n in range(70)]
    parts = split(rows, by="meta.customer")
    held = [{r["meta"]["customer"] for r in rows} for rows in parts.parts.values()]
    assert held[0].isdisjoint(held[1])


def test_without_a_group_the_same_question_stays_together():
    def chat(number: int, answer: str) -> Row:
        said = [("system", answer), ("user", f"q{number}"), ("assistant", answer)]
        return {"messages": [{"role": r, "content": c} for r, c in said]}

    rows = [chat(n, answer) for answer in "abc" for n in range(40)]
    parts = split(rows, sizes=(0.5, 0.5))
    asked = [
        {r["messages"][1]["content"] for r in rows} for rows in parts.parts.values()
    ]
    assert asked[0].isdisjoint(asked[1])
    assert all(asked)


def test_rows_without_a_prompt_are_split_all_the_same():
    rows = [{"prompt": "", "completion": f"text {n}"} for n in range(200)]
    assert min(map(len, split(rows, sizes=(0.5, 0.5)).parts.values())) > 70


def test_sizes_come_out_about_right():
    parts = split(tickets(4000, customers=4000), sizes={"a": 0.7, "b": 0.3})
    assert 0.67 < len(parts["a"]) / 4000 < 0.73


def test_labels_keep_their_shares_in_every_part():
    rows = tickets(1000, customers=1000)
    parts = split(rows, stratify="team", sizes=(0.8, 0.1, 0.1))
    for name, share in zip(parts.parts, (0.8, 0.1, 0.1), strict=True):
        for label, count in Counter(row["team"] for row in rows).items():
            found = sum(row["team"] == label for row in parts[name])
            assert abs(found - share * count) <= 2, (name, label)


def test_the_seed_decides():
    rows = tickets(300)
    assert homes(split(rows, seed=1)) == homes(split(rows, seed=1))
    assert homes(split(rows, seed=1)) != homes(split(rows, seed=2))


@settings(max_examples=30, deadline=None)
@given(
    st.lists(st.integers(0, 30), min_size=1, max_size=40),
    st.lists(st.integers(0, 40), max_size=20),
    st.randoms(use_true_random=False),
)
def test_rows_added_anywhere_move_no_other_row(
    old: list[int], new: list[int], chance: random.Random
):
    rows = [{"customer": f"C{n}", "text": f"old {i}"} for i, n in enumerate(old)]
    more = [{"customer": f"C{n}", "text": f"new {i}"} for i, n in enumerate(new)]
    mixed = [*rows, *more]
    chance.shuffle(mixed)
    before, after = (
        homes(split(rows, by="customer")),
        homes(split(mixed, by="customer")),
    )
    assert before.items() <= after.items()


@pytest.mark.parametrize("count", [1, 10, 150])
def test_with_labels_rows_added_at_the_end_move_no_other_row(count: int):
    rows = tickets(300)
    before = split(rows[:count], by="customer", stratify="team")
    after = split(rows, by="customer", stratify="team")
    assert homes(before).items() <= homes(after).items()


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {"by": "client"},
            "line 1 has nothing for by='client'; its keys are: customer",
        ),
        ({"stratify": "label"}, "nothing for stratify='label'"),
        ({"by": re.compile("X-9")}, "nothing for by="),
        ({"sizes": (0.8, 0.3)}, "add up to 1"),
        ({"sizes": (1.0, 0.0)}, "positive"),
        ({"sizes": (1.0,)}, "two or three shares"),
        ({"sizes": 0.8}, r"two or three shares, such as \(0.8, 0.2\), .* not 0.8"),
        ({"sizes": "0.8"}, "two or three shares, .* not '0.8'"),
        ({"sizes": (80, 20)}, r"add up to 1.*Did you mean 0\.8, 0\.2\?"),
    ],
)
def test_what_is_missing_or_wrong_is_named(arguments: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        split(tickets(5), **arguments)


def test_an_empty_group_is_not_taken_for_a_customer():
    with pytest.raises(ValueError, match="line 3 has nothing for by='customer'"):
        split(b"customer,text\nC1,a\n,b\n", by="customer")


def test_a_file_that_cannot_be_read_is_not_split():
    with pytest.raises(ValueError, match=r"line 2 .* repair"):
        split(b'{"messages": []}\n{"messages": [\n{"messages": []}\n')


def test_the_table_counts_rows_groups_and_labels():
    parts = split(tickets(300), by="customer", stratify="team")
    rows = parts.table.to_dicts()
    assert [row["part"] for row in rows] == ["train", "validation"]
    assert sum(row["rows"] for row in rows) == 300
    assert sum(row["it"] + row["hr"] for row in rows) == 300
    assert "groups by customer" in repr(parts)
    assert "<table" in parts._repr_html_()


def test_a_part_that_stays_empty_is_told_of():
    parts = split(
        [{"customer": "C1", "text": str(n)} for n in range(50)], by="customer"
    )
    assert "too few groups" in repr(parts)


def test_parts_are_written_beside_each_other(tmp_path: Path):
    source = tmp_path / "tickets.jsonl"
    source.write_text("\n".join(map(json.dumps, tickets(60))), encoding="utf-8")
    parts = split(source)
    paths = parts.save(tmp_path / "parts")
    names = ["tickets_train.jsonl", "tickets_validation.jsonl"]
    assert [path.name for path in paths] == names
    for path, rows in zip(paths, parts.parts.values(), strict=True):
        lines = path.read_text(encoding="utf-8").splitlines()
        assert [json.loads(line) for line in lines] == rows


def test_a_part_never_overwrites_its_source(tmp_path: Path):
    source = tmp_path / "train.jsonl"
    source.write_text("\n".join(map(json.dumps, tickets(60))), encoding="utf-8")
    with pytest.raises(ValueError, match="stays as it is"):
        split(source).save(tmp_path, stem="")
