"""A job's story: what happens to it next, all in one transaction."""

import json
from collections.abc import Iterator
from contextlib import contextmanager
from sqlite3 import Connection, Row
from typing import Any

from finetune_kit.localapi import deliveries
from finetune_kit.localapi.kit import Kit

ACTIVE = ("validating_files", "queued", "running", "paused")


class OvertakenError(Exception):
    """The job is in another state by now (somebody cancelled it, say)."""


class Story:
    """Events and columns of one job, within an open transaction `db`."""

    def __init__(self, kit: Kit, db: Connection, job: Row) -> None:
        self.kit = kit
        self.db = db
        self.job = job
        self.time = int(job["latest_at"])

    def event(
        self,
        message: str,
        *,
        level: str = "info",
        type: str = "message",
        data: dict[str, Any] | None = None,
        observed: float | None = None,
    ) -> None:
        """Append an event; `observed` is the Unix time the worker gave it."""
        self.time = self.kit.clock.after(self.time, observed)
        add_event(
            self.kit,
            self.db,
            self.job["id"],
            self.time,
            message,
            level=level,
            type=type,
            data=data,
        )

    def set(self, **columns: Any) -> None:
        names = ", ".join(f"{name} = ?" for name in columns)
        self.db.execute(
            f"UPDATE jobs SET {names} WHERE id = ?", (*columns.values(), self.job["id"])
        )

    def row(self) -> Row:
        """The job as it is told so far."""
        found: Row = self.db.execute(
            "SELECT * FROM jobs WHERE id = ?", (self.job["id"],)
        ).fetchone()
        return found

    def end(self, status: str, **columns: Any) -> None:
        """Enter a terminal state now."""
        self.time = self.kit.clock.after(self.time)
        self.set(status=status, finished_at=self.time, estimated_finish=None, **columns)
        owner, job_id = self.job["owner"], self.job["id"]
        deliveries.announce(self.kit, self.db, owner, job_id, status, self.time)
        self.kit.clock.catch_up(self.time)


@contextmanager
def story(kit: Kit, job_id: str, *statuses: str) -> Iterator[Story]:
    """Open a job's story; OvertakenError unless its status is one of `statuses`."""
    with kit.store.transaction() as db:
        job = db.execute("SELECT * FROM jobs WHERE id = ?", (job_id,)).fetchone()
        if job is None or job["status"] not in statuses:
            raise OvertakenError(job_id)
        told = Story(kit, db, job)
        yield told
        told.set(latest_at=told.time)
    kit.deliveries.wake()


def add_event(
    kit: Kit,
    db: Connection,
    job_id: str,
    created_at: int,
    message: str,
    *,
    level: str = "info",
    type: str = "message",
    data: dict[str, Any] | None = None,
) -> None:
    db.execute(
        "INSERT INTO events (id, job_id, created_at, level, message, type, data)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (
            kit.ids.new("ftevent-", scope=job_id),
            job_id,
            created_at,
            level,
            message,
            type,
            json.dumps(data),
        ),
    )
