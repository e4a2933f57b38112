"""What events say, in the service's words (contract 2.2; of 2023: 5.2)."""

from typing import Any

from finetune_kit.localapi.ids import is_fine_tune


def created(job_id: str) -> str:
    kind = "fine-tune" if is_fine_tune(job_id) else "fine-tuning job"
    return f"Created {kind}: {job_id}"


def validating(training_file: str, validation_file: str | None) -> str:
    files = f"training file: {training_file}"
    if validation_file:
        files += f" and validation file: {validation_file}"
    return f"Validating {files}"


VALIDATED = "Files validated, moving job to queued state"
SUCCEEDED = "The job has successfully completed"
PAUSED = "The job was paused"
RESUMED = "The job was resumed, moving job to queued state"
NEW_API_ONLY = (
    "{model} can only be fine-tuned on the new fine-tuning API (/fine_tuning/jobs). "
    "This API (/fine-tunes) is being deprecated. Please refer to our documentation for "
    "more information: https://platform.openai.com/docs/api-reference/fine-tuning"
)
NO_INTEGRATIONS = (
    "The integrations of this job are noted, but not served: the local API sends "
    "nothing to Weights & Biases"
)


def started(job_id: str) -> str:
    return "Fine-tune started" if is_fine_tune(job_id) else "Fine-tuning job started"


def cancelled(job_id: str) -> str:
    return "Fine-tune cancelled" if is_fine_tune(job_id) else "The job was cancelled"


def failed(job_id: str, reason: str) -> str:
    return f"Fine-tune failed. {reason}" if is_fine_tune(job_id) else reason


def waiting(job_id: str, ahead: int) -> str:
    """`ahead` jobs are served before this one."""
    old = is_fine_tune(job_id)
    what = "Fine-tune is in" if old else "Fine-tuning job is waiting in"
    return f"{what} the queue. {queue_number(ahead)}"


def queue_number(ahead: int) -> str:
    return f"Queue number: {ahead}"


_LOSSES = {
    "train_loss": "training",
    "valid_loss": "validation",
    "full_valid_loss": "full validation",
}


def step(data: dict[str, Any]) -> str:
    """`Step 290/303: training loss=0.00, validation loss=0.31`"""
    text = f"Step {data['step']}/{data['total_steps']}"
    losses = [
        f"{kind} loss={_two_decimals(data[key])}"
        for key, kind in _LOSSES.items()
        if key in data
    ]
    return f"{text}: {', '.join(losses)}"


def _two_decimals(loss: float | None) -> str:
    """A loss that diverged is null in the data."""
    return "nan" if loss is None else f"{loss:.2f}"


def checkpoint(step: int, name: str) -> str:
    return f"Checkpoint created at step {step} with Snapshot ID: {name}"


def new_model(name: str) -> str:
    return f"New fine-tuned model created: {name}"


def base_gone(model: str) -> str:
    return (
        f"The model {model} was deleted before this job could start from it. Create "
        "the job again from another model."
    )
