"""``finetune-kit jobs``: fine-tuning jobs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finetune_kit.cli.files import upload
from finetune_kit.cli.kinds import FINITE, is_file
from finetune_kit.cli.output import as_json, print_object, print_objects, print_table
from finetune_kit.connect import connect
from finetune_kit.display.tables import Table

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob

COLUMNS = ["id", "model", "status", "fine_tuned_model", "created_at"]


@click.group()
def jobs() -> None:
    """Create, watch, pause and cancel fine-tuning jobs."""


@jobs.command()
@click.option("-m", "--model", required=True, help="Base model, or an ft: model.")
@click.option("-t", "--training-file", required=True, help="File id, or a path.")
@click.option("-v", "--validation-file", help="File id, or a path.")
@click.option("--n-epochs", type=int)
@click.option("--batch-size", type=int)
@click.option("--learning-rate-multiplier", type=FINITE)
@click.option("--suffix", help="Part of the tuned model's name.")
@click.option("--seed", type=int)
@click.option("--method", type=click.Choice(["supervised", "dpo"]))
@click.option("--beta", type=FINITE, help="Of method dpo: how far it may drift.")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Repeatable.")
@click.option("--follow", "follow_", is_flag=True, help="Stay until the job ends.")
@as_json
def create(
    model: str,
    training_file: str,
    validation_file: str | None,
    suffix: str | None,
    seed: int | None,
    method: str | None,
    metadata: tuple[str, ...],
    follow_: bool,
    json_: bool,
    **hyperparameters: float | None,
) -> None:
    """Create a job; a path is uploaded first. What is not given is `auto`."""
    client = connect()
    request: dict[str, Any] = {"model": model, "suffix": suffix, "seed": seed}
    if metadata:
        request["metadata"] = _pairs(metadata)
    given = {name: v for name, v in hyperparameters.items() if v is not None}
    if given or method:
        kind = method or "supervised"
        request["method"] = {"type": kind, kind: {"hyperparameters": given}}
    with _uploaded(
        client, training_file=training_file, validation_file=validation_file
    ) as files:
        job = client.fine_tuning.jobs.create(**(request | files))
    if follow_:
        _follow(client, job.id)
    else:
        print_object(job, json_)


@contextmanager
def _uploaded(client: OpenAI, **names: str | None) -> Iterator[dict[str, str]]:
    """File ids by parameter; paths are uploaded, and deleted if the block fails."""
    made: list[str] = []
    ids: dict[str, str] = {}
    try:
        for parameter, name in names.items():
            if name and is_file(name):
                made.append(upload(client, Path(name)).id)
                ids[parameter] = made[-1]
            elif name:
                ids[parameter] = name
        yield ids
    except BaseException:  # Ctrl-C too
        for file_id in made:
            client.files.delete(file_id)
        raise


def _pairs(metadata: tuple[str, ...]) -> dict[str, str]:
    for pair in metadata:
        if "=" not in pair:
            raise click.BadParameter(
                f"{pair!r} is not KEY=VALUE", param_hint="metadata"
            )
    return dict(pair.split("=", 1) for pair in metadata)


@jobs.command("list")
@click.option("--metadata", multiple=True, metavar="KEY=VALUE", help="Only these.")
@as_json
def list_(metadata: tuple[str, ...], json_: bool) -> None:
    """All jobs, newest first."""
    wanted = {"metadata": _pairs(metadata)} if metadata else {}
    found = list(connect().fine_tuning.jobs.list(**wanted))  # type: ignore[arg-type]
    print_objects(found, COLUMNS, json_)


@jobs.command()
@click.argument("job_id")
@as_json
def get(job_id: str, json_: bool) -> None:
    """What the API knows of JOB_ID."""
    print_object(connect().fine_tuning.jobs.retrieve(job_id), json_)


@jobs.command()
@click.argument("job_id")
def follow(job_id: str) -> None:
    """Print events until JOB_ID ends or is paused; exit 1 unless it succeeded."""
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


@jobs.command()
@click.argument("job_id")
@as_json
def pause(job_id: str, json_: bool) -> None:
    """Pause JOB_ID; it saves a checkpoint, which can be asked like a model."""
    print_object(connect().fine_tuning.jobs.pause(job_id), json_)


@jobs.command()
@click.argument("job_id")
@as_json
def resume(job_id: str, json_: bool) -> None:
    """Go on with JOB_ID from where it was paused."""
    print_object(connect().fine_tuning.jobs.resume(job_id), json_)
