"""Runners start, watch and stop the work of jobs; the server owns everything else.

A job's folder holds `spec.json` and the data; its worker appends to `events.jsonl`,
so that a restarted server reads on where it stopped, without loss or doubling.
"""

import json
import math
import os
import subprocess
import sys
import threading
import time
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Literal, Protocol

from finetune_kit.engines import contract
from finetune_kit.localapi import processes
from finetune_kit.patience import patiently

WORKER = (sys.executable, "-m", "finetune_kit.engines.tinygpt.worker")
_PROCESS = "process.json"  # ours: the worker's pid, known before the worker writes it
_LOG = "worker.log"
_ASK_AGAIN = 1.0  # seconds


class Runner(Protocol):
    """What a scheduler must offer; `slots` jobs may run at once."""

    slots: int

    def submit(self, job_id: str) -> None:
        """Start the job's worker; also again, after it was lost."""

    def status(self, job_id: str) -> Literal["running", "ended"]:
        """`ended` also before the first submit; the events say how."""

    def at_work(self) -> set[str]:
        """Jobs whose worker runs, also those that are about to stop."""

    def stop(self, job_id: str, *, save: bool) -> None:
        """End the work soon; `save` leaves a checkpoint to resume from."""

    def events(self, job_id: str, after_seq: int, limit: int) -> list[dict[str, Any]]:
        """The worker's events after `after_seq`, oldest first, at most `limit`."""

    def artifacts(self, job_id: str) -> dict[int, Path]:
        """Step -> weights that can be served."""

    def complaint(self, job_id: str) -> str:
        """The last line of what a lost worker printed."""


class LocalRunner:
    """One worker process per job on this computer.

    Unless `slots` says how many jobs run at once, one core is left to the server and
    to the person in front of it.
    """

    def __init__(
        self,
        jobs: Path,
        worker: Sequence[str] | None = None,
        slots: int | None = None,
    ) -> None:
        self.slots = slots or max(1, _cores() - 1)
        self._jobs = jobs
        self._worker = worker or WORKER
        self._children: dict[str, subprocess.Popen[bytes]] = {}
        # Of an earlier server, and perhaps still at work: (asked at, alive).
        self._adopted = {
            note.parent.name: (-math.inf, True) for note in jobs.glob(f"*/{_PROCESS}")
        }
        self._offsets: dict[str, dict[int, int]] = {}  # job -> seq -> bytes up to it

    def submit(self, job_id: str) -> None:
        folder = self._jobs / job_id
        # Of a pause, and of a worker before this one.
        for name in (contract.STOP, contract.PID, _PROCESS):
            (folder / name).unlink(missing_ok=True)
        # The worker writes to its folder itself; its output is for people only.
        child = processes.start_detached(
            [*self._worker, str(folder)], log=folder / _LOG
        )
        write_json(folder / _PROCESS, {"pid": child.pid})
        self._children[job_id] = child

    def status(self, job_id: str) -> Literal["running", "ended"]:
        if child := self._children.get(job_id):
            return "running" if child.poll() is None else "ended"
        return "running" if self._is_adopted(job_id) else "ended"

    def at_work(self) -> set[str]:
        known = [*self._children, *self._adopted]
        return {job_id for job_id in known if self.status(job_id) == "running"}

    def stop(self, job_id: str, *, save: bool) -> None:
        folder = self._jobs / job_id
        if not folder.exists() or self.status(job_id) == "ended":
            return
        if not save:
            write_json(folder / contract.STOP, {"save": False})
            processes.terminate(self._noted(job_id)[0])
        elif not (folder / contract.STOP).exists():
            write_json(folder / contract.STOP, {"save": True})

    def events(self, job_id: str, after_seq: int, limit: int) -> list[dict[str, Any]]:
        start = seek = self._offsets.get(job_id, {}).get(after_seq, 0)
        found: list[dict[str, Any]] = []
        try:
            file = (self._jobs / job_id / contract.EVENTS).open("rb")
        except FileNotFoundError:
            return found
        with file:
            file.seek(start)
            for line in file:
                if not line.endswith(b"\n") or len(found) == limit:
                    break
                # A loss that diverged is NaN, which JSON does not know: null.
                event = json.loads(line, parse_constant=lambda name: None)
                seek += len(line)
                if event["seq"] > after_seq:
                    found.append(event)
                else:
                    start = seek
        last = found[-1]["seq"] if found else after_seq
        self._offsets[job_id] = {after_seq: start, last: seek}
        return found

    def artifacts(self, job_id: str) -> dict[int, Path]:
        folders = (self._jobs / job_id / contract.CHECKPOINTS).glob("step-*")
        return {
            int(folder.name.removeprefix("step-")): folder / contract.WEIGHTS
            for folder in folders
        }

    def complaint(self, job_id: str) -> str:
        try:
            text = (self._jobs / job_id / _LOG).read_text("utf-8", errors="replace")
        except FileNotFoundError:
            return ""
        return text.strip().rpartition("\n")[2]

    def _is_adopted(self, job_id: str) -> bool:
        """Is there a worker that an earlier server started? Asked once a second."""
        asked, alive = self._adopted.get(job_id, (-math.inf, True))
        if alive and time.monotonic() - asked >= _ASK_AGAIN:
            pid, noted_at = self._noted(job_id)
            alive = bool(pid) and processes.is_alive(pid, job_id, noted_at)
            self._adopted[job_id] = time.monotonic(), alive
        return alive

    def _noted(self, job_id: str) -> tuple[int, float]:
        """The worker's pid as noted by us, else by itself, and when; 0 if neither."""
        folder = self._jobs / job_id
        for note in (folder / _PROCESS, folder / contract.PID):
            try:
                noted = json.loads(note.read_text(encoding="utf-8"))
                noted_at = note.stat().st_mtime
            except (FileNotFoundError, ValueError):
                continue
            return int(noted["pid"] if isinstance(noted, dict) else noted), noted_at
        return 0, 0.0


def write_json(path: Path, document: Any) -> None:
    """Atomically: a reader sees the whole document or none; of writers at the same
    time, the last one's."""
    writer = f"{os.getpid()}.{threading.get_ident()}"
    temporary = path.with_name(f"{path.name}.{writer}.new")
    temporary.write_text(json.dumps(document), encoding="utf-8")
    patiently(lambda: temporary.replace(path))


def _cores() -> int:
    """Cores this process may use (a container may have fewer than the machine)."""
    if sys.platform == "linux":
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
