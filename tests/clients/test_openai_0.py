"""openai 0.28.1, the client of the fine-tunes API in its last year: module calls and
its own command line, as in the seeds of this project."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.clients.conftest import OPENAI_0, films, pointed, run
from tests.localapi.running import RunningServer

pytestmark = pytest.mark.clients
FLOW = Path(__file__).with_name("flow_2023.py")


@pytest.fixture(scope="module")
def python(python_with: Callable[[str], Path]) -> Path:
    return python_with(OPENAI_0)


@pytest.fixture(scope="module")
def openai_cli(python: Path) -> Path:
    return python.with_name("openai.exe" if os.name == "nt" else "openai")


@pytest.fixture(scope="module")
def data(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return films(tmp_path_factory.mktemp("data") / "films.jsonl")


def test_module_calls(python: Path, server: RunningServer, data: Path) -> None:
    said = run([python, FLOW, data], server)
    assert said.endswith("the flow of 2023 works with openai 0.28.1\n")


def test_the_command_line_from_the_file_to_the_answer(
    openai_cli: Path, server: RunningServer, data: Path
) -> None:
    api: list[str | Path] = [openai_cli, "api"]
    said = run([*api, "fine_tunes.create", "-t", data, "-m", "ada"], server)
    assert "Uploaded file from" in said
    assert "Completed epoch 4/4" in said
    assert "Job complete! Status: succeeded" in said
    id_ = re.search(r"Created fine-tune: (ft-\w+)", said)[1]  # type: ignore[index]
    model = re.search(r"Uploaded model: (\S+)", said)[1]  # type: ignore[index]
    job = json.loads(run([*api, "fine_tunes.get", "-i", id_], server))
    assert job["fine_tuned_model"] == model
    listed = json.loads(run([*api, "fine_tunes.list"], server))
    assert id_ in [each["id"] for each in listed["data"]]
    told = json.loads(run([*api, "fine_tunes.events", "-i", id_], server))
    assert told["data"] == job["events"]
    table = run([*api, "fine_tunes.results", "-i", id_], server)
    assert table.startswith("step,elapsed_tokens,elapsed_examples,training_loss,")
    asked = ["completions.create", "-m", model, "-p", "Film 3 ->", "-M", "3"]
    assert run([*api, *asked], server).startswith("Film 3 ->")
    deleted = run([*api, "fine_tunes.delete", "-i", id_], server)
    assert json.loads(deleted)["deleted"] is True


def following(
    openai_cli: Path, server: RunningServer, data: Path
) -> tuple[subprocess.Popen[str], str]:
    """A client that follows a long fine-tune, and that fine-tune's id."""
    create = ["api", "fine_tunes.create", "-t", str(data), "--n_epochs", "60"]
    process = subprocess.Popen(
        [str(openai_cli), *create, "--no_check_if_files_exist"],
        env={**pointed(server), "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert process.stdout is not None
    id_ = ""
    for line in process.stdout:
        if found := re.search(r"Created fine-tune: (ft-\w+)", line):
            id_ = found[1]
        if "Completed epoch" in line:
            break
    return process, id_


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process")
def test_ctrl_c_interrupts_the_stream_and_follow_resumes_it(
    openai_cli: Path, server: RunningServer, data: Path
) -> None:
    process, id_ = following(openai_cli, server, data)
    process.send_signal(signal.SIGINT)
    rest = process.communicate(timeout=60)[0]
    assert "Stream interrupted. Job is still running." in rest
    assert f"openai api fine_tunes.follow -i {id_}" in rest
    api: list[str | Path] = [openai_cli, "api"]
    resumed = run([*api, "fine_tunes.follow", "-i", id_], server)
    assert f"Created fine-tune: {id_}" in resumed
    assert "Job complete! Status: succeeded" in resumed


def test_a_server_that_stops_interrupts_the_stream_in_the_words_of_the_seed(
    openai_cli: Path, tmp_path: Path, data: Path
) -> None:
    home = RunningServer(tmp_path / "home")
    with home:
        process, id_ = following(openai_cli, home, data)
        home.end()
        rest = process.communicate(timeout=60)[0]
    assert rest.endswith(
        "\nStream interrupted (client disconnected).\n"
        "To resume the stream, run:\n\n"
        f"  openai api fine_tunes.follow -i {id_}\n\n"
    )
    with home.start():
        api: list[str | Path] = [openai_cli, "api"]
        run([*api, "fine_tunes.cancel", "-i", id_], home)
