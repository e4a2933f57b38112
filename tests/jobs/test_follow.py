"""Following real jobs of the local API, in a script and in a notebook."""

import os
import signal
import socket
import sys
import threading
import time
from contextlib import contextmanager, suppress

import nbformat
import pytest
from nbclient import NotebookClient

from finetune_kit import connect, disk, follow, local_server
from finetune_kit.jobs import follow as follow_module
from tests.learner import ROOT, chat_file, faulty_file, fresh_home


@pytest.fixture(scope="module")
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("follow") / "ws") as folder:
        yield folder


@pytest.fixture(scope="module")
def client(home):
    return connect()


def job_of(client, path, n_epochs=2):
    file = client.files.create(file=path, purpose="fine-tune")
    return client.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=file.id,
        validation_file=file.id,
        hyperparameters={"n_epochs": n_epochs},
    )


def messages(client, job):
    events = client.fine_tuning.jobs.list_events(job.id, limit=100)
    return [event.message for event in events if event.type == "message"][::-1]


def test_each_message_is_printed_once_and_the_finished_job_returned(
    client, tmp_path, capsys
):
    job = follow(client, job_of(client, chat_file(tmp_path / "a.jsonl", 10)))
    printed = capsys.readouterr().out.splitlines()
    assert job.status == "succeeded"
    assert [line for line in printed if not line.startswith("Step ")] == messages(
        client, job
    )
    assert [line.partition(":")[0] for line in printed if line.startswith("Step ")] == [
        "Step 10/20",
        "Step 20/20",
    ]


def test_an_interrupt_tells_how_to_go_on_and_repeats_nothing(
    client, tmp_path, capsys, monkeypatch
):
    job = job_of(client, chat_file(tmp_path / "b.jsonl", 60), n_epochs=5)

    def interrupt(_):
        raise KeyboardInterrupt

    with monkeypatch.context() as patch:
        patch.setattr(follow_module.time, "sleep", interrupt)
        unfinished = follow(client, job)
    first = capsys.readouterr().out
    assert unfinished.status not in {"succeeded", "failed"}
    assert "the job goes on" in first
    assert f'follow(client, "{job.id}")' in first
    assert follow(client, job).status == "succeeded"
    second = capsys.readouterr().out
    told = [line for line in (first + second).splitlines() if line]
    assert sorted(set(told)) == sorted(told)
    assert set(messages(client, job)) <= set(told)


def until_running(client, job):
    while (status := client.fine_tuning.jobs.retrieve(job.id).status) != "running":
        assert status in {"validating_files", "queued"}
        time.sleep(0.05)


def test_a_paused_job_is_left_with_how_to_resume_it(client, tmp_path, capsys):
    jobs = client.fine_tuning.jobs
    job = job_of(client, chat_file(tmp_path / "p.jsonl", 60), n_epochs=5)
    for _ in range(2):
        until_running(client, job)
        jobs.pause(job.id)
        assert follow(client, job).status == "paused"
        said = capsys.readouterr().out
        assert f'client.fine_tuning.jobs.resume("{job.id}")' in said
        assert f'follow(client, "{job.id}")' in said
        assert "the job goes on" not in said
        jobs.resume(job.id)
    assert follow(client, job).status == "succeeded"
    assert "The job is paused" not in capsys.readouterr().out


def test_a_failed_job_says_why_and_what_to_do_without_a_traceback(
    client, tmp_path, capsys
):
    job = follow(client, job_of(client, faulty_file(tmp_path / "c.jsonl")))
    said = capsys.readouterr().out
    assert job.status == "failed"
    assert job.error.message in said
    assert "What to do: Run `check(path)` on the training file" in said


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_killed_server_is_started_again_and_the_job_ends(client, tmp_path, capsys):
    job = job_of(client, chat_file(tmp_path / "d.jsonl", 60), n_epochs=5)
    os.kill(local_server.find().pid, signal.SIGKILL)
    assert follow(client, job).status == "succeeded"
    lines = capsys.readouterr().out.splitlines()
    assert len(lines) == len(set(lines))


@contextmanager
def hanging_up(port):
    """Another program at this port, which ends each connection at once."""
    with socket.create_server(("127.0.0.1", port)) as other:

        def answer():
            with suppress(OSError):
                while True:
                    other.accept()[0].close()

        threading.Thread(target=answer, daemon=True).start()
        yield


@pytest.mark.skipif(sys.platform == "win32", reason="Windows has no SIGKILL")
def test_a_server_that_comes_back_at_another_port_says_how_to_go_on(tmp_path):
    with fresh_home(tmp_path / "ws"):
        client = connect()
        job = job_of(client, chat_file(tmp_path / "f.jsonl", 60), n_epochs=5)
        server = local_server.find()
        os.kill(server.pid, signal.SIGKILL)
        while local_server.find():
            time.sleep(0.02)
        moved = pytest.raises(local_server.ServerError, match=r"kit\.connect\(\)")
        with hanging_up(server.port), moved:
            follow(client, job)
        assert follow(connect(), job).status == "succeeded"


def test_too_little_room_on_the_disk_is_told_once(
    client, tmp_path, capsys, monkeypatch
):
    monkeypatch.setattr(disk, "LEAST_ROOM", 2**70)
    follow(client, job_of(client, chat_file(tmp_path / "g.jsonl", 10)))
    assert capsys.readouterr().out.count("left on the workspace's disk") == 1


LIVE = """
import os
os.environ.pop("FINETUNE_KIT_DETERMINISTIC")
from finetune_kit import connect, follow
job = follow(connect(), "{job}")
"""


def test_in_a_notebook_one_card_is_updated_in_place_and_stays(client, tmp_path):
    job = job_of(client, chat_file(tmp_path / "e.jsonl", 60), n_epochs=3)
    cell = nbformat.v4.new_code_cell(LIVE.format(job=job.id))
    notebook = nbformat.v4.new_notebook(cells=[cell])
    resources = {"metadata": {"path": str(ROOT)}}
    NotebookClient(notebook, kernel_name="python3", resources=resources).execute()
    connected, card = cell.outputs
    assert "local API" in connected.data["text/plain"]
    assert card.output_type == "display_data"
    html = card.data["text/html"]
    assert "step 180 of 180 · training loss" in html
    assert "width:100%" in html
    assert html.count("The job has successfully completed") == 1
    assert "180 of 180" in card.data["text/plain"]
    assert "succeeded" in card.data["text/plain"]


@pytest.mark.parametrize("job", [None, 7])
def test_what_is_no_job_is_refused_with_what_to_do(client, job):
    with pytest.raises(TypeError, match=r"takes a job or its id.*Create a job first"):
        follow(client, job)
