"""``finetune-kit api``: the command line of 2023, `openai api …`, word for word.

Each command prints JSON, as it did then. (`tools fine_tunes.prepare_data` is the
other half of that command line.)
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finetune_kit.cli import fine_tunes
from finetune_kit.cli.completions import print_completions
from finetune_kit.cli.kinds import DATA_FILE, FINITE, is_file
from finetune_kit.cli.output import print_json
from finetune_kit.connect import connect
from finetune_kit.jobs import fine_tunes as client_calls

if TYPE_CHECKING:
    from openai import OpenAI

identified = click.option("-i", "--id", "id_", required=True)


@click.group()
def api() -> None:
    """The 2023 spelling of commands: `api fine_tunes.create -t … -m …`."""


@api.command("fine_tunes.create")
@click.option(
    "-t", "--training_file", required=True, help="A path, or the id of a file."
)
@click.option("-v", "--validation_file", help="A path, or the id of a file.")
@click.option(
    "--no_check_if_files_exist",
    "check",
    flag_value=False,
    default=True,
    help="Do not ask whether to reuse a file that was uploaded before.",
)
@click.option("--no_follow", is_flag=True, help="Do not stay until it ends.")
@fine_tunes.settings
def create(
    training_file: str,
    validation_file: str | None,
    check: bool,
    no_follow: bool,
    **given: Any,
) -> None:
    """Upload the files, create a fine-tune, and follow it to its end."""
    client = connect()
    training = _uploaded(client, training_file, check)
    validation = _uploaded(client, validation_file, check) if validation_file else None
    made = fine_tunes.start(client, training, validation, given)
    if no_follow:
        print_json(made)
    else:
        fine_tunes.follow_created(client, made["id"])


def _uploaded(client: OpenAI, name: str, check: bool) -> str:
    """The id of a file on the API; a path is uploaded, unless it was before."""
    if not is_file(name):
        return name
    path = Path(name)
    if check and (known := _chosen(client, path)):
        click.echo(f"Reusing already uploaded file: {known}")
        return known
    made = client.files.create(file=path, purpose="fine-tune")
    click.echo(f"Uploaded file from {name}: {made.id}")
    return made.id


def _chosen(client: OpenAI, path: Path) -> str:
    """One of the uploaded files of the same name and size, or "" for none of them."""
    size = path.stat().st_size
    found = [
        file.id
        for file in client.files.list(purpose="fine-tune")
        if (file.filename, file.bytes) == (path.name, size)
    ]
    if not found:
        return ""
    listed = "\n".join(found)
    click.echo(
        f"Found potentially duplicated files with name '{path.name}', purpose "
        f"'fine-tune' and size {size} bytes\n{listed}"
    )
    question = (
        "Enter file ID to reuse an already uploaded file, or an empty string to upload "
        "this file anyway"
    )
    while True:
        answer = str(click.prompt(question, default="", show_default=False)).strip()
        if answer in ("", *found):
            return answer
        click.echo(
            f"File id '{answer}' is not among the IDs of the potentially duplicated "
            "files"
        )


@api.command("fine_tunes.list")
def list_() -> None:
    """All fine-tunes, oldest first."""
    print_json({"object": "list", "data": client_calls.list_all(connect())})


@api.command("fine_tunes.get")
@identified
def get(id_: str) -> None:
    """One fine-tune with its events."""
    print_json(client_calls.retrieve(connect(), id_))


@api.command("fine_tunes.follow")
@identified
def follow(id_: str) -> None:
    """Print events until the fine-tune ends; exit 1 unless it succeeded."""
    fine_tunes.follow_events(connect(), id_)


@api.command("fine_tunes.events")
@identified
def events(id_: str) -> None:
    """All events of a fine-tune so far."""
    print_json({"object": "list", "data": client_calls.events(connect(), id_)})


@api.command("fine_tunes.results")
@identified
def results(id_: str) -> None:
    """The result file of a fine-tune."""
    click.echo(client_calls.results(connect(), id_))


@api.command("fine_tunes.cancel")
@identified
def cancel(id_: str) -> None:
    """Cancel a fine-tune."""
    print_json(client_calls.cancel(connect(), id_))


@api.command("fine_tunes.delete")
@identified
def delete(id_: str) -> None:
    """Forget an ended fine-tune; its model stays (models.delete)."""
    print_json(client_calls.delete(connect(), id_))


@api.command("completions.create")
@click.option("-m", "--model", required=True)
@click.option("-p", "--prompt", required=True)
@click.option("-t", "--temperature", type=FINITE)
@click.option("-M", "--max-tokens", type=int)
@click.option("-P", "--top_p", type=FINITE)
@click.option("-n", type=int)
@click.option("--logprobs", type=int)
@click.option("--stop", help="Where to stop.")
def complete(model: str, prompt: str, stop: str | None, **settings: Any) -> None:
    """Print the prompt and what the model writes after it."""
    print_completions(model, prompt, [stop] if stop else [], echo=True, **settings)


@api.command("models.list")
def list_models() -> None:
    """Tuned models and bases."""
    print_json(_plain(connect().models.list()))


@api.command("models.get")
@identified
def get_model(id_: str) -> None:
    """One model."""
    print_json(_plain(connect().models.retrieve(id_)))


@api.command("models.delete")
@identified
def delete_model(id_: str) -> None:
    """Delete a tuned model."""
    print_json(_plain(connect().models.delete(id_)))


@api.command("files.create")
@click.option(
    "-f",
    "--file",
    required=True,
    type=DATA_FILE,
)
@click.option("-p", "--purpose", required=True)
def create_file(file: Path, purpose: Any) -> None:
    """Upload a file."""
    print_json(_plain(connect().files.create(file=file, purpose=purpose)))


@api.command("files.list")
def list_files() -> None:
    """All files, newest first."""
    print_json(_plain(connect().files.list()))


@api.command("files.get")
@identified
def get_file(id_: str) -> None:
    """One file."""
    print_json(_plain(connect().files.retrieve(id_)))


@api.command("files.delete")
@identified
def delete_file(id_: str) -> None:
    """Delete a file."""
    print_json(_plain(connect().files.delete(id_)))


def _plain(thing: Any) -> Any:
    """As the API sent it."""
    return thing.to_dict(mode="json")
