"""Every fault planted in the set `messy` is found, at its place, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune_kit.dataset import check

MESSY = Path(__file__).parents[2] / "data" / "messy"
EXPECTED: dict[str, list[dict[str, Any]]] = json.loads(
    (MESSY / "expected.json").read_text(encoding="utf-8")
)
METHODS: dict[str, Any] = {
    "preference.jsonl": "dpo",
    "reinforcement.jsonl": "reinforcement",
}


def place(found: dict[str, Any]) -> tuple[Any, ...]:
    keys = ("line", "code", "message", "field", "column")
    return tuple(found[key] for key in keys)


@pytest.mark.parametrize("name", EXPECTED)
def test_each_planted_fault_is_found_at_its_place(name: str):
    report = check(MESSY / name, method=METHODS.get(name, "supervised"))
    found = [place(finding.to_dict()) for finding in report.findings]
    assert sorted(found, key=str) == sorted(map(place, EXPECTED[name]), key=str)


def test_every_file_of_the_set_has_its_expected_findings():
    others = {"README.md", "LICENSE", "expected.json"}
    assert {path.name for path in MESSY.iterdir()} - others == set(EXPECTED)


def test_the_readme_names_every_file():
    readme = (MESSY / "README.md").read_text(encoding="utf-8")
    assert all(f"`{name}`" in readme for name in EXPECTED)
