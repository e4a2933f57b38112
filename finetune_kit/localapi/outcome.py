"""How a job ends: with models, checkpoints and a result file, or with an error."""

import json
from collections.abc import Iterator
from typing import Any

from finetune_kit.localapi import (
    checkpoints,
    files,
    models,
    names,
    results,
    validation,
    wording,
)
from finetune_kit.localapi.store import copy_file
from finetune_kit.localapi.story import Story


def succeed(told: Story, snapshots: list[dict[str, Any]]) -> None:
    """Publish the last epochs' models and end the job; its tokens must be counted.

    `snapshots`: {"step", "data", "time"} of each epoch's end, in order. The final
    one carries the name of the fine-tuned model, the others a name of their own.
    """
    job = told.job
    *earlier, final = snapshots[-checkpoints.KEPT :]
    checkpoints.withdraw(told, keep=[snapshot["step"] for snapshot in earlier])
    for snapshot in earlier:
        publish_checkpoint(told, snapshot)
    random_part = told.kit.ids.snapshot(job["id"])
    name = names.fine_tuned_model(job["base"], job["suffix"], random_part)
    _publish(told, final, name, is_checkpoint=False)
    told.event(wording.new_model(name), data={})
    told.event(wording.SUCCEEDED, data={})
    told.end(
        "succeeded",
        fine_tuned_model=name,
        result_files=json.dumps([_step_metrics(told)]),
        trained_tokens=trained_tokens(told),
    )


def publish_checkpoint(told: Story, snapshot: dict[str, Any]) -> None:
    """Publish the model of one epoch, or of a pause, unless it is known already."""
    job, step = told.job, snapshot["step"]
    if checkpoints.is_known(told, step):
        return
    random_part = told.kit.ids.snapshot(job["id"])
    name = names.checkpoint(job["base"], job["suffix"], random_part, step)
    _publish(told, snapshot, name, is_checkpoint=True)
    told.event(wording.checkpoint(step, name), data={})


def fail(told: Story, code: str, message: str, param: str | None) -> None:
    """End the job with an error object, and an event that says the same."""
    error = {"code": code, "message": message, "param": param}
    told.event(wording.failed(told.job["id"], message), level="error", data={})
    told.end("failed", error=json.dumps(error))


def _publish(
    told: Story, snapshot: dict[str, Any], name: str, *, is_checkpoint: bool
) -> None:
    """Make the model of a checkpoint known, and the checkpoint."""
    job, step = told.job, snapshot["step"]
    publish_model(told, step, name, is_checkpoint=is_checkpoint)
    checkpoints.record(
        told.db,
        checkpoint_id=told.kit.ids.new("ftckpt_", scope=job["id"]),
        job_id=job["id"],
        created_at=snapshot["time"],
        model=name,
        step=step,
        data=snapshot["data"],
    )


def publish_model(told: Story, step: int, name: str, *, is_checkpoint: bool) -> None:
    """Copy the weights of `step` to where models stay, and make the model known."""
    kit, job = told.kit, told.job
    weights = kit.home.weights(job["id"], step)
    copy_file(kit.runner.artifacts(job["id"])[step], weights)
    models.record(
        told.db,
        name=name,
        owner=job["owner"],
        created_at=told.time,
        base=job["base"],
        weights=weights.relative_to(kit.home.models).as_posix(),
        is_checkpoint=is_checkpoint,
    )


def _step_metrics(told: Story) -> str:
    csv_text = results.step_metrics(metrics(told))
    as_base64 = told.kit.settings.base64_results
    content = results.content(csv_text, as_base64=as_base64)
    return record_results(told, results.FILENAME, content)


def metrics(told: Story) -> Iterator[dict[str, Any]]:
    """What was measured at each step of the job."""
    rows = told.db.execute(
        "SELECT data FROM events WHERE job_id = ? AND type = 'metrics' ORDER BY seq",
        (told.job["id"],),
    )
    return (json.loads(row["data"]) for row in rows)


def record_results(told: Story, filename: str, content: bytes) -> str:
    """Write the result file; its id."""
    kit, job = told.kit, told.job
    file_id = kit.ids.new("file-", scope=job["id"])
    kit.home.file(file_id).write_bytes(content)
    files.record(
        told.db,
        file_id=file_id,
        owner=job["owner"],
        size=len(content),
        created_at=told.time,
        filename=filename,
        purpose="fine-tune-results",
    )
    return file_id


def trained_tokens(told: Story) -> int:
    """Tokens of the training file times epochs (contract 2.5)."""
    per_epoch = validation.tokens(told.kit.home.job(told.job["id"])) or 0
    return per_epoch * int(json.loads(told.job["hyperparameters"])["n_epochs"])
