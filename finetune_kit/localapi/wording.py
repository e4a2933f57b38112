"""What events say, in the service's words (contract 2.2)."""

from typing import Any


def created(job_id: str) -> str:
    return f"Created fine-tuning job: {job_id}"


def validating(training_file: str, validation_file: str | None) -> str:
    files = f"training file: {training_file}"
    if validation_file:
        files += f" and validation file: {validation_file}"
    return f"Validating {files}"


VALIDATED = "Files validated, moving job to queued state"
STARTED = "Fine-tuning job started"
SUCCEEDED = "The job has successfully completed"
CANCELLED = "The job was cancelled"


def waiting(ahead: int) -> str:
    """`ahead` jobs are served before this one."""
    return f"Fine-tuning job is waiting in the queue. Queue number: {ahead}"


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
