"""Controls in a real kernel: live they are widgets, in runs without a browser twins."""

import os

import nbformat
import pytest
from nbclient import NotebookClient

from finetune_kit.display.widgets.panel import HEADLESS
from tests.learner import PROVERBS, fresh_home

VIEW = "application/vnd.jupyter.widget-view+json"
TRAIN = str(PROVERBS / "train.jsonl")
CELL = f"import finetune_kit as kit\nkit.example_browser({TRAIN!r})"


@pytest.fixture
def outputs(tmp_path, request):
    """What the cell shows where the variable is set, None: in a live notebook."""
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(CELL)])
    with fresh_home(tmp_path):
        del os.environ["FINETUNE_KIT_DETERMINISTIC"]  # its end brings it back
        if request.param:
            os.environ[request.param] = "1"
        NotebookClient(notebook, timeout=120, kernel_name="python3").execute()
    return [output.data for output in notebook.cells[0].outputs]


@pytest.mark.parametrize("outputs", HEADLESS, indirect=True)
def test_without_a_browser_there_is_only_the_twin(outputs):
    (twin,) = outputs
    assert VIEW not in twin
    assert "the first 3 here" in twin["text/html"]
    assert "assistant · learnt" in twin["text/plain"]


@pytest.mark.parametrize("outputs", [None], indirect=True)
def test_a_live_notebook_has_controls_and_a_result_that_needs_no_widget(outputs):
    controls, result = outputs
    assert VIEW in controls
    assert controls["text/plain"] == "Controls: run this cell to use them."
    assert VIEW not in result
    assert "Example 1 of 100" in result["text/html"]
    assert "Example 1 of 100" in result["text/plain"]
