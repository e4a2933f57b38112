"""A skipped cell is named to the learner, in a real kernel."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.learner import ROOT, fresh_home

OPENING = """\
import finetune_kit as kit

client = kit.connect()
lesson = kit.lesson("05", client)"""


def outputs(tmp_path, source: str) -> str:
    """What a learner sees below a cell that fails, run right after the opening cell."""
    cells = [nbformat.v4.new_code_cell(text) for text in (OPENING, source)]
    notebook = nbformat.v4.new_notebook(cells=cells)
    runner = NotebookClient(
        notebook, kernel_name="python3", resources={"metadata": {"path": ROOT}}
    )
    with fresh_home(tmp_path / "ws"), pytest.raises(CellExecutionError):
        runner.execute()
    return str(notebook.cells[1].outputs)


def test_a_skipped_cell_is_named_without_a_traceback(tmp_path):
    seen = outputs(tmp_path, "second = client.files.create(file=train)")
    assert "`train` is not there yet" in seen or "train</code> is not there" in seen
    assert "Run All Above Selected Cell" in seen
    assert "Traceback" not in seen


def test_a_name_that_no_cell_makes_shows_pythons_own_error(tmp_path):
    seen = outputs(tmp_path, "cliend.files.list()")
    assert "NameError" in seen
    assert "cliend" in seen
