"""What the instructor's page shows: learners, queue, ended jobs, refused requests."""

import json
import time
from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from sqlite3 import Row

from finetune_kit.localapi import budgets
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.presence import Refusal, Seen, Strangers
from finetune_kit.localapi.story import ACTIVE

HERE = 120  # seconds: who called so lately is taken to be at work
RECENT = 900  # seconds: trouble that is older is not shown beside a name
_ENDED_SHOWN = 30
_REFUSALS_SHOWN = 30


@dataclass(frozen=True)
class Traffic:
    """What the event loop knows, copied for the thread that builds the page."""

    since: float
    seen: Mapping[str, Seen]
    refusals: list[Refusal]
    strangers: Strangers

    @classmethod
    def of(cls, kit: Kit) -> "Traffic":
        presence = kit.presence
        seen = {owner: presence.of(owner) for owner in kit.keys.learners}
        return cls(presence.since, seen, presence.refusals(), presence.strangers)


@dataclass(frozen=True)
class Learner:
    """One row; `state` is `here`, `away` or `unseen`."""

    name: str
    state: str
    notebook: str
    latest: str
    requests: int
    jobs: str
    cpu: str
    is_spent: bool
    trouble: str
    trouble_when: str


@dataclass(frozen=True)
class ActiveJob:
    """A job that runs or waits; `place` is the number of those before it."""

    id: str
    name: str
    model: str
    status: str
    place: int | None
    step: int
    steps: int


@dataclass(frozen=True)
class EndedJob:
    id: str
    name: str
    model: str
    status: str
    when: str
    error: str


@dataclass(frozen=True)
class RefusedCall:
    when: str
    name: str
    call: str
    status: int
    message: str


@dataclass(frozen=True)
class ClassView:
    """All of the page; times are in this computer's time zone."""

    now: str
    since: str
    learners: list[Learner]
    active: list[ActiveJob]
    ended: list[EndedJob]
    refusals: list[RefusedCall]
    strangers: str
    slots: int
    budget: int | None

    @property
    def counts(self) -> Counter[str]:
        return Counter(learner.state for learner in self.learners)

    @property
    def running(self) -> int:
        return sum(job.status == "running" for job in self.active)

    @property
    def troubled(self) -> list[Learner]:
        return [learner for learner in self.learners if learner.trouble]


def build(kit: Kit, traffic: Traffic) -> ClassView:
    names, now = kit.keys.learners, time.time()
    jobs = kit.store.all("SELECT * FROM jobs ORDER BY seq")
    refusals = [each for each in traffic.refusals if each.owner in names]
    return ClassView(
        now=_clock(now),
        since=_clock(traffic.since),
        learners=_learners(kit, traffic, jobs, now),
        active=_active(kit, jobs),
        ended=_ended(kit, jobs),
        refusals=[
            RefusedCall(_clock(each.at), names[each.owner], *_said(each))
            for each in refusals[:_REFUSALS_SHOWN]
        ],
        strangers=_strangers(traffic.strangers),
        slots=kit.runner.slots,
        budget=kit.settings.cpu_seconds,
    )


def _said(refusal: Refusal) -> tuple[str, int, str]:
    return refusal.call, refusal.status, refusal.message


def _learners(kit: Kit, traffic: Traffic, jobs: list[Row], now: float) -> list[Learner]:
    spent, limit = budgets.spent(kit), kit.settings.cpu_seconds
    counts: dict[str, Counter[str]] = defaultdict(Counter)
    for job in jobs:
        counts[job["owner"]][job["status"]] += 1
    latest_ended = {job["owner"]: job for job in reversed(_by_end(jobs))}
    shown = []
    for owner, name in kit.keys.learners.items():
        seen, cpu = traffic.seen[owner], spent.get(owner, 0.0)
        trouble, when = _trouble(seen.refused, latest_ended.get(owner), now)
        shown.append(
            Learner(
                name=name,
                state=_state(seen, now),
                notebook=seen.notebook,
                latest=ago(now - seen.latest_at) if seen.requests else "",
                requests=seen.requests,
                jobs=_counted(counts[owner]),
                cpu=f"{cpu:.0f} of {limit} s" if limit else f"{cpu:.0f} s",
                is_spent=limit is not None and cpu >= limit,
                trouble=trouble,
                trouble_when=when,
            )
        )
    return shown


def _state(seen: Seen, now: float) -> str:
    if not seen.requests:
        return "unseen"
    return "here" if now - seen.latest_at <= HERE else "away"


def _counted(statuses: Counter[str]) -> str:
    """`1 running, 2 succeeded`"""
    return ", ".join(
        f"{n} {status.replace('_', ' ')}" for status, n in sorted(statuses.items())
    )


def _trouble(refusal: Refusal | None, job: Row | None, now: float) -> tuple[str, str]:
    """What is in a learner's way, and since when: a job that failed as the last one to
    end, else a request that was refused a short time ago."""
    if job is not None and job["status"] == "failed":
        return f"Job failed: {_error(job)}", _clock(job["finished_at"])
    if refusal is not None and now - refusal.at <= RECENT:
        return f"{refusal.status}: {refusal.message}", ago(now - refusal.at)
    return "", ""


def _active(kit: Kit, jobs: list[Row]) -> list[ActiveJob]:
    """Running first, then in the order of the queue, then what is not in it."""
    places = kit.lifecycle.places()
    shown = [
        ActiveJob(
            job["id"],
            _owner(kit, job),
            _model(job),
            job["status"].replace("_", " "),
            places.get(job["id"]) if job["status"] == "queued" else None,
            *_steps(kit, job),
        )
        for job in jobs
        if job["status"] in ACTIVE
    ]

    def order(job: ActiveJob) -> tuple[bool, bool, int]:
        return job.status != "running", job.place is None, job.place or 0

    return sorted(shown, key=order)


def _steps(kit: Kit, job: Row) -> tuple[int, int]:
    """How far the job is; (0, 0) before its first step."""
    row = kit.store.one(
        "SELECT data FROM events WHERE job_id = ? AND type = 'metrics'"
        " ORDER BY seq DESC LIMIT 1",
        job["id"],
    )
    data = json.loads(row["data"]) if row else {"step": 0, "total_steps": 0}
    return int(data["step"]), int(data["total_steps"])


def _ended(kit: Kit, jobs: list[Row]) -> list[EndedJob]:
    return [
        EndedJob(
            job["id"],
            _owner(kit, job),
            _model(job),
            job["status"],
            _clock(job["finished_at"]),
            _error(job),
        )
        for job in _by_end(jobs)[:_ENDED_SHOWN]
    ]


def _by_end(jobs: list[Row]) -> list[Row]:
    """Those that have ended, the latest first."""
    ended = [job for job in jobs if job["status"] not in ACTIVE]
    ended.sort(key=lambda job: (job["finished_at"] or 0, job["seq"]), reverse=True)
    return ended


def _owner(kit: Kit, job: Row) -> str:
    if kit.keys.is_admin(job["owner"]):
        return "the workspace's own key"
    return kit.keys.learners.get(job["owner"], "no longer in the class")


def _model(job: Row) -> str:
    suffix = f" · {job['suffix']}" if job["suffix"] else ""
    return f"{job['model']}{suffix}"


def _error(job: Row) -> str:
    error = json.loads(job["error"]) if job["error"] else None
    return str(error["message"]) if error else ""


def _strangers(strangers: Strangers) -> str:
    if not strangers.calls:
        return ""
    calls = "1 call" if strangers.calls == 1 else f"{strangers.calls} calls"
    return (
        f"{calls} came with an unknown key or with none, the last at "
        f"{_clock(strangers.latest_at)} from {strangers.latest_from}."
    )


def _clock(moment: float) -> str:
    return time.strftime("%H:%M:%S", time.localtime(moment))


def ago(seconds: float) -> str:
    """`just now`, `40 s ago`, `7 min ago`, `3 h ago`"""
    if seconds < 5:
        return "just now"
    if seconds < 120:
        return f"{seconds:.0f} s ago"
    if seconds < 7200:
        return f"{seconds / 60:.0f} min ago"
    return f"{seconds / 3600:.0f} h ago"
