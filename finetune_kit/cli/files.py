"""``finetune-kit files``: the API's files."""

from __future__ import annotations

from pathlib import Path

import click

from finetune_kit.cli.output import as_json, print_object, print_objects
from finetune_kit.connect import connect

COLUMNS = ["id", "filename", "purpose", "bytes", "status", "created_at"]
path = click.Path(exists=True, dir_okay=False, path_type=Path)


@click.group()
def files() -> None:
    """Upload, list, read and delete files of the API."""


@files.command()
@click.argument("file", type=path)
@click.option("-p", "--purpose", default="fine-tune", show_default=True)
@as_json
def create(file: Path, purpose: str, json_: bool) -> None:
    """Upload FILE."""
    made = connect().files.create(file=file, purpose=purpose)  # type: ignore[arg-type]
    print_object(made, json_)


@files.command("list")
@as_json
def list_(json_: bool) -> None:
    """All files, newest first."""
    print_objects(list(connect().files.list()), COLUMNS, json_)


@files.command()
@click.argument("file_id")
@as_json
def get(file_id: str, json_: bool) -> None:
    """What the API knows of FILE_ID."""
    print_object(connect().files.retrieve(file_id), json_)


@files.command()
@click.argument("file_id")
def content(file_id: str) -> None:
    """The bytes of FILE_ID, as the API sends them, on standard output."""
    click.echo(connect().files.content(file_id).read(), nl=False)


@files.command()
@click.argument("file_id")
@as_json
def delete(file_id: str, json_: bool) -> None:
    """Delete FILE_ID."""
    print_object(connect().files.delete(file_id), json_)
