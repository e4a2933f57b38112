"""A lesson opened alone makes what it needs; opened again it finds it."""

from pathlib import Path

import pytest
from IPython.core.interactiveshell import InteractiveShell

from finetune_kit import connect, lesson, workspace
from finetune_kit.jobs import follow as follow_module
from finetune_kit.jobs.results import NotFinishedError
from tests.learner import PROVERBS, ROOT, fresh_home


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("lesson") / "ws"):
        yield connect()


def test_a_lesson_alone_trains_the_model_it_needs_once_and_says_so(client, capsys):
    job = lesson("07", client).job()
    assert "The job of notebook 00 is run for you" in capsys.readouterr().out
    assert job.status == "succeeded"
    assert workspace.facts()["proverbs_model"] == job.fine_tuned_model
    assert lesson("08", client).job().id == job.id
    assert capsys.readouterr().out == ""
    assert len(list(client.fine_tuning.jobs.list())) == 1


def test_a_job_on_another_file_is_made_once_and_anew_when_its_model_is_gone(
    client, tmp_path
):
    other = tmp_path / "other.jsonl"
    lines = (PROVERBS / "train.jsonl").read_text(encoding="utf-8").splitlines(True)
    other.write_text("".join(lines[:10]), encoding="utf-8")
    first = lesson("04", client).job_on(other)
    assert ":other:" in first.fine_tuned_model
    assert lesson("04", client).job_on(other).id == first.id
    client.models.delete(first.fine_tuned_model)
    again = lesson("04", client).job_on(other)
    assert again.id != first.id
    once = lesson("08", client).job_on(other, n_epochs=1)
    assert once.id != again.id
    assert once.hyperparameters.n_epochs == 1
    client.models.delete(once.fine_tuned_model)
    client.models.delete(again.fine_tuned_model)
    assert workspace.facts()["proverbs_job"] not in {first.id, again.id}


def test_watching_that_was_stopped_leaves_no_model_but_a_word_and_goes_on(
    client, tmp_path, monkeypatch
):
    few = lesson("04", client).first_rows(12, "stopped")

    def stop(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(follow_module.time, "sleep", stop)
        with pytest.raises(NotFinishedError, match="Run this cell again"):
            lesson("04", client).job_on(few)
    job = lesson("04", client).job_on(few)
    assert job.status == "succeeded"
    client.models.delete(job.fine_tuned_model)


def test_files_are_uploaded_once(client):
    before = lesson("05", client).files()
    after = lesson("06", client).files()
    assert [file.id for file in before] == [file.id for file in after]


def test_each_lesson_writes_into_a_folder_of_its_own(client):
    folder = lesson("03", client).folder
    assert folder.is_dir()
    assert folder.is_relative_to(workspace.home())


def test_the_data_sets_are_found_from_any_folder(client, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert lesson("02", client).path("proverbs/train.jsonl").is_file()


def test_outputs_name_the_data_the_same_on_every_computer(client, monkeypatch):
    monkeypatch.chdir(ROOT / "notebooks")
    found = lesson("02", client).path("proverbs/train.jsonl")
    assert found == Path("../data/proverbs/train.jsonl")


def test_an_excerpt_finds_api_and_data_beside_it_and_the_cell_after_is_back(
    client, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(workspace.home()))
    InteractiveShell.clear_instance()
    shell = InteractiveShell.instance()
    shell.user_ns["lesson"] = lesson("02", client)
    excerpt = (
        "from openai import OpenAI\n"
        "made = OpenAI().files.create(file=open('train.jsonl', 'rb'),"
        " purpose='fine-tune')\n"
        "OpenAI().files.delete(made.id)"
    )
    for cell in ("lesson.alone()", "lesson.alone()", excerpt):
        shell.run_cell(cell).raise_error()
    assert Path.cwd() == tmp_path


def test_the_first_rows_are_a_file_of_the_lesson(client):
    path = lesson("08", client).first_rows(20, "few")
    assert path.name == "few.jsonl"
    lines = path.read_text(encoding="utf-8").splitlines()
    whole = (PROVERBS / "train.jsonl").read_text(encoding="utf-8").splitlines()
    assert lines == whole[:20]
