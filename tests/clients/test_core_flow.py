"""The core flow under the openai that is installed, and under another major version."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.clients.conftest import OPENAI_1, OPENAI_2
from tests.learner import fresh_home
from tests.localapi.running import FIRST_KEY, RunningServer

ROOT = Path(__file__).resolve().parents[2]
CORE_FLOW = Path(__file__).with_name("core_flow.py")
NUMBER_2 = OPENAI_2.partition("==")[2]
CONNECTED = "import core_flow, finetune_kit; core_flow.walk(finetune_kit.connect())"


def run(python: Path | str, *arguments: str | Path, **environment: str) -> str:
    done = subprocess.run(
        [str(python), *map(str, arguments)],
        env={**os.environ, **environment},
        cwd=ROOT,
        capture_output=True,
        encoding="utf-8",
        timeout=240,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


def test_the_core_flow_under_the_installed_openai(server: RunningServer) -> None:
    said = run(sys.executable, CORE_FLOW, f"{server.origin}/v1", FIRST_KEY)
    assert said == f"the core flow works with openai {version('openai')}\n"


@pytest.mark.clients
@pytest.mark.parametrize("requirement", [OPENAI_1, OPENAI_2])
def test_the_core_flow_under_an_older_openai(
    server: RunningServer, python_with: Callable[[str], Path], requirement: str
) -> None:
    python = python_with(requirement)
    said = run(python, CORE_FLOW, f"{server.origin}/v1", FIRST_KEY)
    number = requirement.partition("==")[2]
    assert said == f"the core flow works with openai {number}\n"


@pytest.mark.clients
def test_connect_and_the_server_that_it_starts_run_on_openai_2(
    tmp_path: Path, openai_2: Path
) -> None:
    """The packages of the environment with openai 2 stand before the installed ones."""
    where = "import sysconfig; print(sysconfig.get_path('purelib'))"
    packages = run(openai_2, "-c", where).strip()
    paths = os.pathsep.join([packages, str(CORE_FLOW.parent), str(ROOT)])
    said = f"import openai; assert openai.__version__ == {NUMBER_2!r}; {CONNECTED}"
    with fresh_home(tmp_path):
        run(sys.executable, "-c", said, PYTHONPATH=paths)
