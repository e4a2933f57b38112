"""What the server hands to workers, and how."""

import ctypes
import json
import os
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import pytest

from finetune_kit import local_server
from finetune_kit.localapi import processes
from finetune_kit.localapi.runner import LocalRunner, write_json
from tests.localapi.running import until

SLEEPER = "import time; print('here', flush=True); time.sleep(600)"


def test_a_new_server_knows_the_workers_that_an_earlier_one_left(tmp_path):
    """Else a job that is paused, and resumed after a restart, has two workers."""
    (tmp_path / "ftjob-1").mkdir()
    (tmp_path / "ftjob-1" / "worker.pid").write_text("1", encoding="utf-8")
    earlier = LocalRunner(tmp_path, (sys.executable, "-c", SLEEPER))
    earlier.submit("ftjob-1")
    until(lambda: earlier.complaint("ftjob-1"), bool)  # what it printed
    assert not (tmp_path / "ftjob-1" / "worker.pid").exists()  # of one before it
    later = LocalRunner(tmp_path)
    assert later.at_work() == {"ftjob-1"}
    later.stop("ftjob-1", save=False)
    until(earlier.at_work, lambda seen: not seen)


def test_two_threads_may_order_the_same_at_once(tmp_path):
    """The request that pauses a job, and the job thread that sees it paused."""
    path = tmp_path / "stop.json"

    def order(number):
        write_json(path, {"number": number})

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(order, range(400)))
    assert json.loads(path.read_text(encoding="utf-8"))["number"] in range(400)
    assert [each.name for each in tmp_path.iterdir()] == ["stop.json"]


@pytest.fixture
def on_windows(monkeypatch):
    """A computer with Windows; call it with the time when every process was started."""

    def start_at(moment):
        def exit_code(handle, code):
            code._obj.value = 259

        def times(handle, creation, *_):
            creation._obj.value = int((moment + 11_644_473_600) * 10_000_000)

        kernel32 = SimpleNamespace(
            OpenProcess=lambda rights, inherited, pid: 1,
            GetExitCodeProcess=exit_code,
            GetProcessTimes=times,
            CloseHandle=lambda handle: None,
        )
        windll = SimpleNamespace(kernel32=kernel32)
        monkeypatch.setattr(ctypes, "windll", windll, raising=False)
        monkeypatch.setattr(sys, "platform", "win32")

    return start_at


@pytest.mark.parametrize(("age", "ours"), [(60, True), (-60, False)])
def test_a_pid_that_windows_gave_to_another_program_is_not_a_worker(
    tmp_path, monkeypatch, on_windows, age, ours
):
    """Else a program of the user's is ended the next day."""
    (tmp_path / "ftjob-1").mkdir()
    write_json(tmp_path / "ftjob-1" / "process.json", {"pid": 4711})
    ended = []
    monkeypatch.setattr(os, "kill", lambda pid, signal: ended.append(pid))
    on_windows(time.time() - age)
    runner = LocalRunner(tmp_path, slots=1)
    assert runner.at_work() == ({"ftjob-1"} if ours else set())
    runner.stop("ftjob-1", save=False)
    assert ended == ([4711] if ours else [])


def test_ps_tells_the_whole_command_line_whatever_the_terminal(tmp_path, monkeypatch):
    """On macOS a job's id stands behind what fits into a line."""
    asked = []

    def run(command, **_):
        asked.append(command)
        return SimpleNamespace(stdout=b"python -m worker jobs/ftjob-1")

    monkeypatch.setattr(processes, "Path", lambda name: tmp_path / name[1:])  # no /proc
    monkeypatch.setattr(processes.subprocess, "run", run)
    assert processes.is_alive(4711, "ftjob-1", time.time())
    assert "-ww" in asked[0]


def test_no_window_opens_on_windows_for_the_server_or_a_job(tmp_path, monkeypatch):
    """A process without a console has children that open one, in a window."""
    flags = {
        "CREATE_NO_WINDOW": 1,
        "CREATE_NEW_PROCESS_GROUP": 2,
        "DETACHED_PROCESS": 4,
    }
    for name, value in flags.items():
        monkeypatch.setattr(subprocess, name, value, raising=False)
    monkeypatch.setattr(subprocess, "Popen", lambda command, **options: options)
    monkeypatch.setattr(sys, "platform", "win32")
    worker = processes.start_detached(["python"], tmp_path / "worker.log")
    assert worker["creationflags"] == 1 | 2
    assert local_server.detached() == {"creationflags": 1 | 2}
