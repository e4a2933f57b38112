"""JupyterLab in a real browser, in a workspace of its own; pictures are kept."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.learner import ROOT, fresh_home

BROWSERS = ("chromium", "chromium-browser", "google-chrome", "chrome")
FLAGS = [
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]
TOKEN = "browser-tests"
PICTURES = pytest.StashKey[Path]()
START_SECONDS = 120  # on a busy machine
JUPYTER_FOLDERS = (
    "JUPYTER_CONFIG_DIR",
    "JUPYTER_DATA_DIR",
    "JUPYTER_RUNTIME_DIR",
    "JUPYTERLAB_SETTINGS_DIR",
    "JUPYTERLAB_WORKSPACES_DIR",
    "IPYTHONDIR",
)


class Lab:
    """A JupyterLab that runs in ``folder``, which looks like a checkout."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.notebooks = folder / "checkout" / "notebooks"
        self.notebooks.mkdir(parents=True)
        shutil.copytree(ROOT / "data", folder / "checkout" / "data")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            self.port = free.getsockname()[1]
        self.set("notification", fetchNews="false", checkForUpdates=False)

    def set(self, name: str, **values: object) -> None:
        """Write settings of JupyterLab; a page that is loaded anew has them."""
        folder = self.folder / "JUPYTERLAB_SETTINGS_DIR/@jupyterlab/apputils-extension"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{name}.jupyterlab-settings"
        path.write_text(json.dumps(values), encoding="utf-8")

    def theme(self, name: str) -> None:
        self.set("themes", theme=f"JupyterLab {name}")

    def put(self, notebook: Path) -> str:
        """Copy a notebook into the folder of notebooks; its address in the Lab."""
        shutil.copy(notebook, self.notebooks)
        return self.address(notebook)

    def address(self, notebook: Path) -> str:
        place = f"127.0.0.1:{self.port}/lab/tree/notebooks/{notebook.name}"
        return f"http://{place}?token={TOKEN}&reset"

    def start(self) -> subprocess.Popen[bytes]:
        options = [
            "--ServerApp.ip=127.0.0.1",
            f"--ServerApp.port={self.port}",
            "--ServerApp.port_retries=0",
            f"--ServerApp.root_dir={self.folder / 'checkout'}",
            f"--IdentityProvider.token={TOKEN}",
        ]
        folders = {name: str(self.folder / name) for name in JUPYTER_FOLDERS}
        path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")])
        log = (self.folder / "lab.log").open("wb")
        with log:
            return subprocess.Popen(
                [
                    *(sys.executable, "-m", "jupyterlab", "--no-browser"),
                    *(["--allow-root"] if _is_root() else []),
                    *options,
                ],
                env={**os.environ, **folders, "PYTHONPATH": path},
                stdout=log,
                stderr=subprocess.STDOUT,
            )

    def wait(self) -> None:
        deadline = time.monotonic() + START_SECONDS
        while time.monotonic() < deadline:
            try:
                urllib.request.urlopen(f"http://127.0.0.1:{self.port}/api").close()
            except OSError:
                time.sleep(0.2)
            else:
                return
        raise AssertionError((self.folder / "lab.log").read_text(encoding="utf-8"))


def _is_root() -> bool:
    return hasattr(os, "geteuid") and os.geteuid() == 0


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A running JupyterLab, with live progress: as for learners."""
    folder = tmp_path_factory.mktemp("lab")
    with fresh_home(folder / "ws"):
        del os.environ["FINETUNE_KIT_DETERMINISTIC"]
        lab = Lab(folder)
        process = lab.start()
        try:
            lab.wait()
            yield lab
        finally:
            process.terminate()
            process.wait(START_SECONDS)


@pytest.fixture(scope="module")
def browser():
    """Chromium, as the system has it."""
    playwright = pytest.importorskip("playwright.sync_api")
    found = next(filter(None, map(shutil.which, BROWSERS)), None)
    if found is None:
        pytest.skip(f"none of {', '.join(BROWSERS)} is installed")
    with playwright.sync_playwright() as driver:
        opened = driver.chromium.launch(executable_path=found, args=FLAGS)
        yield opened
        opened.close()


@pytest.fixture(scope="session")
def pictures(
    tmp_path_factory: pytest.TempPathFactory, request: pytest.FixtureRequest
) -> Path:
    """Where screenshots are kept, to be looked at; the path is printed at the end."""
    folder = tmp_path_factory.mktemp("pictures")
    request.config.stash[PICTURES] = folder
    return folder


def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, config: pytest.Config
) -> None:
    if folder := config.stash.get(PICTURES, None):
        terminalreporter.write_line(f"screenshots: {folder}")
