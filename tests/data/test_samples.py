"""The samples of tickets and reviews are what their READMEs promise."""

from __future__ import annotations

import json
import runpy
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

import finetune_kit as kit

DATA = Path(__file__).parents[2] / "data"
TICKETS, REVIEWS = DATA / "tickets" / "sample.jsonl", DATA / "reviews" / "sample.jsonl"


def rows(path: Path) -> list[dict[str, Any]]:
    text = path.read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


@pytest.mark.parametrize("path", [TICKETS, REVIEWS], ids=lambda path: path.parent.name)
def test_a_sample_is_made_anew_byte_by_byte(path: Path, tmp_path: Path):
    script = path.with_name("make_sample.py")
    copy = tmp_path / script.name
    copy.write_bytes(script.read_bytes())
    runpy.run_path(str(copy), run_name="__main__")
    assert (tmp_path / "sample.jsonl").read_bytes() == path.read_bytes()


@pytest.mark.parametrize("path", [TICKETS, REVIEWS], ids=lambda path: path.parent.name)
def test_a_sample_has_a_readme_and_a_licence(path: Path):
    assert (path.parent / "README.md").is_file()
    assert "CC0 1.0" in (path.parent / "LICENSE").read_text(encoding="utf-8")


def test_tickets_have_18_customers_and_labels_in_every_value():
    found = rows(TICKETS)
    keys = ["customer", "message", "team", "urgency", "tone"]
    assert all(list(row) == keys for row in found)
    assert Counter(Counter(row["customer"] for row in found).values()) == {4: 18}
    assert {row["team"] for row in found} == {
        "billing",
        "shipping",
        "technical",
        "account",
    }
    assert {row["urgency"] for row in found} == {"low", "normal", "high"}
    assert {row["tone"] for row in found} == {"calm", "annoyed", "angry"}


def test_three_tickets_were_sent_twice():
    found = kit.duplicates(TICKETS, threshold=0.9)
    assert len(found.groups) == 3
    lines = rows(TICKETS)
    for group in found.groups:
        customers = {lines[member.line - 1]["customer"] for member in group.members}
        assert len(customers) == 1
        assert customers <= {"C-1001", "C-1007", "C-1013"}


def test_tickets_become_chats_as_the_readme_shows():
    parts = kit.split(TICKETS, by="customer", stratify="team")
    template = {"user": "{message}", "assistant": ["team", "urgency", "tone"]}
    converted = kit.convert(parts["train"], template=template)
    assert converted.report.ok
    answer = json.loads(converted.rows[0]["messages"][1]["content"])
    assert list(answer) == ["team", "urgency", "tone"]


def test_reviews_are_balanced_and_ready_for_the_2023_api():
    found = rows(REVIEWS)
    assert Counter(row["completion"] for row in found) == {
        " positive\n": 30,
        " negative\n": 30,
    }
    assert all(row["prompt"].endswith("\n\n###\n\n") for row in found)
    assert kit.check(REVIEWS).ok


def test_reviews_become_chats_without_the_signs_of_2023():
    converted = kit.convert(REVIEWS)
    answers = Counter(row["messages"][1]["content"] for row in converted.rows)
    assert answers == {"positive": 30, "negative": 30}
    assert not any("#" in row["messages"][0]["content"] for row in converted.rows)
