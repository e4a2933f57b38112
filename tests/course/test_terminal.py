"""Commands typed in a cell: printed as in a terminal, in the lesson's folder."""

import json

import pytest

from finetune_kit import connect
from finetune_kit.course.terminal import terminal
from finetune_kit.display.cards import as_text, in_notebook
from finetune_kit.jobs import fine_tunes
from tests.learner import fresh_home

CREATE = "api fine_tunes.create -t films.jsonl -m ada --n_epochs 2"


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    folder = tmp_path_factory.mktemp("terminal")
    rows = [{"prompt": f"Film {i} ->", "completion": " good\n"} for i in range(3)]
    text = "".join(f"{json.dumps(row)}\n" for row in rows)
    (folder / "films.jsonl").write_text(text, encoding="utf-8")
    with fresh_home(folder / "ws"):
        yield folder


def test_ctrl_c_ends_the_watching_after_so_many_events_and_not_the_fine_tune(
    folder, capsys
):
    terminal(CREATE, folder, ctrl_c_after=2)
    said = capsys.readouterr().out
    assert sum(line.startswith("[") for line in said.splitlines()) == 2
    assert "Stream interrupted (client disconnected)" in said
    job = fine_tunes.list_all(connect())[-1]
    terminal(f"api fine_tunes.follow -i {job['id']}", folder)
    assert "Job complete! Status: succeeded" in capsys.readouterr().out


def test_a_refused_command_says_so_and_the_cell_goes_on(folder, capsys):
    terminal("api fine_tunes.get -i ft-none", folder)
    assert capsys.readouterr().out.startswith("Error: ")


def test_a_command_shows_no_card_even_in_a_notebook(monkeypatch):
    class Shell:
        kernel = True

    monkeypatch.setattr("IPython.get_ipython", Shell)
    assert in_notebook()
    with as_text():
        assert not in_notebook()
    assert in_notebook()
