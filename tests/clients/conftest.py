"""Foreign clients: each is installed once from its registry, skipped where it cannot
be had."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import venv
from collections.abc import Callable, Iterator
from functools import cache
from pathlib import Path

import pytest

from tests.localapi.running import FIRST_KEY, RunningServer, jsonl

ROOT = Path(__file__).resolve().parents[2]
OPENAI_0 = "openai==0.28.1"  # the last one of the 2023 API, with its command line
OPENAI_1 = "openai==1.109.1"
OPENAI_2 = "openai==2.54.0"
OPENAI_2_CLI = "openai==2.34.0"  # the last one with a command line
NPM_OPENAI = "openai@6.49.0"
WINDOWS = sys.platform == "win32"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real server with the real engine."""
    running = RunningServer(tmp_path_factory.mktemp("home")).start()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def python_with(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[str], Path]:
    """The Python of a virtual environment that holds a package, and nothing of ours."""

    @cache
    def made(requirement: str) -> Path:
        folder = tmp_path_factory.mktemp(requirement) / "venv"
        python = folder / ("Scripts/python.exe" if WINDOWS else "bin/python")
        try:
            venv.create(folder)
        except (OSError, subprocess.CalledProcessError) as error:
            pytest.skip(f"no virtual environment can be made here: {error}")
        if uv := shutil.which("uv"):
            install([uv, "pip", "install", "--python", str(python), requirement])
        else:
            pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
            # most of its 2,000 modules are never imported: compile those that are
            options = ["--no-compile", "--disable-pip-version-check", "--retries", "1"]
            install([*pip, *options, requirement])
        return python

    return made


@pytest.fixture(scope="session")
def openai_2(python_with: Callable[[str], Path]) -> Path:
    return python_with(OPENAI_2)


@pytest.fixture(scope="session")
def npm_folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder in which node finds the npm package `openai`."""
    tool("node")
    folder = tmp_path_factory.mktemp("npm")
    install([tool("npm"), "install", "--prefix", str(folder), NPM_OPENAI])
    return folder


def tool(name: str) -> str:
    """The path of a program; the test is skipped where it is missing."""
    found = shutil.which(name)
    if found is None:
        pytest.skip(f"{name} is not installed")
    return found


def install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{command[-1]} cannot be installed here: {reason}")


def pointed(server: RunningServer) -> dict[str, str]:
    """The environment of a client that is pointed at the server, as
    `finetune-kit env` prints it."""
    url = f"{server.origin}/v1"
    return {
        **os.environ,
        "OPENAI_BASE_URL": url,
        "OPENAI_API_BASE": url,
        "OPENAI_API_KEY": FIRST_KEY,
        "NO_PROXY": "*",
        "PYTHONUTF8": "1",
    }


def run(command: list[str | Path], server: RunningServer, stdin: str = "") -> str:
    """What a client printed; it must end well."""
    done = subprocess.run(
        [str(part) for part in command],
        env=pointed(server),
        cwd=ROOT,
        input=stdin,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout
    return done.stdout


def films(path: Path, rows: int = 12) -> Path:
    """A file of prompts and completions."""
    words = (" bad", " good")
    listed = [
        {"prompt": f"Film {i} ->", "completion": words[i % 2]} for i in range(rows)
    ]
    path.write_bytes(jsonl(listed))
    return path
