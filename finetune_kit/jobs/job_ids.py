"""Which job is meant: one, or its id."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob


def id_of(job: FineTuningJob | str, caller: str) -> str:
    """The id of a job; TypeError, in words of ``caller``, for what is none."""
    found = job if isinstance(job, str) else getattr(job, "id", None)
    if found is None:
        raise TypeError(
            f"kit.{caller}(client, job) takes a job or its id; this is "
            f"{job!r:.60}. Create a job first: client.fine_tuning.jobs.create(…)."
        )
    return found
