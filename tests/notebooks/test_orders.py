"""The lessons in one process: each alone, all in order, twice, and shuffled."""

import json
import random
from pathlib import Path

import openai
import pytest
from IPython.core.interactiveshell import InteractiveShell

from tests.learner import ROOT, fresh_home

LESSONS = sorted((ROOT / "notebooks").glob("*.ipynb"))


def run(path: Path, monkeypatch) -> InteractiveShell:
    """All code cells of the notebook, in a shell of its own, as a kernel would."""
    monkeypatch.chdir(path.parent)
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    notebook = json.loads(path.read_text(encoding="utf-8"))
    for cell in notebook["cells"]:
        if cell["cell_type"] == "code":
            result = shell.run_cell("".join(cell["source"]), store_history=True)
            assert result.success, f"{path.name}, cell {cell['id']}"
    return shell


@pytest.mark.parametrize("path", LESSONS, ids=lambda path: path.name)
def test_a_lesson_runs_alone_in_an_empty_workspace(path, tmp_path, monkeypatch):
    with fresh_home(tmp_path / "ws"):
        run(path, monkeypatch)


def test_all_lessons_run_in_order_and_again(tmp_path, monkeypatch):
    with fresh_home(tmp_path / "ws"):
        for path in LESSONS * 2:
            run(path, monkeypatch)


def test_all_lessons_run_in_any_order(tmp_path, monkeypatch):
    shuffled = random.Random(8).sample(LESSONS, len(LESSONS))
    with fresh_home(tmp_path / "ws"):
        for path in shuffled:
            run(path, monkeypatch)


def test_asking_models_that_were_cleaned_up_is_refused_by_the_api(
    tmp_path, monkeypatch
):
    (path,) = (path for path in LESSONS if path.name.startswith("09"))
    cells = json.loads(path.read_text(encoding="utf-8"))["cells"]
    (source,) = ("".join(c["source"]) for c in cells if c["id"] == "answers")
    with fresh_home(tmp_path / "ws"):
        shell = run(path, monkeypatch)
        again = shell.run_cell(source)
    assert isinstance(again.error_in_exec, openai.NotFoundError)
