"""The environment of another openai: made once, skipped where it cannot be."""

from __future__ import annotations

import shutil
import subprocess
import sys
import venv
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.localapi.running import RunningServer

OPENAI_2 = "openai==2.54.0"


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningServer]:
    """The real server with the real engine."""
    running = RunningServer(tmp_path_factory.mktemp("home")).start()
    try:
        yield running
    finally:
        running.end()


@pytest.fixture(scope="session")
def openai_2(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The Python of a virtual environment that holds openai 2 and nothing of ours."""
    folder = tmp_path_factory.mktemp("openai 2") / "venv"
    windows = sys.platform == "win32"
    python = folder / ("Scripts/python.exe" if windows else "bin/python")
    try:
        venv.create(folder)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no virtual environment can be made here: {error}")
    if uv := shutil.which("uv"):
        install([uv, "pip", "install", "--python", str(python), OPENAI_2])
    else:
        pip = [sys.executable, "-m", "pip", "--python", str(python), "install"]
        # most of its 2,000 modules are never imported: compile those that are
        options = ["--no-compile", "--disable-pip-version-check", "--retries", "1"]
        install([*pip, *options, OPENAI_2])
    return python


def install(command: list[str]) -> None:
    done = subprocess.run(command, capture_output=True, text=True, errors="replace")
    if done.returncode != 0:
        reason = (done.stderr.strip().splitlines() or ["no reason given"])[-1]
        pytest.skip(f"{OPENAI_2} cannot be installed here: {reason}")
