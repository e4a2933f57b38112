"""``finetune-kit jobs``: fine-tuning jobs."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finetune_kit.cli.output import as_json, print_object, print_objects, print_table
from finetune_kit.connect import connect
from finetune_kit.display.tables import Table

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

COLUMNS = ["id", "model", "status", "fine_tuned_model", "created_at"]


@click.group()
def jobs() -> None:
    """Create, watch and cancel fine-tuning jobs."""


@jobs.command()
@click.option("-m", "--model", required=True, help="Base model, or an ft: model.")
@click.option("-t", "--training-file", required=True, help="File id, or a path.")
@click.option("-v", "--validation-file", help="File id, or a path.")
@click.option("--n-epochs", type=int)
@click.option("--batch-size", type=int)
@click.option("--learning-rate-multiplier", type=float)
@click.option("--suffix", help="Part of the tuned model's name.")
@click.option("--seed", type=int)
@click.option("--follow", "follow_", is_flag=True, help="Stay until the job ends.")
@as_json
def create(
    model: str,
    training_file: str,
    validation_file: str | None,
    suffix: str | None,
    seed: int | None,
    follow_: bool,
    json_: bool,
    **hyperparameters: float | None,
) -> None:
    """Create a job; a path is uploaded first. What is not given is `auto`."""
    client = connect()
    request: dict[str, Any] = {"model": model, "suffix": suffix, "seed": seed}
    request["training_file"] = _file_id(client, training_file)
    if validation_file:
        request["validation_file"] = _file_id(client, validation_file)
    given = {name: value for name, value in hyperparameters.items() if value}
    if given:
        settings = {"type": "supervised", "supervised": {"hyperparameters": given}}
        request["method"] = settings
    job = client.fine_tuning.jobs.create(**request)
    if follow_:
        _follow(client, job.id)
    else:
        print_object(job, json_)


def _file_id(client: OpenAI, name: str) -> str:
    if not Path(name).is_file():
        return name
    return client.files.create(file=Path(name), purpose="fine-tune").id


@jobs.command("list")
@as_json
def list_(json_: bool) -> None:
    """All jobs, newest first."""
    print_objects(list(connect().fine_tuning.jobs.list()), COLUMNS, json_)


@jobs.command()
@click.argument("job_id")
@as_json
def get(job_id: str, json_: bool) -> None:
    """What the API knows of JOB_ID."""
    print_object(connect().fine_tuning.jobs.retrieve(job_id), json_)


@jobs.command()
@click.argument("job_id")
def follow(job_id: str) -> None:
    """Print events until JOB_ID ends; exit 1 unless it succeeded."""
    _follow(connect(), job_id)


def _follow(client: OpenAI, job_id: str) -> None:
    from finetune_kit.jobs.follow import follow

    job: FineTuningJob = follow(client, job_id)
    if job.status != "succeeded":
        raise SystemExit(1)


@jobs.command()
@click.argument("job_id")
@as_json
def events(job_id: str, json_: bool) -> None:
    """All events of JOB_ID, oldest first."""
    pages = connect().fine_tuning.jobs.list_events(job_id, limit=100)
    columns = ["created_at", "level", "message"]
    print_objects(list(pages)[::-1], columns, json_)


@jobs.command()
@click.argument("job_id")
@as_json
def checkpoints(job_id: str, json_: bool) -> None:
    """The checkpoints of JOB_ID; each can be asked like a model."""
    found = list(connect().fine_tuning.jobs.checkpoints.list(job_id))
    columns = ["step_number", "fine_tuned_model_checkpoint", "metrics"]
    print_objects(found, columns, json_)


@jobs.command()
@click.argument("job_id")
@as_json
def results(job_id: str, json_: bool) -> None:
    """Losses and accuracies of JOB_ID by step."""
    from finetune_kit.jobs.results import results

    frame = results(connect(), job_id).astype(object)
    rows = frame.where(frame.notna(), None).to_numpy().tolist()
    print_table(Table(list(frame.columns), rows), json_)


@jobs.command()
@click.argument("job_id")
@as_json
def cancel(job_id: str, json_: bool) -> None:
    """Cancel JOB_ID."""
    print_object(connect().fine_tuning.jobs.cancel(job_id), json_)
