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


class NotFinishedError(RuntimeError):
    """The job has no results (yet); says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [f"{self}"]


def results(client: OpenAI, job: FineTuningJob | str) -> pandas.DataFrame:
    """Losses and accuracies by step, columns as in the file.

    Raises NotFinishedError where the job did not succeed (yet).
    """
    import pandas

    job = client.fine_tuning.jobs.retrieve(id_of(job, "results"))
    if not job.result_files:
        ended = job.status in {"failed", "cancelled"}
        raise NotFinishedError(
            f"{job.id} has no results: it is {job.status}. "
            + ("Create a new job." if ended else "Wait with follow(client, job).")
        )
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
