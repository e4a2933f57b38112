"""start.py sets up once, says what is missing, and hands over to the package."""

from __future__ import annotations

import importlib.util
import os
import shutil
import subprocess
import sys
import sysconfig
from pathlib import Path
from types import ModuleType, SimpleNamespace

import pytest

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A checkout without environment, in a folder with a space and an umlaut."""
    copy = tmp_path / "mein Ordner ü"
    copy.mkdir()
    needed = ["start.py", "pyproject.toml", "requirements.lock"]
    for name in [*needed, "requirements-test.lock"]:
        shutil.copy(ROOT / name, copy)
    return copy


@pytest.fixture
def start(folder: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location("start", folder / "start.py")
    assert spec
    assert spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def installs(start: ModuleType, monkeypatch: pytest.MonkeyPatch) -> list[list[str]]:
    """The installations that are asked for, instead of carrying them out."""
    asked: list[list[str]] = []

    def make() -> None:
        start.PYTHON.parent.mkdir(parents=True)
        start.PYTHON.touch()

    monkeypatch.setattr(start, "make_environment", make)
    monkeypatch.setattr(start, "has_this_python", lambda: start.PYTHON.exists())
    monkeypatch.setattr(start, "install", asked.append)
    return asked


def run_with(folder: Path, change: str) -> subprocess.CompletedProcess[str]:
    """Run start.py in a Python that is changed by a line of code first."""
    code = f"import sys, runpy, importlib.util\n{change}\n"
    code += "sys.argv = ['start.py']\nrunpy.run_path('start.py', run_name='__main__')"
    command = [sys.executable, "-c", code]
    return subprocess.run(
        command, cwd=folder, capture_output=True, text=True, encoding="utf-8"
    )


def test_an_old_python_is_told_what_to_do(folder: Path):
    ran = run_with(folder, "sys.version_info = (3, 10, 4)")
    assert ran.returncode == 1
    assert "needs Python 3.11 or newer" in ran.stderr
    assert "Traceback" not in ran.stderr
    assert not (folder / ".venv").exists()


def test_a_python_without_ensurepip_is_told_what_to_install(folder: Path):
    ran = run_with(folder, "importlib.util.find_spec = lambda name: None")
    assert ran.returncode == 1
    assert "sudo apt install python3-venv" in ran.stderr
    assert "Traceback" not in ran.stderr


def test_what_a_console_cannot_show_is_replaced(folder: Path):
    command = [sys.executable, "start.py", "--help"]
    env = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "ascii"}
    ran = subprocess.run(command, cwd=folder, env=env, capture_output=True, text=True)
    assert ran.returncode == 0, ran.stderr
    assert "start.py run ?" in ran.stdout


def test_the_lock_and_the_package_are_installed_in_two_calls(
    start: ModuleType, installs: list[list[str]]
):
    start.set_up(start.LOCK)
    lock, package = installs
    assert lock[:2] == ["--require-hashes", "-r"]
    assert lock[2].endswith("requirements.lock")
    assert package[-2:] == ["-e", str(start.ROOT)]


def test_a_second_run_installs_nothing(start: ModuleType, installs: list[list[str]]):
    start.set_up(start.LOCK)
    installs.clear()
    start.set_up(start.LOCK)
    assert installs == []


def test_what_the_tests_need_is_enough_for_the_course(
    start: ModuleType, installs: list[list[str]]
):
    start.set_up(start.TEST_LOCK)
    installs.clear()
    start.set_up(start.LOCK)
    start.set_up(start.TEST_LOCK)
    assert installs == []


@pytest.mark.parametrize("name", ["requirements.lock", "pyproject.toml"])
def test_a_changed_lock_or_package_is_installed_anew(
    start: ModuleType, installs: list[list[str]], name: str
):
    start.set_up(start.LOCK)
    installs.clear()
    with (start.ROOT / name).open("a", encoding="utf-8") as file:
        file.write("# changed\n")
    start.set_up(start.LOCK)
    assert len(installs) == 2


def test_a_failed_installation_is_tried_again(
    start: ModuleType, installs: list[list[str]], monkeypatch: pytest.MonkeyPatch
):
    def fail(what: list[str]) -> None:
        raise start.SetupError("no network")

    with monkeypatch.context() as broken:
        broken.setattr(start, "install", fail)
        with pytest.raises(start.SetupError):
            start.set_up(start.LOCK)
    start.set_up(start.LOCK)
    assert len(installs) == 2


@pytest.mark.parametrize(
    ("uv", "status", "tools"),
    [(None, 0, ["pip"]), ("uv", 0, ["uv"]), ("uv", 2, ["uv", "pip"])],
)
def test_uv_is_used_where_it_is_and_pip_where_it_is_not_or_fails(
    start: ModuleType,
    monkeypatch: pytest.MonkeyPatch,
    uv: str | None,
    status: int,
    tools: list[str],
):
    used: list[str] = []

    def run(command: list[str], **_: object) -> SimpleNamespace:
        used.append("uv" if command[0] == "uv" else "pip")
        assert "--no-deps" in command
        return SimpleNamespace(returncode=status if command[0] == "uv" else 0)

    monkeypatch.setattr(start.shutil, "which", lambda name: uv)
    monkeypatch.setattr(start.subprocess, "run", run)
    start.install(["-r", "requirements.lock"])
    assert used == tools


def test_windows_for_arm_is_told_which_python_to_take(
    start: ModuleType, monkeypatch: pytest.MonkeyPatch
):
    """tiktoken is built for every system of ours but this one."""
    failed = SimpleNamespace(returncode=1)
    monkeypatch.setattr(start.shutil, "which", lambda name: None)
    monkeypatch.setattr(start.subprocess, "run", lambda *_, **__: failed)
    monkeypatch.setattr(sysconfig, "get_platform", lambda: "win-arm64")
    with pytest.raises(start.SetupError, match="Python for Intel and AMD"):
        start.install(["-r", "requirements.lock"])


@pytest.mark.parametrize(
    ("words", "arguments"),
    [
        ([], ["-m", "finetune_kit.cli", "lab"]),
        (["run", "-p", "n_epochs", "1"],
         ["-m", "finetune_kit.cli", "run", "-p", "n_epochs", "1"]),
        (["test", "-k", "check"], ["-m", "pytest", "-k", "check"]),
    ],
)  # fmt: skip
def test_the_words_lead_to_the_course_the_runs_and_the_tests(
    start: ModuleType,
    installs: list[list[str]],
    monkeypatch: pytest.MonkeyPatch,
    words: list[str],
    arguments: list[str],
):
    handed: list[list[str]] = []
    monkeypatch.setattr(start, "hand_over", lambda a: handed.append(a) or 0)
    monkeypatch.setattr(start.os, "chdir", lambda path: None)
    assert start.main(words) == 0
    assert handed == [arguments]
