"""What everybody does once is told in a card, in a real kernel."""

import nbformat
import pytest
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError

from tests.learner import ROOT, fresh_home

OPENING = """\
import finetune_kit as kit

client = kit.connect()
lesson = kit.lesson("05", client)"""


def outputs(tmp_path, source: str, opening: str = OPENING) -> str:
    """What a learner sees below a cell that fails, run right after the opening cell."""
    cells = [nbformat.v4.new_code_cell(text) for text in (opening, source)]
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


def test_the_first_notebook_has_no_lesson_and_jupyter_tells_its_name(
    tmp_path, monkeypatch
):
    monkeypatch.setenv("JPY_SESSION_NAME", "/somewhere/00_start_here.ipynb")
    opening = "import finetune_kit as kit\nclient = kit.connect()"
    seen = outputs(tmp_path, "kit.check(train)", opening)
    assert "not there yet" in seen
    assert "Traceback" not in seen


def test_a_name_that_no_cell_makes_shows_pythons_own_error(tmp_path):
    seen = outputs(tmp_path, "cliend.files.list()")
    assert "NameError" in seen
    assert "cliend" in seen


def test_a_refusal_names_the_line_and_what_the_api_said(tmp_path):
    seen = outputs(tmp_path, "wrong = 'file-absent'\nclient.files.delete(wrong)")
    assert "NotFoundError (404)" in seen
    assert "No such File object: file-absent" in seen
    assert "Was it deleted" in seen
    assert "Run All Above Selected Cell" in seen
    assert "Line 2 of the cell" in seen
    assert "Traceback" not in seen


def test_a_copy_me_cell_alone_is_told_where_its_files_come_from(tmp_path):
    seen = outputs(tmp_path, "open('train.jsonl')")
    assert "lesson.alone()" in seen
    assert "Traceback" not in seen


@pytest.mark.parametrize("name", ["mine.csv", "train"])  # "train.jsonl" is another
def test_another_missing_file_shows_pythons_own_error(tmp_path, name):
    assert "FileNotFoundError" in outputs(tmp_path, f"open('{name}')")


def test_an_api_that_is_gone_says_how_to_go_on(tmp_path):
    call = "client.with_options(base_url='http://127.0.0.1:9/v1').models.list()"
    seen = outputs(tmp_path, call)
    assert "does not answer" in seen
    assert "kit.connect()" in seen
    assert "Traceback" not in seen


OTHER_PROGRAM = """\
import threading
from http.server import HTTPServer, SimpleHTTPRequestHandler

other = HTTPServer(("127.0.0.1", 0), SimpleHTTPRequestHandler)
threading.Thread(target=other.serve_forever, daemon=True).start()
url = f"http://127.0.0.1:{other.server_port}/v1"
client.with_options(base_url=url).models.list()"""


def test_another_program_on_the_port_is_not_taken_for_the_api(tmp_path):
    seen = outputs(tmp_path, OTHER_PROGRAM)
    assert "does not answer" in seen
    assert "Another program answers" in seen
    assert "Was it deleted" not in seen


def test_a_stopped_cell_says_what_became_of_it_without_a_traceback(tmp_path):
    seen = outputs(tmp_path, "lesson.path('')\nraise KeyboardInterrupt")
    assert "You stopped this cell" in seen
    assert "Run it again" in seen
    assert "Line 2 of the cell" in seen
    assert "Traceback" not in seen


def test_a_file_that_a_reset_has_taken_away_is_made_again_from_above(tmp_path):
    create = "client.fine_tuning.jobs.create"
    seen = outputs(tmp_path, f"{create}(training_file='file-no', model='gpt-4.1')")
    assert "does not exist" in seen
    assert "Run All Above Selected Cell" in seen


@pytest.mark.parametrize(
    ("number", "what"), [("ENOSPC", "is full"), ("EROFS", "cannot be written")]
)
def test_a_disk_without_room_is_told_with_the_folder(tmp_path, number, what):
    cell = f"import errno\nraise OSError(errno.{number}, 'No', 'facts.json')"
    seen = outputs(tmp_path, cell)
    assert f"The disk {what}" in seen
    assert "facts.json" in seen
    assert "Traceback" not in seen
