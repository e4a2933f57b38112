"""Child processes that outlive this one, and processes that others started."""

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_STILL_ACTIVE = 259  # GetExitCodeProcess
_QUERY_LIMITED_INFORMATION = 0x1000
_FILETIME_EPOCH = 11_644_473_600  # seconds from 1601, where Windows begins, to 1970
_CLOCKS_APART = 2.0  # seconds, of a process's start and a file's time (on FAT)


def start_detached(command: Sequence[str], log: Path) -> subprocess.Popen[bytes]:
    """Start a process that goes on when this one is killed; it prints to `log`."""
    flags: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        # not DETACHED_PROCESS: without a console, its children open one each
        apart = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        flags = {"creationflags": apart}
    with log.open("ab") as output:
        return subprocess.Popen(
            command,
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            **flags,
        )


def is_alive(pid: int, argument: str, noted_at: float) -> bool:
    """Does the process run, and with `argument` on its command line?

    The second half keeps a recycled pid from being taken for ours; on Windows, where
    the command line is not readable without more rights, ours is one that was started
    before its pid was noted (Unix seconds).
    """
    if sys.platform == "win32":
        started = _started_on_windows(pid)
        return started is not None and started <= noted_at + _CLOCKS_APART
    command_line = Path(f"/proc/{pid}/cmdline")
    if command_line.parent.parent.joinpath("self").exists():
        with contextlib.suppress(OSError):
            # Empty for a zombie, which has ended.
            return argument.encode() in command_line.read_bytes()
        return False
    listing = subprocess.run(
        ["ps", "-ww", "-o", "command=", "-p", str(pid)],
        capture_output=True,
        check=False,
    )
    return argument.encode() in listing.stdout


def terminate(pid: int) -> None:
    """Ask a process to end now; not an error if it has ended already."""
    if pid <= 0:  # 0 would be this process and all of its group
        return
    with contextlib.suppress(OSError):
        os.kill(pid, signal.SIGTERM)


def _started_on_windows(pid: int) -> float | None:
    """When the process was started, in Unix seconds; None where it does not run."""
    import ctypes

    kernel32 = ctypes.windll.kernel32  # type: ignore[attr-defined,unused-ignore]
    handle = kernel32.OpenProcess(_QUERY_LIMITED_INFORMATION, False, pid)
    if not handle:
        return None
    code, times = ctypes.c_ulong(), [ctypes.c_uint64() for _ in range(4)]
    kernel32.GetExitCodeProcess(handle, ctypes.byref(code))
    kernel32.GetProcessTimes(handle, *map(ctypes.byref, times))
    kernel32.CloseHandle(handle)
    if code.value != _STILL_ACTIVE:
        return None
    return times[0].value / 1e7 - _FILETIME_EPOCH
