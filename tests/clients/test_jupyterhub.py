"""The recipe of docs/jupyterhub.md, done: a hub, two learners, one server."""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import sysconfig
import time
import uuid
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import pytest

from finetune_kit import key_file
from tests.clients.conftest import ROOT, WINDOWS, install, tool

pytestmark = [pytest.mark.clients, pytest.mark.slow]

PASSWORD, TOKEN = "a-password-for-tests", "a-token-for-tests"
LEARNERS, NOTEBOOKS = ("anna", "ben"), ("00_start_here", "06_create_a_job")
START_SECONDS = 180  # on a busy machine
EXTRA = f"""
c.JupyterHub.hub_port = {{hub}}
c.ConfigurableHTTPProxy.api_url = "http://127.0.0.1:{{proxy}}"
c.ConfigurableHTTPProxy.command = {{command!r}}
c.JupyterHub.db_url = "sqlite:///{{folder}}/hub.sqlite"
c.JupyterHub.cookie_secret_file = "{{folder}}/cookie"
c.JupyterHub.services = [{{{{"name": "tests", "api_token": "{TOKEN}"}}}}]
role = {{{{"name": "testers", "services": ["tests"]}}}}
role["scopes"] = ["admin:users", "admin:servers", "access:servers"]
c.JupyterHub.load_roles = [role]
c.Spawner.http_timeout = {START_SECONDS}
c.Spawner.args = {{arguments}}
"""
#: What a learner's notebook does; the answer is its last line, as JSON.
CELL = """
import json, os
import finetune_kit as kit

client = kit.connect()
rows = "../data/proverbs/train.jsonl"
lines = open(rows, encoding="utf-8").readlines()[:12]
file = client.files.create(
    file=("mine.jsonl", "".join(lines).encode()), purpose="fine-tune"
)
job = client.fine_tuning.jobs.create(model="gpt-4o-mini", training_file=file.id)
job = kit.follow(client, job)
jobs = [one.id for one in client.fine_tuning.jobs.list()]
print("ANSWER" + json.dumps([job.id, job.status, jobs, str(client.base_url)]))
"""


class Hub(NamedTuple):
    """A running hub, and the class's server behind it."""

    url: str
    server: str  # the class's, without /v1
    home: Path

    def api(self, method: str, path: str, **more: Any) -> httpx.Response:
        headers = {"Authorization": f"token {TOKEN}"}
        return httpx.request(
            method,
            f"{self.url}{path}",
            headers=headers,
            trust_env=False,
            timeout=60,
            **more,
        )

    def is_ready(self, name: str) -> bool:
        """Does the notebook server of that learner run?"""
        servers = self.api("GET", f"/hub/api/users/{name}").json()["servers"]
        return bool(servers.get("", {}).get("ready"))


def free_ports(count: int) -> list[int]:
    opened = [socket.socket() for _ in range(count)]
    for each in opened:
        each.bind(("127.0.0.1", 0))
    ports = [each.getsockname()[1] for each in opened]
    for each in opened:
        each.close()
    return ports


@pytest.fixture(scope="module")
def hub(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Hub]:
    if WINDOWS:
        pytest.skip("JupyterHub does not run on Windows")
    npm = tool("npm")
    folder = tmp_path_factory.mktemp("hub")
    install([npm, "install", "--prefix", str(folder), "configurable-http-proxy"])
    python = _hub_environment(folder)
    public, api, proxy, port = free_ports(4)
    names, home = folder / "names.txt", folder / "class"
    names.write_text("\n".join([*LEARNERS, "teacher"]), encoding="utf-8")
    words = ["class", "--learners", names, "--home", home, "--port", port]
    command = folder / "node_modules/.bin/configurable-http-proxy"
    settings = EXTRA.format(
        hub=api,
        proxy=proxy,
        folder=folder,
        command=[str(command)],
        arguments=["--allow-root"] if os.geteuid() == 0 else [],
    )
    config = folder / "config.py"
    recipe = ROOT / "docs" / "jupyterhub_config.py"
    config.write_text(f"load_subconfig({str(recipe)!r})\n{settings}", encoding="utf-8")
    environment = os.environ | {
        "CLASS_HOME": str(home),
        "CLASS_SERVER": f"http://127.0.0.1:{port}/v1",
        "CLASS_HUB": f"http://127.0.0.1:{public}",
        "CLASS_PASSWORD": PASSWORD,
        "PYTHONPATH": str(ROOT),
        "PATH": f"{python.parent}{os.pathsep}{os.environ['PATH']}",
    }
    opened = Hub(f"http://127.0.0.1:{public}", f"http://127.0.0.1:{port}", home)
    log = (folder / "hub.log").open("wb")
    class_ = [sys.executable, "-m", "finetune_kit.cli", *map(str, words)]
    hub_ = [str(python), "-m", "jupyterhub", "-f", str(config)]
    started = []
    try:
        for command_, url in ((class_, opened.server + "/healthz"), (hub_, None)):
            started.append(
                subprocess.Popen(
                    command_, cwd=folder, env=environment, stdout=log, stderr=log
                )
            )
            _wait(url or f"{opened.url}/hub/health", folder / "hub.log")
        yield opened
        for name in (*LEARNERS, "teacher"):
            opened.api("DELETE", f"/hub/api/users/{name}/server")
    finally:
        _stop_class(home)
        for process in started:
            process.terminate()
        for process in started:
            process.wait(60)
        log.close()


def _hub_environment(folder: Path) -> Path:
    """A Python that has JupyterHub, and finds the kit's packages where they are."""
    environment = folder / "venv"
    subprocess.run([sys.executable, "-m", "venv", environment], check=True)
    python = environment / "bin" / "python"
    packages = ["jupyterhub", "jupyterlab", "jupyter-server-proxy"]
    if uv := shutil.which("uv"):
        install([uv, "pip", "install", "--python", str(python), *packages])
    else:
        install([str(python), "-m", "pip", "install", "--quiet", *packages])
    (site,) = environment.glob("lib/python*/site-packages")
    kit = sysconfig.get_paths()["purelib"]
    (site / "kit.pth").write_text(f"{kit}\n", encoding="utf-8")
    return python


def _wait(url: str, log: Path) -> None:
    deadline = time.monotonic() + START_SECONDS
    while time.monotonic() < deadline:
        try:
            if httpx.get(url, trust_env=False).status_code == 200:
                return
        except httpx.HTTPError:
            pass
        time.sleep(0.5)
    raise AssertionError(f"{url} does not answer:\n{log.read_text('utf-8')}")


def _stop_class(home: Path) -> None:
    words = [sys.executable, "-m", "finetune_kit.cli", "stop", "--home", str(home)]
    subprocess.run(words, check=False, cwd=ROOT, capture_output=True)


def start_server(hub: Hub, name: str) -> None:
    """Sign in by the hub's form and start the learner's notebook server."""
    with httpx.Client(
        base_url=hub.url, trust_env=False, timeout=60, follow_redirects=True
    ) as browser:
        form = browser.get("/hub/login").text
        token = re.search(r'name="_xsrf"\s+value="([^"]+)"', form)
        assert token, form
        sent = {"username": name, "password": PASSWORD, "_xsrf": token[1]}
        assert "Invalid username" not in browser.post("/hub/login", data=sent).text
        browser.get("/hub/spawn")
    deadline = time.monotonic() + START_SECONDS
    while (
        not hub.api("GET", f"/hub/api/users/{name}")
        .json()["servers"]
        .get("", {})
        .get("ready")
    ):
        assert time.monotonic() < deadline, f"the server of {name} does not start"
        time.sleep(0.5)


def run_cell(hub: Hub, name: str, notebook: str) -> Any:
    """What `CELL` answers in a kernel of that learner's notebook."""
    import websocket

    asked = {
        "path": f"notebooks/{notebook}.ipynb",
        "name": notebook,
        "type": "notebook",
        "kernel": {"name": "python3"},
    }
    session = hub.api("POST", f"/user/{name}/api/sessions", json=asked).json()
    kernel = session["kernel"]["id"]
    address = hub.url.replace("http", "ws", 1)
    socket_ = websocket.create_connection(
        f"{address}/user/{name}/api/kernels/{kernel}/channels",
        header=[f"Authorization: token {TOKEN}"],
        timeout=START_SECONDS,
    )
    content = {"code": CELL, "silent": False, "store_history": True}
    header = {"msg_id": uuid.uuid4().hex, "msg_type": "execute_request"}
    header |= {"username": name, "session": uuid.uuid4().hex, "version": "5.3"}
    message = {"header": header, "parent_header": {}, "metadata": {}}
    socket_.send(json.dumps(message | {"content": content, "channel": "shell"}))
    printed = ""
    try:
        while True:
            reply = json.loads(socket_.recv())
            if reply["msg_type"] == "stream":
                printed += reply["content"]["text"]
            elif reply["msg_type"] == "error":
                raise AssertionError("\n".join(reply["content"]["traceback"]))
            elif reply["msg_type"] == "execute_reply":
                break
    finally:
        socket_.close()
    return json.loads(printed.rpartition("ANSWER")[2])


def test_two_learners_of_a_hub_train_on_one_server_each_with_their_own_key(hub: Hub):
    seen = {}
    for name, notebook in zip(LEARNERS, NOTEBOOKS, strict=True):
        start_server(hub, name)
        seen[name] = run_cell(hub, name, notebook)
    for name in LEARNERS:
        job, status, jobs, url = seen[name]
        assert status == "succeeded"
        assert jobs == [job]  # and not the other learner's
        assert url == f"{hub.server}/v1/"
        copied = hub.home / "learners" / name / "course" / "notebooks"
        assert (copied / "00_start_here.ipynb").is_file()


def test_the_instructor_sees_the_class_through_the_hub(hub: Hub):
    start_server(hub, "teacher")
    port = hub.server.rpartition(":")[2]
    (key,) = key_file.read(hub.home / "class" / "instructor-key.txt")
    with httpx.Client(
        base_url=f"{hub.url}/user/teacher/proxy/{port}",
        headers={"Authorization": f"token {TOKEN}"},
        trust_env=False,
        timeout=60,
        follow_redirects=True,
    ) as browser:
        assert "Instructor's key" in browser.get("/class").text
        page = browser.post("/class", data={"key": key.value})
        assert page.url.path == f"/user/teacher/proxy/{port}/class"
        for said in (*LEARNERS, *NOTEBOOKS, "succeeded"):
            assert said in page.text
        assert "Sign in" in browser.post("/class", data={"leave": "1"}).text
