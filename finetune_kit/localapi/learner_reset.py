"""Forget what one user has made, and leave everybody else's alone."""

import contextlib
import shutil
import time
from collections.abc import Sequence
from pathlib import Path

from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.store import TABLES
from finetune_kit.localapi.story import OvertakenError

# Tables whose rows belong to a row of another one: column -> the parent's table.
_CHILDREN = {
    "events": ("job_id", "jobs"),
    "checkpoints": ("job_id", "jobs"),
    "parts": ("upload_id", "uploads"),
    "webhook_deliveries": ("endpoint_id", "webhook_endpoints"),
}
_NOBODYS = ("facts",)
_ENDING = 5.0  # seconds that a worker may take


def forget(kit: Kit, owner: str) -> None:
    """End the owner's jobs; remove files, jobs, models, and the time spent."""
    end_jobs(kit, owner)
    folders, files = _contents(kit, owner)
    with kit.store.transaction() as db:
        for table, (column, parent) in _CHILDREN.items():
            owned = f"SELECT id FROM {parent} WHERE owner = ?"
            db.execute(f"DELETE FROM {table} WHERE {column} IN ({owned})", (owner,))
        for table in TABLES:
            if table not in (*_CHILDREN, *_NOBODYS):
                db.execute(f"DELETE FROM {table} WHERE owner = ?", (owner,))
    for folder in folders:
        shutil.rmtree(folder, ignore_errors=True)
    for file in files:
        with contextlib.suppress(OSError):
            file.unlink()


def end_jobs(kit: Kit, owner: str | None = None) -> None:
    """End the jobs of one owner, or all, and wait until their workers have ended.

    Windows removes no folder in which a worker has a file open.
    """
    jobs = [j["id"] for j in kit.lifecycle.active_jobs() if owner in (j["owner"], None)]
    for job_id in jobs:
        with contextlib.suppress(OvertakenError):  # it has just ended by itself
            kit.lifecycle.cancel(job_id)
    until = time.monotonic() + _ENDING
    while kit.runner.at_work() & set(jobs) and time.monotonic() < until:
        time.sleep(0.02)


def _contents(kit: Kit, owner: str) -> tuple[Sequence[Path], Sequence[Path]]:
    """The folders and the single files that hold what the owner has made."""

    def column(name: str, table: str) -> list[str]:
        rows = kit.store.all(f"SELECT {name} FROM {table} WHERE owner = ?", owner)
        return [row[name] for row in rows]

    jobs = [kit.home.job(job) for job in column("id", "jobs")]
    uploads = [kit.home.uploads / upload for upload in column("id", "uploads")]
    files = [kit.home.file(file) for file in column("id", "files")]
    weights = [kit.home.models / name for name in column("weights", "models")]
    return [*jobs, *uploads], [*files, *weights]
