"""What happens to a `fine-tune` of the 2023 API where today's jobs do otherwise."""

import json
from datetime import UTC, datetime
from sqlite3 import Connection
from typing import Any

from finetune_kit import catalog
from finetune_kit.localapi import compiled_results, names, outcome, wording
from finetune_kit.localapi.story import Story

SUCCEEDED = "Fine-tune succeeded"


def enqueue(told: Story, base: catalog.Base, tokens: int) -> None:
    """From `pending` on its files to `pending` in the queue.

    `tokens` of the training file, counted once. The price is what OpenAI asked at the
    end (contract 5.1): here it is free.
    """
    n_epochs = json.loads(told.job["hyperparameters"])["n_epochs"]
    if base.prices and base.prices.training is not None:
        dollars = tokens * n_epochs * base.prices.training / 1e6
        told.event(f"Fine-tune costs ${dollars:.2f}", data={})
    number = wording.queue_number(_waiting(told.db))
    told.event(f"Fine-tune enqueued. {number}", data={})
    told.set(status="queued")


def epoch(told: Story, data: dict[str, Any]) -> None:
    """Tell the end of an epoch; `data` are the metrics of its last step."""
    n_epochs = json.loads(told.job["hyperparameters"])["n_epochs"]
    number = data["step"] * n_epochs // data["total_steps"]
    told.event(f"Completed epoch {number}/{n_epochs}", data={})


def succeed(told: Story, snapshots: list[dict[str, Any]]) -> None:
    """Publish the model and the results, and end; the tokens must be counted."""
    name = _free_name(told)
    outcome.publish_model(told, snapshots[-1]["step"], name, is_checkpoint=False)
    told.event(f"Uploaded model: {name}", data={})
    csv_text = compiled_results.compiled(list(outcome.metrics(told)))
    filename, content = compiled_results.FILENAME, csv_text.encode("utf-8")
    file_id = outcome.record_results(told, filename, content)
    told.event(f"Uploaded result file: {file_id}", data={})
    told.event(SUCCEEDED, data={})
    told.end(
        "succeeded",
        fine_tuned_model=name,
        result_files=json.dumps([file_id]),
        trained_tokens=outcome.trained_tokens(told),
    )


def _waiting(db: Connection) -> int:
    """How many jobs are in the queue already, of all users."""
    row = db.execute("SELECT count(*) AS n FROM jobs WHERE status = 'queued'")
    return int(row.fetchone()["n"])


def _free_name(told: Story) -> str:
    """The name holds the second in which the model was made; two models of one second
    would be called alike, so the later one takes the next free second."""
    moment = told.time
    while True:
        stamp = datetime.fromtimestamp(moment, UTC)
        name = names.fine_tune_2023(told.job["base"], told.job["suffix"], stamp)
        taken = told.db.execute("SELECT 1 FROM models WHERE name = ?", (name,))
        if taken.fetchone() is None:
            return name
        moment += 1
