"""The result file of a job: one row a step."""

from __future__ import annotations

import base64
import binascii
import io
from typing import TYPE_CHECKING

from finetune_kit.jobs.job_ids import id_of

if TYPE_CHECKING:
    import pandas
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob


WAIT = "Wait with follow(client, job)."
_NEXT = dict.fromkeys(("failed", "cancelled"), "Create a new job.")


class NotFinishedError(RuntimeError):
    """The job did not succeed (yet); says what to do."""

    @classmethod
    def of(cls, job: FineTuningJob, lacks: str, to_do: str = "") -> NotFinishedError:
        """``to_do``: where it is not what its state asks for anyhow."""
        status: str = job.status  # the SDK's type does not list `paused`
        do = to_do or _NEXT.get(status, WAIT)
        if status == "paused":
            do = f'Run client.fine_tuning.jobs.resume("{job.id}"). {do}'
        return cls(f"{job.id} {lacks}: it is {status}. {do}")

    def _render_traceback_(self) -> list[str]:
        return [f"{self}"]


def results(client: OpenAI, job: FineTuningJob | str) -> pandas.DataFrame:
    """Losses and accuracies by step, columns as in the file.

    Raises NotFinishedError where the job did not succeed (yet).
    """
    import pandas

    job = client.fine_tuning.jobs.retrieve(id_of(job, "results"))
    if not job.result_files:
        raise NotFinishedError.of(job, "has no results")
    content = client.files.content(job.result_files[0]).read()
    return pandas.read_csv(io.BytesIO(decode(content)))


def decode(content: bytes) -> bytes:
    """The CSV in ``content``, which OpenAI sends in base64 (seen since 2024), or plain.

    A CSV has commas and base64 has none, so a strict decoder tells them apart.
    """
    try:
        return base64.b64decode(b"".join(content.split()), validate=True)
    except binascii.Error:
        return content
