"""Budgets: how long each key of a class may train, in seconds of processor time.

Workers report their own processor time on each line that they write (`cpu`), so it
does not matter how busy the computer is. Answers of models are not counted.
"""

from collections.abc import Iterable
from typing import Any

from finetune_kit.localapi import errors
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.story import Story


def charge(told: Story, lines: Iterable[dict[str, Any]]) -> None:
    """Add the time that a worker's new lines speak of to what its owner has spent."""
    reading, spent = float(told.job["worker_cpu"]), 0.0
    for line in lines:
        cpu = float(line.get("cpu", reading))
        # A smaller reading is that of a new process, which began at zero.
        spent += cpu - reading if cpu >= reading else cpu
        reading = cpu
    told.set(worker_cpu=reading)
    told.db.execute(
        "INSERT INTO training_time (owner, seconds) VALUES (?, ?)"
        " ON CONFLICT (owner) DO UPDATE SET seconds = seconds + excluded.seconds",
        (told.job["owner"], spent),
    )


def spent(kit: Kit) -> dict[str, float]:
    """Owner -> seconds."""
    rows = kit.store.all("SELECT owner, seconds FROM training_time")
    return {row["owner"]: float(row["seconds"]) for row in rows}


def refuse_if_spent(kit: Kit, owner: str) -> None:
    """Raises the service's quota error for a learner who may train no more."""
    if why := why_spent(kit, owner):
        raise errors.quota(why)


def why_spent(kit: Kit, owner: str) -> str:
    """The sentence for a learner whose budget is used up; "" while it is not.

    The workspace's own key has no budget.
    """
    limit = kit.settings.cpu_seconds
    if limit is None or kit.keys.is_admin(owner):
        return ""
    used = spent(kit).get(owner, 0.0)
    if used < limit:
        return ""
    return (
        f"In this class everybody may train for {limit} seconds of processor time, and "
        f"your jobs have taken {used:.0f}. What you have made stays, and your models "
        "go on answering. Ask your instructor for more."
    )
