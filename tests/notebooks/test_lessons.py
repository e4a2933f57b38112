"""Every lesson after notebook 00 has the same anatomy, and its excerpt runs alone."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from finetune_kit import connect
from finetune_kit.connect import environment
from finetune_kit.course.exercises import all_exercises
from tests.learner import PROVERBS, ROOT, fresh_home

LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))[1:]
HEADINGS = ["## Your turn", "## Pitfalls", "## Copy me", "## Clean up", "## Key points"]
OPENING = """\
import finetune_kit as kit

client = kit.connect()
lesson = kit.lesson("{number}", client)"""


@pytest.fixture(scope="module", params=LESSONS, ids=lambda path: path.name)
def path(request) -> Path:
    return request.param


def cells(path, kind, tag=None):
    notebook = json.loads(path.read_text(encoding="utf-8"))
    return [
        "".join(cell["source"])
        for cell in notebook["cells"]
        if cell["cell_type"] == kind
        and (tag is None or tag in cell["metadata"].get("tags", []))
    ]


def number(path):
    return path.name[:2]


def test_a_lesson_opens_like_every_other(path):
    code = cells(path, "code")
    assert OPENING.format(number=number(path)) in code[:2]


def test_a_lesson_has_its_parts_in_order(path):
    prose = "\n".join(cells(path, "markdown"))
    places = [prose.find(heading) for heading in HEADINGS]
    assert -1 not in places
    assert places == sorted(places)
    assert prose.count("\n## ") - len(HEADINGS) + 1 >= 4


def test_a_lesson_asks_two_core_exercises_and_an_optional_one(path):
    code = "\n".join(cells(path, "code"))
    asked = re.findall(r'kit\.exercise\("([\w-]+)"\)\.check\(', code)
    own = [name for name in all_exercises() if name.startswith(number(path))]
    assert sorted(asked) == sorted(own)
    levels = [all_exercises()[name].level for name in asked]
    assert levels.count("core") == 2
    assert levels.count("optional") == 1
    assert all(" = ..." in cell for cell in cells(path, "code") if ").check(" in cell)


def test_the_links_of_a_lesson_lead_somewhere(path):
    prose = "\n".join(cells(path, "markdown"))
    links = re.findall(r"\]\(([^)#]+)[^)]*\)", prose)
    near = [link for link in links if not link.startswith("https://")]
    assert [link for link in near if not (path.parent / link).exists()] == []


def test_the_excerpt_of_a_lesson_runs_alone(path, tmp_path):
    (excerpt,) = cells(path, "code", tag="copy-me")
    assert "finetune_kit" not in excerpt
    assert "kit." not in excerpt
    for name in ("train", "validation", "test", "proverbs"):
        shutil.copy(PROVERBS / f"{name}.jsonl", tmp_path)
    with fresh_home(tmp_path / "ws"):
        variables = {**os.environ, **environment(connect())}
        command = [sys.executable, "-c", excerpt]
        run = subprocess.run(
            command, cwd=tmp_path, env=variables, capture_output=True, text=True
        )
    assert run.returncode == 0, run.stderr
