"""Clients in other languages: node, Ruby, the shell's curl; and the command line that
came with openai 1 and 2."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from tests.clients.conftest import OPENAI_1, OPENAI_2_CLI, films, pointed, run, tool
from tests.localapi.running import FIRST_KEY, RunningServer, chat_rows, jsonl, until

pytestmark = pytest.mark.clients
HERE = Path(__file__).parent


@pytest.fixture(scope="module")
def chats(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("data") / "chats.jsonl"
    path.write_bytes(jsonl(chat_rows(12)))
    return path


def test_the_npm_package(npm_folder: Path, server: RunningServer, chats: Path) -> None:
    script = shutil.copy(HERE / "flow.mjs", npm_folder)
    said = run([tool("node"), script, chats], server)
    assert said == "the core flow works with npm openai\n"


def test_ruby_with_the_requests_of_the_gem_of_2023(
    server: RunningServer, tmp_path: Path
) -> None:
    data = films(tmp_path / "training.jsonl")
    said = run([tool("ruby"), HERE / "flow_2023.rb", data], server)
    assert said == "the flow of 2023 works with ruby\n"


class Curl:
    """curl with the key; replies are JSON."""

    def __init__(self, server: RunningServer) -> None:
        self.program, self.server = tool("curl"), server

    def text(self, path: str, *options: str) -> str:
        key = f"Authorization: Bearer {FIRST_KEY}"
        url = f"{self.server.origin}/v1{path}"
        return run([self.program, "-sS", "-N", url, "-H", key, *options], self.server)

    def __call__(self, path: str, *options: str) -> Any:
        return json.loads(self.text(path, *options))

    def post(self, path: str, **body: Any) -> Any:
        sent = ["-H", "Content-Type: application/json", "-d", json.dumps(body)]
        return self(path, *sent)


def test_curl_walks_through_both_apis(
    server: RunningServer, chats: Path, tmp_path: Path
) -> None:
    curl = Curl(server)
    form = ["-F", "purpose=fine-tune", "-F"]
    file = curl("/files", *form, f"file=@{chats}")
    job = curl.post("/fine_tuning/jobs", model="gpt-4o-mini", training_file=file["id"])
    seen = until(
        lambda: curl(f"/fine_tuning/jobs/{job['id']}"),
        lambda job: job["status"] == "succeeded",
        seconds=120,
    )
    message = {"role": "user", "content": "What about question 7?"}
    asked = {"model": seen["fine_tuned_model"], "messages": [message]}
    whole = curl.post("/chat/completions", **asked)
    assert whole["choices"][0]["message"]["content"]
    body = json.dumps({**asked, "stream": True})
    json_type = ["-H", "Content-Type: application/json", "-d"]
    lines = curl.text("/chat/completions", *json_type, body).split("\n\n")
    assert lines[-2] == "data: [DONE]"

    old_file = curl("/files", *form, f"file=@{films(tmp_path / 'films.jsonl')}")
    old = curl.post("/fine-tunes", training_file=old_file["id"], n_epochs=1)
    stream = curl.text(f"/fine-tunes/{old['id']}/events?stream=true").split("\n\n")
    told = [json.loads(line.removeprefix("data: ")) for line in stream[:-2]]
    assert stream[-2] == "data: [DONE]"
    assert told[-1]["message"] == "Fine-tune succeeded"
    assert curl(f"/fine-tunes/{old['id']}")["events"] == told
    assert curl("/fine_tuning/jobs/none")["error"]["code"] == "fine_tune_not_found"


@pytest.mark.slow
@pytest.mark.parametrize("requirement", [OPENAI_1, OPENAI_2_CLI])
def test_the_command_line_of_openai_1_and_2(
    python_with: Callable[[str], Path],
    server: RunningServer,
    chats: Path,
    tmp_path: Path,
    requirement: str,
) -> None:
    python = python_with(requirement)
    program = python.with_name("openai.exe" if os.name == "nt" else "openai")

    def api(*arguments: str) -> Any:
        done = subprocess.run(
            [str(program), "api", *arguments],
            env=pointed(server),
            capture_output=True,
            encoding="utf-8",
            timeout=120,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)

    file = api("files.create", "-f", str(chats), "-p", "fine-tune")
    create = ["fine_tuning.jobs.create", "-m", "gpt-4o-mini", "-F", file["id"]]
    job = api(*create)
    assert job["status"] == "validating_files"
    seen = until(
        lambda: api("fine_tuning.jobs.retrieve", "-i", job["id"]),
        lambda job: job["status"] == "succeeded",
        seconds=120,
    )
    told = api("fine_tuning.jobs.list_events", "-i", job["id"])
    assert told["data"][0]["message"] == "The job has successfully completed"
    assert seen["id"] in [each["id"] for each in api("fine_tuning.jobs.list")["data"]]
    # The program takes seconds to start: a job that is still there when it has.
    (tmp_path / "many.jsonl").write_bytes(jsonl(chat_rows(400)))
    many = api("files.create", "-f", str(tmp_path / "many.jsonl"), "-p", "fine-tune")
    epochs = json.dumps({"n_epochs": 50})
    create = ["fine_tuning.jobs.create", "-m", "gpt-4o-mini", "-F", many["id"]]
    other = api(*create, "-H", epochs)
    cancelled = api("fine_tuning.jobs.cancel", "-i", other["id"])
    assert cancelled["status"] == "cancelled"
