"""What docs/data.md shows is run: every command and every line of Python."""

from __future__ import annotations

import re
import shlex
import shutil
from pathlib import Path

import pytest
from click.testing import CliRunner

import finetune_kit
from finetune_kit.cli import main
from finetune_kit.dataset.personal import PERSONAL, SECRETS
from tests.learner import ROOT

GUIDE = (ROOT / "docs" / "data.md").read_text(encoding="utf-8")
#: Commands whose answer about the course's faulty files is no.
NO = re.compile(r"check data/messy|repair data/messy/chat|duplicates .*tickets")


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    shutil.copytree(ROOT / "data", tmp_path / "data")
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_the_guides_commands_do_what_it_says(folder: Path):
    commands = re.findall(r"^finetune-kit (.+)$", GUIDE, re.M)
    assert len(commands) > 10
    for command in commands:
        result = CliRunner().invoke(main, shlex.split(command))
        wanted = 1 if NO.match(command) else 0
        assert result.exit_code == wanted, f"{command}\n{result.output}"
    written = {path.name for path in folder.glob("*.jsonl")}
    assert written == {
        *("readable.jsonl", "better.jsonl"),
        *("table.jsonl", "reviews.jsonl", "tickets.jsonl"),
    }


def test_the_guides_python_runs(folder: Path):
    code = "\n".join(re.findall(r"^```python\n(.*?)^```", GUIDE, re.M | re.S))
    assert len(code.splitlines()) > 15
    exec(compile(code, "docs/data.md", "exec"), {})
    assert (folder / "parts" / "sample_train.jsonl").exists()


def test_the_guide_names_every_pattern_of_personal_data_and_secrets():
    words = " ".join(GUIDE.split())
    assert {name for name in {**PERSONAL, **SECRETS} if name not in words} == set()


def test_the_guide_shows_every_name_for_data_that_the_kit_hands_on():
    homes = finetune_kit._HOMES
    names = {name for name, home in homes.items() if ".dataset" in home}
    names |= {"token_histogram", "break_even_chart", "estimate"}
    assert {name for name in names if f"kit.{name}(" not in GUIDE} == set()
