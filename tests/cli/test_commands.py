"""The command line against a server of its own: what it prints, how it exits."""

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
from functools import partial

import pytest
from click.testing import CliRunner
from openai.resources.fine_tuning import Jobs

from finetune_kit import local_server
from finetune_kit.cli import main
from tests.learner import PROVERBS, ROOT, chat_file, faulty_file, fresh_home
from tests.localapi.running import jsonl, preference_rows, until


@pytest.fixture(scope="module", autouse=True)
def home(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("cli") / "ws") as folder:
        yield folder


def run(*arguments, code=0):
    result = CliRunner().invoke(main, [str(argument) for argument in arguments])
    assert result.exit_code == code, result.output
    return result.output


def run_json(*arguments, code=0):
    return json.loads(run(*arguments, "--json", code=code))


@pytest.fixture(scope="module")
def job(home, tmp_path_factory):
    path = chat_file(tmp_path_factory.mktemp("data") / "ten.jsonl", 10)
    made = run_json(
        "jobs", "create", "-m", "gpt-4o-mini", "-t", path, "--n-epochs", 1, "--seed", 3
    )
    run("jobs", "follow", made["id"])
    return made["id"]


def test_python_m_runs_the_same_program():
    command = [sys.executable, "-m", "finetune_kit.cli", "--help"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("Usage: finetune-kit ")
    assert "chat" in said.stdout


def test_what_macos_lays_beside_notebooks_is_not_run(tmp_path, monkeypatch):
    (tmp_path / "notebooks").mkdir()
    (tmp_path / "notebooks" / "._00_start_here.ipynb").write_bytes(b"\0\5\x16\7")
    monkeypatch.setattr("finetune_kit.cli.notebooks._root", lambda: tmp_path)
    assert run_json("run") == []


def test_files_are_uploaded_listed_read_and_deleted(tmp_path):
    path = chat_file(tmp_path / "rows.jsonl", 10)
    file = run_json("files", "create", path)
    assert file["status"] == "processed"
    assert file["id"] in [entry["id"] for entry in run_json("files", "list")]
    assert run("files", "content", file["id"]) == path.read_text(encoding="utf-8")
    assert run_json("files", "delete", file["id"])["deleted"] is True
    said = run("files", "get", file["id"], code=1)
    assert said == f"Error: No such File object: {file['id']} (param: id)\n"


def test_a_file_can_be_sent_in_parts_and_given_an_end(tmp_path):
    path = chat_file(tmp_path / "long.jsonl", 40)
    sent = ("files", "create", path, "--part-size", 4000, "--expires-after", 7200)
    file = run_json(*sent)
    assert file["expires_at"] == file["created_at"] + 7200
    assert run("files", "content", file["id"]) == path.read_text(encoding="utf-8")
    whole = run_json("files", "create", path, "--expires-after", 3600)
    assert whole["expires_at"] == whole["created_at"] + 3600


def test_a_job_that_is_refused_leaves_no_file_behind(tmp_path):
    path = chat_file(tmp_path / "orphan.jsonl", 10)
    said = run("jobs", "create", "-m", "gpt-9", "-t", path, "-v", path, code=1)
    assert "gpt-9 is not available for fine-tuning" in said
    names = [file["filename"] for file in run_json("files", "list")]
    assert "orphan.jsonl" not in names


def test_a_hyperparameter_of_zero_is_sent_and_refused(tmp_path):
    path = chat_file(tmp_path / "zero.jsonl", 10)
    create = ("jobs", "create", "-m", "tinygpt", "-t", path)
    assert "Expected a value >= 1" in run(*create, "--n-epochs", 0, code=1)
    assert "> 0" in run(*create, "--learning-rate-multiplier", 0, code=1)


def test_ctrl_c_while_a_job_is_made_leaves_no_file_behind(tmp_path, monkeypatch):
    def interrupted(*_, **__):
        raise KeyboardInterrupt

    path = chat_file(tmp_path / "stopped.jsonl", 10)
    monkeypatch.setattr(Jobs, "create", interrupted)
    run("jobs", "create", "-m", "tinygpt", "-t", path, code=1)
    names = [file["filename"] for file in run_json("files", "list")]
    assert "stopped.jsonl" not in names


def test_jobs_are_found_by_the_metadata_they_were_created_with(tmp_path):
    path = chat_file(tmp_path / "tagged.jsonl", 10)
    create = ("jobs", "create", "-m", "tinygpt", "-t", path, "--n-epochs", 1)
    job = run_json(*create, "--metadata", "lesson=7", "--metadata", "who=me=you")
    assert job["metadata"] == {"lesson": "7", "who": "me=you"}
    found = run_json("jobs", "list", "--metadata", "lesson=7")
    assert [each["id"] for each in found] == [job["id"]]
    assert "KEY=VALUE" in run("jobs", "list", "--metadata", "lesson", code=2)
    run("jobs", "follow", job["id"])


def test_a_job_can_be_paused_and_resumed(tmp_path):
    path = chat_file(tmp_path / "long.jsonl", 100)
    create = ("jobs", "create", "-m", "tinygpt", "-t", path)
    job = run_json(*create, "--n-epochs", 20)["id"]
    until(lambda: run_json("jobs", "get", job)["status"], lambda s: s == "running")
    assert run_json("jobs", "pause", job)["status"] == "paused"
    assert run_json("jobs", "resume", job)["status"] == "queued"
    assert run_json("jobs", "cancel", job)["status"] == "cancelled"


def test_dpo_trains_from_the_command_line(tmp_path):
    path = tmp_path / "pairs.jsonl"
    path.write_bytes(jsonl(preference_rows(12)))
    create = ("jobs", "create", "-m", "tinygpt", "-t", path, "--method", "dpo")
    job = run_json(*create, "--beta", 0.5, "--n-epochs", 1)
    assert job["method"]["dpo"]["hyperparameters"]["beta"] == 0.5
    run("jobs", "follow", job["id"])


def test_webhooks_are_made_listed_and_removed():
    made = run_json("webhooks", "create", "http://127.0.0.1:9/", "--name", "mine")
    assert made["signing_secret"].startswith("whsec_")
    (listed,) = run_json("webhooks", "list")
    assert (listed["id"], len(listed["event_types"])) == (made["id"], 3)
    assert run_json("webhooks", "delete", made["id"])["deleted"] is True


def test_a_table_shows_an_id_in_one_piece(job):
    assert job in run("jobs", "list")


def test_a_job_keeps_the_settings_it_was_created_with(job):
    got = run_json("jobs", "get", job)
    assert got["seed"] == 3
    assert got["hyperparameters"]["n_epochs"] == 1
    assert got["hyperparameters"]["batch_size"] == 1


def test_events_read_from_the_oldest_to_the_newest(job):
    said = [event["message"] for event in run_json("jobs", "events", job)]
    assert said[0].startswith("Created fine-tuning job")
    assert said[-1] == "The job has successfully completed"


def test_results_are_the_rows_of_the_file(job):
    rows = run_json("jobs", "results", job)
    assert [row["step"] for row in rows] == list(range(1, 11))


def test_checkpoints_are_listed(job):
    (checkpoint,) = run_json("jobs", "checkpoints", job)
    assert checkpoint["step_number"] == 10


def test_a_tuned_model_answers_in_the_shell(job):
    model = run_json("jobs", "get", job)["fine_tuned_model"]
    said = run("chat", "-m", model, "--temperature", 0, "Does a small lie do any harm?")
    assert said.strip()


def test_cancelling_a_finished_job_is_one_clear_line(job):
    said = run("jobs", "cancel", job, code=1)
    assert said.startswith(f"Error: Job has already completed: {job}")
    assert said.count("\n") == 1


def test_following_a_failed_job_exits_with_1(tmp_path):
    path = faulty_file(tmp_path / "faulty.jsonl")
    said = run("jobs", "create", "-m", "gpt-4o", "-t", path, "--follow", code=1)
    assert "What to do" in said


def test_an_unknown_model_is_told_in_the_apis_words():
    said = run("chat", "-m", "gpt-9", "Hi", code=1)
    assert "The model `gpt-9` does not exist" in said
    assert "model_not_found" in said


def test_check_exits_with_0_for_good_data_and_1_for_bad(tmp_path):
    run("check", PROVERBS / "train.jsonl")
    faulty = faulty_file(tmp_path / "faulty.jsonl")
    assert "assitant" in run("check", faulty, code=1)
    report = run_json("check", faulty, code=1)
    assert [finding["line"] for finding in report["findings"]] == [3]


def test_wrong_use_exits_with_2(tmp_path):
    run("check", tmp_path / "absent.jsonl", code=2)
    run("jobs", "create", code=2)
    run("nonsense", code=2)


def test_env_prints_what_a_shell_can_evaluate():
    server = local_server.running()
    said = run("env", "--shell", "sh")
    assert f"export OPENAI_BASE_URL='{server.base_url}'" in said
    assert f"export OPENAI_API_KEY='{server.key}'" in said


def test_doctor_finds_this_computer_in_order():
    assert {row["result"] for row in run_json("doctor")} == {"in order"}


def test_doctor_shows_a_fault_and_exits_with_1(monkeypatch, tmp_path):
    (tmp_path / "occupied").write_text("", encoding="utf-8")
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "occupied"))
    rows = {row["what"]: row["result"] for row in run_json("doctor", code=1)}
    assert rows["Python"] == "in order"
    assert rows["workspace"] == "fault"


def test_stop_and_status_agree():
    local_server.running()
    assert run_json("status")["running"] is True
    run("stop")
    assert run_json("status", code=1)["running"] is False
    assert "does not run" in run("stop")


def test_status_names_the_api_that_connect_asks_instead(monkeypatch):
    run("stop")
    assert "connect() or `serve` starts it" in run("status", code=1)
    monkeypatch.setenv("FINETUNE_KIT_TARGET", "openai")
    assert "FINETUNE_KIT_TARGET is openai" in run("status", code=1)


@pytest.mark.parametrize("port", ["-5", "65536", "99999"])
def test_what_is_no_port_is_refused(port):
    assert "0<=x<=65535" in run("serve", "--port", port, code=2)
    command = [sys.executable, "-m", "finetune_kit.localapi", "--home", "x"]
    said = subprocess.run(
        [*command, "--port", port], cwd=ROOT, capture_output=True, text=True
    )
    assert (said.returncode, f"{port} is no port" in said.stderr) == (2, True)


@pytest.mark.skipif(os.name != "posix", reason="Windows pauses no process")
def test_a_server_that_is_paused_is_not_taken_for_absent(monkeypatch):
    server = local_server.running()
    monkeypatch.setattr(local_server, "ANSWER_SECONDS", 0.3)
    os.kill(server.pid, signal.SIGSTOP)
    try:
        for command in ("stop", "status", "files list", "serve", "env"):
            said = run(*command.split(), code=1)
            assert f"process {server.pid}) runs but does not answer" in said
            assert f"kill -CONT {server.pid}" in said
        known = run_json("status", code=1)
    finally:
        os.kill(server.pid, signal.SIGCONT)
    assert (known["running"], known["answers"]) == (True, False)
    assert known["pid"] == server.pid
    monkeypatch.undo()
    assert until(local_server.find, bool).pid == server.pid


def test_a_port_that_a_silent_stranger_took_is_no_server(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    monkeypatch.setattr(local_server, "ANSWER_SECONDS", 0.1)
    (tmp_path / "server").mkdir()
    with socket.create_server(("127.0.0.1", 0)) as silent:
        noted = {"port": silent.getsockname()[1], "pid": os.getpid()}
        note = tmp_path / "server" / "server.json"
        note.write_text(json.dumps(noted), encoding="utf-8")
        assert run_json("status", code=1)["running"] is False


def test_serve_runs_until_it_is_stopped_and_refuses_a_second(tmp_path):
    env = {**os.environ, "FINETUNE_KIT_HOME": str(tmp_path / "served")}
    command = [sys.executable, "-m", "finetune_kit.cli", "serve", "--api-key", "sk-a"]
    serving = subprocess.Popen(command, cwd=ROOT, env=env)
    before = os.environ["FINETUNE_KIT_HOME"]
    os.environ["FINETUNE_KIT_HOME"] = env["FINETUNE_KIT_HOME"]
    try:
        assert local_server._wait(local_server.find, 60)
        assert "runs already" in run("serve", code=1)
        run("stop")
        assert serving.wait(60) == 0
    finally:
        os.environ["FINETUNE_KIT_HOME"] = before
        serving.kill()


def test_reset_empties_the_workspace_after_asking(job, home):
    asked = CliRunner().invoke(main, ["reset"], input="n\n")
    assert asked.exit_code == 1
    assert run_json("jobs", "list")
    run("reset", "--yes")
    assert run_json("jobs", "list") == []
    assert run_json("files", "list") == []


def test_lab_hands_its_options_to_jupyterlab():
    command = [sys.executable, "-m", "finetune_kit.cli", "lab", "--version"]
    said = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert said.stdout.startswith("4.")


WAITING = """
import time
try:
    print("ready", flush=True)
    time.sleep(60)
except KeyboardInterrupt:
    time.sleep(1)
    print("good-bye", flush=True)
    raise SystemExit(7)
"""
HANDING_OVER = """
import sys
from types import SimpleNamespace
from finetune_kit.cli import foreground as module
if sys.argv[1] == "nt":
    module.os = SimpleNamespace(name="nt")
module.foreground([sys.executable, "-c", sys.argv[2]])
"""


@pytest.mark.skipif(
    os.name != "posix", reason="presses Ctrl-C as a terminal there does"
)
@pytest.mark.parametrize("system", ["posix", "nt"])
def test_ctrl_c_lets_the_program_in_the_foreground_end_by_itself(system):
    command = [sys.executable, "-c", HANDING_OVER, system, WAITING]
    options = {
        "stdout": subprocess.PIPE,
        "text": True,
        "start_new_session": True,
        # a shell that starts the tests in the background has it ignored
        "preexec_fn": partial(signal.signal, signal.SIGINT, signal.SIG_DFL),
    }
    with subprocess.Popen(command, cwd=ROOT, **options) as running:
        assert running.stdout.readline() == "ready\n"
        os.killpg(running.pid, signal.SIGINT)
        assert running.communicate(timeout=60)[0] == "good-bye\n"
    assert running.returncode == 7


def test_lab_outside_the_course_says_where_to_go(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert "Go into the folder of finetune-kit" in run("lab", code=1)


def test_chat_gives_the_likeliest_answer_each_time_unless_asked_otherwise():
    said = {
        run("chat", "-m", "gpt-4o-mini", "What helps against anger?") for _ in "123"
    }
    assert len(said) == 1


@pytest.mark.skipif(os.name != "posix", reason="Windows has no SIGTERM")
def test_serve_takes_the_server_with_it_when_it_is_ended(tmp_path, monkeypatch):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path / "served"))
    command = [sys.executable, "-m", "finetune_kit.cli", "serve"]
    serving = subprocess.Popen(command, cwd=ROOT)
    server = until(local_server.find, bool)
    assert server.pid == serving.pid
    serving.terminate()
    assert serving.wait(60) == 0
    assert local_server.find() is None


@pytest.fixture
def original(tmp_path, monkeypatch):
    """A workspace of its own with one file in it, whose server runs."""
    path = tmp_path / "original"
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(path))
    run("files", "create", PROVERBS / "train.jsonl")
    yield path
    if local_server.find():
        run("stop")


def test_a_copy_of_a_workspace_has_a_server_of_its_own(original, monkeypatch):
    copied = original.with_name("copied")
    shutil.copytree(original, copied)
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(copied))
    assert run_json("status", code=1)["running"] is False
    run("reset", "--yes")
    run("stop")
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(original))
    assert len(run_json("files", "list")) == 1


def test_a_workspace_that_was_moved_gets_a_server_that_writes_there(
    original, monkeypatch
):
    moved = original.with_name("moved")
    original.rename(moved)
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(moved))
    run("files", "create", PROVERBS / "validation.jsonl")
    assert len(run_json("files", "list")) == 2
    assert not original.exists()


def test_a_server_that_was_killed_is_not_called(tmp_path, monkeypatch):
    """Windows takes 2 s to find out that nobody listens, each time."""
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    (tmp_path / "server").mkdir()
    note = json.dumps({"port": 1, "pid": 1, "host": "127.0.0.1"})
    (tmp_path / "server" / "server.json").write_text(note, "utf-8")
    monkeypatch.setattr(local_server, "_call", lambda *_: pytest.fail("called"))
    assert local_server.find() is None


def test_a_stopped_server_has_ended(tmp_path, monkeypatch):
    """Windows removes no workspace whose files it still has open."""
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    server = local_server.running()
    local_server.stop(server)
    assert not local_server._is_served(server.folder)


@pytest.mark.parametrize("noted", ["[]", "{}", "null", '{"port": "x", "pid": 1}'])
def test_a_note_of_the_server_that_says_nothing_is_no_server(
    tmp_path, monkeypatch, noted
):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    (tmp_path / "server").mkdir()
    (tmp_path / "server" / "server.json").write_text(noted, "utf-8")
    assert run_json("status", code=1)["running"] is False
