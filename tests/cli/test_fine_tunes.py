"""The 2023 commands of the command line, against a server of its own."""

import json
import os
import re
import signal
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner

from finetune_kit.cli import main
from tests.learner import ROOT, fresh_home

PROGRAM = [sys.executable, "-m", "finetune_kit.cli"]


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("cli 2023") / "ws") as folder:
        yield folder


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    """Twelve prompts with their completions."""
    path = tmp_path_factory.mktemp("data") / "films.jsonl"
    rows = [
        {"prompt": f"Film {i} ->", "completion": (" bad\n", " good\n")[i % 2]}
        for i in range(12)
    ]
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


def run(*arguments, code=0, input=None):
    result = CliRunner().invoke(main, [str(each) for each in arguments], input=input)
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments):
    return json.loads(run(*arguments))


@pytest.fixture(scope="module")
def followed(data):
    """What `api fine_tunes.create` printed from its beginning to its end."""
    return run("api", "fine_tunes.create", "-t", data, "-m", "ada", "--n_epochs", 1)


@pytest.fixture(scope="module")
def model(followed):
    return re.search(r"Uploaded model: (\S+)", followed).group(1)


@pytest.fixture(scope="module")
def id_(followed):
    return re.search(r"Created fine-tune: (\S+)", followed).group(1)


def test_create_uploads_and_follows_as_in_2023(data, followed, id_, model):
    lines = followed.splitlines()
    assert re.fullmatch(f"Uploaded file from {re.escape(str(data))}: file-.*", lines[0])
    assert lines[1:5] == [
        f"Created fine-tune: {id_}",
        "Streaming events until fine-tuning is complete...",
        "",
        "(Ctrl-C will interrupt the stream, but not cancel the fine-tune)",
    ]
    told = [re.sub(r"^\[[-0-9 :]{19}\] ", "", line) for line in lines[5:]]
    assert told[:4] == [
        f"Created fine-tune: {id_}",
        "Fine-tune costs $0.00",
        "Fine-tune enqueued. Queue number: 0",
        "Fine-tune started",
    ]
    assert told[-5:] == [
        "",
        "Job complete! Status: succeeded 🎉",
        "Try out your fine-tuned model:",
        "",
        f"finetune-kit api completions.create -m {model} -p <YOUR_PROMPT>",
    ]


def test_the_spelling_of_2023_prints_the_objects_as_json(id_, model):
    assert run_json("api", "fine_tunes.get", "-i", id_)["fine_tuned_model"] == model
    listed = run_json("api", "fine_tunes.list")["data"]
    assert id_ in [job["id"] for job in listed]
    told = run_json("api", "fine_tunes.events", "-i", id_)["data"]
    assert told[-1]["message"] == "Fine-tune succeeded"
    table = run("api", "fine_tunes.results", "-i", id_)
    assert table.startswith("step,elapsed_tokens,elapsed_examples,training_loss,")
    assert model in [each["id"] for each in run_json("api", "models.list")["data"]]
    assert run_json("api", "models.get", "-i", model)["id"] == model


def test_completions_print_the_prompt_first_in_the_spelling_of_2023(model):
    asked = ("completions.create", "-m", model, "-p", "Film 3 ->", "-t", 0)
    assert run("api", *asked).startswith("Film 3 ->")
    asked = ("completions", "create", "-m", model, "-p", "Film 3 ->", "-n", 2)
    said = run(*asked)
    assert not said.startswith("Film 3 ->")
    assert said.count("===== Completion ") == 2


def test_the_same_file_is_offered_again(data, followed):
    before = run_json("api", "files.list")["data"]
    known = next(file["id"] for file in before if file["filename"] == data.name)
    create = ("api", "fine_tunes.create", "-t", data, "--no_follow")
    said = run(*create, input=f"file-none\n{known}\n")
    assert "Found potentially duplicated files with name 'films.jsonl'" in said
    assert "File id 'file-none' is not among the IDs" in said
    assert f"Reusing already uploaded file: {known}" in said
    made = json.loads(said[said.index("{") :])
    assert made["training_files"][0]["id"] == known
    cancelled = run_json("api", "fine_tunes.cancel", "-i", made["id"])
    assert cancelled["status"] == "cancelled"
    assert run_json("api", "files.list")["data"] == before


def test_files_and_fine_tunes_are_deleted_in_the_spelling_of_2023(data):
    made = run_json("api", "files.create", "-f", data, "-p", "fine-tune")
    assert run_json("api", "files.get", "-i", made["id"])["bytes"] == made["bytes"]
    job = run_json("fine-tunes", "create", "-t", made["id"], "--json")
    run("fine-tunes", "cancel", job["id"])
    assert run_json("api", "fine_tunes.delete", "-i", job["id"])["deleted"] is True
    assert run_json("api", "files.delete", "-i", made["id"])["deleted"] is True


def test_todays_spelling_shows_tables(id_, model):
    assert "fine_tuned_model" in run("fine-tunes", "list")
    assert run_json("fine-tunes", "get", id_, "--json")["fine_tuned_model"] == model
    assert "Fine-tune succeeded" in run("fine-tunes", "events", id_)
    assert run("fine-tunes", "results", id_).startswith("step,")
    assert "Job complete! Status: succeeded" in run("fine-tunes", "follow", id_)


def test_a_fine_tune_without_results_says_so(data):
    job = run_json("fine-tunes", "create", "-t", data, "--n-epochs", 100, "--json")
    run("fine-tunes", "cancel", job["id"])
    said = run("fine-tunes", "results", job["id"], code=1)
    assert said == f"Error: No results file available for fine-tune {job['id']}\n"
    assert "Fine-tune cancelled" in run("fine-tunes", "follow", job["id"], code=1)


@pytest.mark.skipif(os.name == "nt", reason="Ctrl-C cannot be sent to one process")
def test_ctrl_c_ends_the_watching_only_and_says_how_to_go_on(data):
    # so many that a busy machine takes the signal before the end
    create = ["api", "fine_tunes.create", "-t", str(data), "--n_epochs", "100"]
    process = subprocess.Popen(
        [*PROGRAM, *create, "--no_check_if_files_exist"],
        # tests that run in the background may have it ignored, and would hand that on
        preexec_fn=partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    seen = []
    for line in process.stdout:
        seen.append(line)
        if "Completed epoch" in line:
            break
    process.send_signal(signal.SIGINT)
    said = process.communicate(timeout=60)[1]
    id_ = seen[1].split()[-1]
    assert process.returncode == 1, said
    assert said.endswith(
        "\nStream interrupted (client disconnected).\n"
        "To resume the stream, run:\n\n"
        f"  finetune-kit api fine_tunes.follow -i {id_}\n\n"
    )
    resumed = run("api", "fine_tunes.follow", "-i", id_)
    told = [line for line in seen[5:] if line.strip()]
    assert resumed.splitlines(keepends=True)[: len(told)] == told
    assert "Job complete! Status: succeeded" in resumed


def test_a_server_that_goes_away_is_told_like_an_interrupted_stream(data):
    job = run_json("fine-tunes", "create", "-t", data, "--n-epochs", 100, "--json")
    process = subprocess.Popen(
        [*PROGRAM, "fine-tunes", "follow", job["id"]],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        encoding="utf-8",
    )
    first = process.stdout.readline()
    assert "Created fine-tune" in first
    run("stop")
    said = process.communicate(timeout=60)[1]
    assert process.returncode == 1
    assert "Stream interrupted (client disconnected)." in said
    assert run_json("fine-tunes", "cancel", job["id"], "--json")["id"] == job["id"]
