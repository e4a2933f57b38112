"""The page on all data sets describes rows that the checker takes."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from finetune_kit.dataset import check

DATA = Path(__file__).parents[2] / "data"
METHODS = {"preference": "dpo", "reinforcement": "reinforcement"}
README = (DATA / "README.md").read_text(encoding="utf-8")
SETS = dict(re.findall(r"^### (\w+): (\w+)", README, re.M))
EXAMPLES = [
    (found[1], found[2], json.loads(row))
    for found in re.finditer(r"^##.*?(\w+): (\w+)((?s:.*?))(?=^##|\Z)", README, re.M)
    for row in re.findall(r"^```json\n(.*)\n```", found[3], re.M)
]


def copies(row: dict[str, Any]) -> list[dict[str, Any]]:
    return [json.loads(json.dumps(row)) for _ in range(10)]


def test_every_set_stands_on_the_page():
    folders = {path.name for path in DATA.iterdir() if path.is_dir()}
    assert folders == set(SETS)
    assert {name for name, _, _ in EXAMPLES} >= set(SETS)


@pytest.mark.parametrize(
    ("name", "kind", "row"),
    [e for e in EXAMPLES if e[2].keys() & {"messages", "prompt", "input"}],
)
def test_an_example_row_is_valid(name: str, kind: str, row: dict[str, Any]):
    method: Any = METHODS.get(kind, "supervised")
    report = check(copies(row), method=method, structure_only=True)
    assert report.findings == []
    assert report.format == kind


@pytest.mark.parametrize(
    "path",
    [
        path
        for path in sorted(DATA.glob("*/*.jsonl"))
        if path.parent.name != "messy"
        and path.stem in ("train", "validation", "sample")
        and b'"messages"' in path.read_bytes()[:40]
    ],
    ids=lambda path: f"{path.parent.name}/{path.name}",
)
def test_a_file_to_train_on_has_nothing_to_fix(path: Path):
    assert check(path).findings == []


def test_the_sample_of_messy_on_the_page_is_the_real_one():
    shown = next(row for name, _, row in EXAMPLES if name == "messy")
    expected = json.loads((DATA / "messy" / "expected.json").read_text("utf-8"))
    assert shown["chat.jsonl"][0] == expected["chat.jsonl"][0]


@pytest.mark.parametrize("name", ["preferences", "tone"])
def test_the_example_on_the_page_is_the_first_row_of_the_set(name: str):
    (shown,) = [row for found, _, row in EXAMPLES if found == name]
    text = (DATA / name / "train.jsonl").read_text(encoding="utf-8")
    assert shown == json.loads(text.partition("\n")[0])
