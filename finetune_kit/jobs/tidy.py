"""Take away again what a job has made."""

from __future__ import annotations

from collections.abc import Iterable
from contextlib import suppress
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from openai import OpenAI


def remove(client: OpenAI, job_id: str) -> None:
    """Stop the job if it has not ended; delete its models and files.

    Some may be gone already. The job itself stays in the list.
    """
    from openai import BadRequestError

    jobs = client.fine_tuning.jobs
    with suppress(BadRequestError):  # it has ended by itself
        jobs.cancel(job_id)
    job = jobs.retrieve(job_id)
    saved = jobs.checkpoints.list(job_id)
    models = {each.fine_tuned_model_checkpoint for each in saved}
    files = [job.training_file, job.validation_file, *job.result_files]
    delete(client, models | {job.fine_tuned_model}, files)


def delete(
    client: OpenAI, models: Iterable[str | None], files: Iterable[str | None]
) -> None:
    """Delete models and files; None, and what is gone already, is passed over."""
    from openai import NotFoundError

    for call, ids in ((client.models.delete, models), (client.files.delete, files)):
        for each in filter(None, ids):
            with suppress(NotFoundError):
                call(each)
