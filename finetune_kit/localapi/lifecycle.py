"""The state machine of jobs, in a thread of its own.

It looks at files, hands jobs to the runner, and takes over the worker's events by
their sequence number. Every step is one transaction, so that a server that is killed
at any moment goes on after a restart with no event lost and none doubled.
"""

import json
import logging
import math
import shutil
import subprocess
import time
from sqlite3 import Row
from typing import Any

from finetune_kit import disk
from finetune_kit.engines import contract
from finetune_kit.localapi import (
    budgets,
    fine_tune_story,
    job_faults,
    orders,
    outcome,
    storage,
    validation,
    wording,
)
from finetune_kit.localapi.ids import is_fine_tune
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.positions import Positions
from finetune_kit.localapi.rounds import Rounds
from finetune_kit.localapi.runner import write_json
from finetune_kit.localapi.story import ACTIVE, OvertakenError, Story, story
from finetune_kit.localapi.turns import Turns

log = logging.getLogger(__name__)

_INTERVAL = 0.03  # seconds between two looks while a job is active
_INTERVAL_AFTER_FAULT = 5.0
_BATCH = 500  # events taken over in one transaction
EACH = 1  # job of one user trains at a time
_MAX_STARTS = 3  # of a job's worker, before its loss fails the job


class Lifecycle(Rounds):
    """Moves every active job one step on in each round."""

    def __init__(self, kit: Kit) -> None:
        super().__init__("jobs", _INTERVAL_AFTER_FAULT)
        self._kit = kit
        self._validators: dict[str, subprocess.Popen[bytes]] = {}
        self._validation_turns, self._training_turns = Turns(), Turns()
        self._positions = Positions(kit)
        self._stints: dict[str, tuple[float, int]] = {}  # job -> (since, at step)
        self._since: dict[tuple[str, str], float] = {}  # (job, status) -> monotonic

    def close(self, seconds: float | None = None) -> None:
        """Stop looking after jobs; their workers go on."""
        super().close(seconds)
        for process in self._validators.values():
            process.kill()
            process.wait()

    def cancel(self, job_id: str) -> None:
        """End a job now, in any state but a terminal one (else: OvertakenError)."""
        with story(self._kit, job_id, *ACTIVE) as told:
            told.event(wording.cancelled(job_id), data={})
            told.end("cancelled")
        self._kit.runner.stop(job_id, save=False)
        self.wake()

    def pause(self, job_id: str) -> None:
        """Let a running job's worker save its state and end (else: OvertakenError)."""
        with story(self._kit, job_id, "running") as told:
            told.event(wording.PAUSED, data={})
            told.set(status="paused", estimated_finish=None)
        self._kit.runner.stop(job_id, save=True)
        self.wake()

    def resume(self, job_id: str) -> Row:
        """Put a paused job into the queue again (else: OvertakenError).

        The job as it is then: it may start before anybody can read it again.
        """
        with story(self._kit, job_id, "paused") as told:
            told.event(wording.RESUMED, data={})
            told.set(status="queued")
            queued = told.row()
        self._since.pop((job_id, "queued"), None)
        self.wake()
        return queued

    def places(self) -> dict[str, int]:
        """Waiting job -> how many will be served before it."""
        return self._positions.told

    def active_jobs(self) -> list[Row]:
        marks = ", ".join("?" * len(ACTIVE))
        return self._kit.store.all(
            f"SELECT * FROM jobs WHERE status IN ({marks}) ORDER BY seq", *ACTIVE
        )

    def look(self) -> float | None:
        at_work = self._kit.runner.at_work()  # before their last lines are read
        jobs = self.active_jobs()
        # Who has left the class has left a job, too; it rests until the key is back.
        active = [job for job in jobs if self._kit.keys.knows(job["owner"])]
        for job in active:
            self._guarded(job, self._advance)
        for job in self._to_validate(active):
            self._guarded(job, self._start_validation)
        for job in self._to_start(active):
            self._guarded(job, self._start)
        alive = {job["id"] for job in jobs}
        going_on = {job["id"] for job in active if job["status"] != "paused"}
        resting = alive - going_on
        self._end_idle_validators(alive)
        # A job can be cancelled or paused in the very moment when its worker starts.
        for job_id in at_work - alive:
            self._kit.runner.stop(job_id, save=False)
        for job_id in at_work & resting:
            self._kit.runner.stop(job_id, save=True)
        return _INTERVAL if going_on | at_work else None

    def _guarded(self, job: Row, act: Any) -> None:
        """A fault of ours fails one job, with a reason, and not the server."""
        try:
            act(job)
        except OvertakenError:
            pass
        except Exception as error:
            # It waits until there is room again, or its folder is where it was.
            if storage.refusal(error) or not self._kit.home.database.exists():
                raise
            log.exception("job %s cannot go on", job["id"])
            self._fail(
                job,
                "server_error",
                "The local API could not go on with this job; server.log of the "
                "workspace says why.",
                None,
            )

    def _advance(self, job: Row) -> None:
        self._since.setdefault((job["id"], job["status"]), time.monotonic())
        if job["status"] == "validating_files":
            self._validate(job)
        elif job["status"] == "running":
            self._follow(job)
        elif job["status"] == "paused" and (lines := self._new_lines(job)):
            self._tell(job, lines)

    def _waited(self, job: Row) -> float:
        """Seconds that the job has been in its state, by this server's knowledge."""
        now = time.monotonic()
        return now - self._since.get((job["id"], job["status"]), now)

    def _validate(self, job: Row) -> None:
        folder = self._kit.home.job(job["id"])
        found = validation.findings(folder)
        if found is None:
            self._check_validator(job)
        elif self._waited(job) < self._kit.settings.pace.validating:
            return
        elif error := found["error"]:
            self._fail(job, error["code"], error["message"], error["param"])
        elif blocked := job_faults.block(self._kit.faults.of_job(job["id"])):
            self._fail(job, *blocked)
        elif is_fine_tune(job["id"]):
            self._queue_fine_tune(job)
        else:
            self._queue(job, found["examples"])

    def _check_validator(self, job: Row) -> None:
        """A validation process that ended without findings has failed."""
        process = self._validators.get(job["id"])
        folder = self._kit.home.job(job["id"])
        if process and process.poll() is not None and not validation.findings(folder):
            raise RuntimeError(f"validation ended with {process.returncode}: {folder}")

    def _start_validation(self, job: Row) -> None:
        folder = self._kit.home.job(job["id"])
        order = orders.order(job, self._kit)
        self._validators[job["id"]] = validation.start(folder, order)

    def _queue(self, job: Row, examples: int) -> None:
        resolved = json.dumps(orders.resolved(job, examples))
        with story(self._kit, job["id"], "validating_files") as told:
            told.set(status="queued", hyperparameters=resolved)
            told.event(wording.VALIDATED, data={})

    def _queue_fine_tune(self, job: Row) -> None:
        """Its price is told before it is enqueued, so its tokens are counted first."""
        if not self._counted(job):
            return
        tokens = validation.tokens(self._kit.home.job(job["id"])) or 0
        with story(self._kit, job["id"], "validating_files") as told:
            fine_tune_story.enqueue(told, orders.base_of(job), tokens)

    def _to_validate(self, active: list[Row]) -> list[Row]:
        """Jobs whose files may be looked at now."""
        looked_at = [job for job in active if job["id"] in self._validators]
        alive = [j for j in looked_at if self._validators[j["id"]].poll() is None]
        waiting = [
            job
            for job in active
            if job["status"] == "validating_files"
            and job["id"] not in self._validators
            and validation.findings(self._kit.home.job(job["id"])) is None
        ]
        places = self._kit.runner.slots + 1 - len(alive)
        return self._validation_turns.next(waiting, alive, places)

    def _to_start(self, active: list[Row]) -> list[Row]:
        """Queued jobs that may train now."""
        running = [job for job in active if job["status"] == "running"]
        # A cancelled job's worker holds its slot until it has ended.
        busy = {job["id"] for job in running} | self._kit.runner.at_work()
        held = self._held(active)
        queued = [
            job
            for job in active
            if job["status"] == "queued"
            and job["id"] not in busy  # paused and resumed, and still saving
            and job["id"] not in held
            and self._waited(job) >= self._kit.settings.pace.queued
        ]
        places = self._kit.runner.slots - len(busy)
        starting = self._training_turns.next(queued, running, places, EACH)
        rest = [job for job in queued if job not in starting]
        line = self._training_turns.line(rest, [*running, *starting])
        self._positions.tell(held | {job["id"]: n for n, job in enumerate(line)})
        return starting

    def _held(self, active: list[Row]) -> dict[str, int]:
        """Queued jobs that a lesson keeps waiting -> how many seem to be before."""
        held = {}
        for job in active:
            seconds = job_faults.queue_seconds(self._kit.faults.of_job(job["id"]))
            left = seconds - self._waited(job)
            if job["status"] == "queued" and left > 0:
                held[job["id"]] = job_faults.place(left, seconds)
        return held

    def _start(self, job: Row) -> None:
        if not orders.keep_base(job, self._kit):
            self._fail(
                job, "model_not_available", wording.base_gone(job["model"]), "model"
            )
            return
        if why := budgets.why_spent(self._kit, job["owner"]):
            self._fail(job, "insufficient_quota", why, None)
            return
        findings = validation.findings(self._kit.home.job(job["id"]))
        examples = (findings or {})["examples"]
        resolved = orders.resolved(job, examples)
        self._write_spec(job, resolved)
        self._stints.pop(job["id"], None)
        with story(self._kit, job["id"], "queued") as told:
            told.set(status="running", starts=1, hyperparameters=json.dumps(resolved))
            told.event(wording.started(job["id"]), data=None)
        lines = self._new_lines(job)
        if not (lines and lines[-1]["type"] in ("done", "error")):
            self._kit.runner.submit(job["id"])

    def _write_spec(self, job: Row, resolved: dict[str, Any]) -> None:
        spec = orders.spec(job, self._kit, resolved)
        write_json(self._kit.home.job(job["id"]) / contract.SPEC, spec)

    def _follow(self, job: Row) -> None:
        lines = self._new_lines(job)
        if not lines and self._kit.runner.status(job["id"]) == "ended":
            lines = self._new_lines(job)  # what it wrote just before it ended
            if not lines:
                self._start_again(job)
        lines, crashed = job_faults.crash(self._kit.faults.of_job(job["id"]), lines)
        if lines:
            self._tell(job, lines)
        if crashed:
            self._fail(job, *crashed)

    def _tell(self, job: Row, lines: list[dict[str, Any]]) -> None:
        with story(self._kit, job["id"], job["status"]) as told:
            budgets.charge(told, lines)
            ended = self._take_over(told, lines)
        if ended:
            checkpoints = self._kit.home.job(job["id"]) / contract.CHECKPOINTS
            shutil.rmtree(checkpoints, ignore_errors=True)

    def _new_lines(self, job: Row) -> list[dict[str, Any]]:
        return self._kit.runner.events(job["id"], job["consumed_seq"], _BATCH)

    def _take_over(self, told: Story, lines: list[dict[str, Any]]) -> bool:
        """Tell the worker's lines as the job's events; True if the job has ended."""
        snapshots = json.loads(told.job["snapshots"])
        consumed, ended = told.job["consumed_seq"], False
        for line in lines:
            match line["type"]:
                case "metrics":
                    data = line["data"]
                    text = wording.step(data)
                    told.event(text, type="metrics", data=data, observed=line["t"])
                    if told.job["status"] == "running":
                        told.set(estimated_finish=self._estimate(told, data))
                case "message":
                    level, message = line["level"], line["message"]
                    told.event(message, level=level, data={}, observed=line["t"])
                case "checkpoint":
                    seen = {"step": line["step"], "data": line["data"]}
                    if is_fine_tune(told.job["id"]):
                        fine_tune_story.epoch(told, line["data"])
                    snapshots.append(seen | {"time": told.time})
                case "done":
                    # Paused in the last moment: it is done when it is resumed.
                    if told.job["status"] == "paused" or not self._counted(told.job):
                        break  # come back to this line
                    old = is_fine_tune(told.job["id"])
                    (fine_tune_story if old else outcome).succeed(told, snapshots)
                    ended = True
                case "error":
                    outcome.fail(told, line["code"], line["message"], None)
                    ended = True
                case "stopped" if line["saved"]:  # a pause
                    outcome.publish_checkpoint(told, snapshots[-1])
                case "stopped":
                    reason = "The training process was stopped from outside the server."
                    outcome.fail(told, "worker_stopped", reason, None)
                    ended = True
            consumed = line["seq"]
        told.set(consumed_seq=consumed, snapshots=json.dumps(snapshots))
        return ended

    def _counted(self, job: Row) -> bool:
        """Are the job's tokens counted? Sees to it that they get counted."""
        folder = self._kit.home.job(job["id"])
        if validation.tokens(folder) is not None:
            return True
        process = self._validators.get(job["id"])
        if process is None:  # an earlier server's was lost
            self._start_validation(job)
        elif process.poll() is not None and validation.tokens(folder) is None:
            raise RuntimeError(f"counting ended with {process.returncode}: {folder}")
        return False

    def _estimate(self, told: Story, data: dict[str, Any]) -> int:
        """When the job will be done, in Unix seconds."""
        remaining = int(data["total_steps"]) - int(data["step"])
        if self._kit.settings.deterministic:
            return told.time + remaining
        now, step = time.monotonic(), int(data["step"])
        since, first = self._stints.setdefault(told.job["id"], (now, step - 1))
        per_step = (now - since) / (step - first)
        return told.time + math.ceil(remaining * per_step)

    def _start_again(self, job: Row) -> None:
        """Its worker is gone without a last word: killed, out of memory, or of room."""
        if not disk.has_room(self._kit.home.root):
            return
        if job["starts"] >= _MAX_STARTS:
            self._fail(
                job,
                "server_error",
                "The training process ended without a result, "
                f"{job['starts']} times. It last printed: "
                f"{self._kit.runner.complaint(job['id']) or 'nothing'}",
                None,
            )
            return
        self._write_spec(job, json.loads(job["hyperparameters"]))  # if it has moved
        with story(self._kit, job["id"], "running") as told:
            told.set(starts=job["starts"] + 1)
        self._kit.runner.submit(job["id"])

    def _fail(self, job: Row, code: str, message: str, param: str | None) -> None:
        try:
            with story(self._kit, job["id"], *ACTIVE) as told:
                outcome.fail(told, code, message, param)
        except OvertakenError:
            return
        self._kit.runner.stop(job["id"], save=False)

    def _end_idle_validators(self, active: set[str]) -> None:
        for job_id in [id for id in self._validators if id not in active]:
            process = self._validators.pop(job_id)
            process.kill()
            process.wait()
