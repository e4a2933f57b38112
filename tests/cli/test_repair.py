"""`finetune-kit repair` shows a diff, writes a copy, and asks about the rest."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from finetune_kit.cli import main


def run(*words: object) -> Result:
    return CliRunner().invoke(main, ["repair", *map(str, words)])


def chat(role: str) -> dict[str, Any]:
    said = [("user", "question"), (role, f"answer of the {role}")]
    return {"messages": [{"role": r, "content": c} for r, c in said]}


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "mine.jsonl"
    rows = [chat("assistant") for _ in range(10)]
    for number, row in enumerate(rows):
        row["messages"][0]["content"] = f"question {number}"
    lines = map(json.dumps, [*rows, chat("assitant"), chat("bot")])
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def test_it_shows_the_diff_and_exits_1_while_errors_remain(file: Path):
    ran = run(file)
    assert ran.exit_code == 1
    assert '"role": "assistant"' in ran.output
    assert "unknown role 'bot'" in ran.output


def test_with_an_answer_it_writes_a_copy_that_passes(file: Path, tmp_path: Path):
    before = file.read_bytes()
    copy = tmp_path / "copy.jsonl"
    assert run(file, "--answer", "bot=assistant", "-o", copy).exit_code == 0
    assert file.read_bytes() == before
    assert CliRunner().invoke(main, ["check", str(copy)]).exit_code == 0


def test_it_writes_nothing_while_errors_remain_unless_told_to(
    file: Path, tmp_path: Path
):
    copy = tmp_path / "copy.jsonl"
    ran = run(file, "-o", copy)
    assert (ran.exit_code, copy.exists()) == (1, False)
    assert "1 error remains" in ran.output
    assert run(file, "-o", copy, "--partial").exit_code == 1
    assert len(copy.read_text(encoding="utf-8").splitlines()) == 12


def test_json_for_programs(file: Path):
    found = json.loads(run(file, "--json").output)
    assert (found["ok"], found["counts"]) == (False, {"unknown_role": 1})
    (edit,) = found["edits"]
    assert (edit["line"], edit["message"], edit["field"]) == (11, 1, "role")


def test_wrong_use_is_told(file: Path):
    assert run(file, "--answer", "bot").exit_code == 2
    ran = run(file, "--fix", "magic")
    assert (ran.exit_code, "no fix is called 'magic'" in ran.output) == (1, True)
    assert "stays as it is" in run(file, "--partial", "-o", file).output
