"""``finetune-kit fine-tunes``: the fine-tuning API of 2023, and how it is followed."""

from __future__ import annotations

import sys
from collections.abc import Callable
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from finetune_kit.cli.kinds import FINITE, is_file
from finetune_kit.cli.output import as_json, print_dict, print_dicts
from finetune_kit.connect import connect
from finetune_kit.jobs import fine_tunes as api
from finetune_kit.jobs.guard import http_library

if TYPE_CHECKING:
    from openai import OpenAI

COLUMNS = ["id", "model", "status", "fine_tuned_model", "created_at"]
F = TypeVar("F", bound=Callable[..., Any])

_SETTINGS = (
    ("--model", "-m", str, "ada, babbage, curie, davinci, or a tuned one of them."),
    ("--suffix", None, str, "Part of the tuned model's name."),
    ("--n_epochs", None, int, "How often the data is read; 4 if not given."),
    ("--batch_size", None, int, "Examples a step; about 0.2 % if not given."),
    ("--learning_rate_multiplier", None, FINITE, "0.02 to 0.2 is usual."),
    ("--prompt_loss_weight", None, FINITE, "How much prompts count; 0.01."),
    ("--classification_n_classes", None, int, "Number of different completions."),
    ("--classification_positive_class", None, str, "One of two completions."),
)


@click.group("fine-tunes")
def fine_tunes() -> None:
    """The API of 2023: prompts and completions, ada to davinci."""


def settings(command: F) -> F:
    """The options of a new fine-tune, in the spelling of 2023 and in today's."""
    for name, short, type_, text in reversed(_SETTINGS):
        names = [short] if short else []
        names += dict.fromkeys([name.replace("_", "-"), name])
        command = click.option(*names, type=type_, help=text)(command)
    command = click.option(
        "--classification-betas",
        "--classification_betas",
        type=FINITE,
        multiple=True,
        help="F-beta scores to compute; repeat the option for several.",
    )(command)
    return click.option(
        "--compute-classification-metrics",
        "--compute_classification_metrics",
        is_flag=True,
        help="Measure accuracy and more on the validation file.",
    )(command)


def start(client: OpenAI, training: str, validation: str | None, given: Any) -> Any:
    """A new fine-tune of files that are on the API; what is not given is left out."""
    given["classification_betas"] = list(given["classification_betas"]) or None
    if not given["compute_classification_metrics"]:
        del given["compute_classification_metrics"]
    return api.create(
        client, training_file=training, validation_file=validation, **given
    )


@fine_tunes.command()
@click.option("-t", "--training-file", required=True, help="File id, or a path.")
@click.option("-v", "--validation-file", help="File id, or a path.")
@click.option("--follow", "follow_", is_flag=True, help="Stay until it ends.")
@settings
@as_json
def create(
    training_file: str,
    validation_file: str | None,
    follow_: bool,
    json_: bool,
    **given: Any,
) -> None:
    """Create a fine-tune; a path is uploaded first."""
    client = connect()
    training = uploaded(client, training_file)
    validation = uploaded(client, validation_file) if validation_file else None
    made = start(client, training, validation, given)
    if follow_:
        follow_created(client, made["id"])
    else:
        print_dict(made, json_)


def uploaded(client: OpenAI, name: str) -> str:
    """The id of a file on the API; a path is uploaded."""
    if not is_file(name):
        return name
    return client.files.create(file=Path(name), purpose="fine-tune").id


@fine_tunes.command("list")
@as_json
def list_(json_: bool) -> None:
    """All fine-tunes, oldest first."""
    print_dicts(api.list_all(connect()), COLUMNS, json_)


@fine_tunes.command()
@click.argument("fine_tune_id")
@as_json
def get(fine_tune_id: str, json_: bool) -> None:
    """What the API knows of FINE_TUNE_ID."""
    print_dict(api.retrieve(connect(), fine_tune_id), json_)


@fine_tunes.command()
@click.argument("fine_tune_id")
def follow(fine_tune_id: str) -> None:
    """Print events until FINE_TUNE_ID ends; exit 1 unless it succeeded."""
    follow_events(connect(), fine_tune_id)


@fine_tunes.command()
@click.argument("fine_tune_id")
@as_json
def events(fine_tune_id: str, json_: bool) -> None:
    """All events of FINE_TUNE_ID, oldest first."""
    columns = ["created_at", "level", "message"]
    print_dicts(api.events(connect(), fine_tune_id), columns, json_)


@fine_tunes.command()
@click.argument("fine_tune_id")
def results(fine_tune_id: str) -> None:
    """The result file of FINE_TUNE_ID: losses and accuracies by step."""
    click.echo(api.results(connect(), fine_tune_id), nl=False)


@fine_tunes.command()
@click.argument("fine_tune_id")
@as_json
def cancel(fine_tune_id: str, json_: bool) -> None:
    """Cancel FINE_TUNE_ID."""
    print_dict(api.cancel(connect(), fine_tune_id), json_)


def follow_created(client: OpenAI, fine_tune_id: str) -> None:
    click.echo(
        f"Created fine-tune: {fine_tune_id}\n"
        "Streaming events until fine-tuning is complete...\n\n"
        "(Ctrl-C will interrupt the stream, but not cancel the fine-tune)"
    )
    follow_events(client, fine_tune_id)


def follow_events(client: OpenAI, fine_tune_id: str) -> None:
    """Print events in the words of 2023 until the fine-tune ends.

    Ctrl-C, or a server that goes away, ends only the watching, and says how to go on.
    Exits 1 unless the fine-tune succeeded.
    """
    from openai import APIConnectionError

    # The SDK wraps a failed connection, but not a stream that breaks off.
    broken: type[Exception] = http_library().TransportError
    try:
        for event in api.stream(client, fine_tune_id):
            when = datetime.fromtimestamp(event["created_at"])
            click.echo(f"[{when}] {event['message']}")
            sys.stdout.flush()
        job = api.retrieve(client, fine_tune_id)
    except (KeyboardInterrupt, APIConnectionError, broken):
        click.echo(
            "\nStream interrupted (client disconnected).\n"
            "To resume the stream, run:\n\n"
            f"  finetune-kit api fine_tunes.follow -i {fine_tune_id}\n",
            err=True,
        )
        raise SystemExit(1) from None
    if job["status"] != "succeeded":
        click.echo(f"\nJob {job['status']}.")
        raise SystemExit(1)
    click.echo(
        "\nJob complete! Status: succeeded 🎉\n"
        "Try out your fine-tuned model:\n\n"
        "finetune-kit api completions.create "
        f"-m {job['fine_tuned_model']} -p <YOUR_PROMPT>"
    )
