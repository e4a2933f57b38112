"""``finetune-kit files``: the API's files."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finetune_kit.cli.kinds import DATA_FILE
from finetune_kit.cli.output import as_json, print_object, print_objects
from finetune_kit.connect import connect

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject

MEGABYTE = 2**20
WHOLE_LIMIT = 512 * MEGABYTE  # what the service takes in one piece
COLUMNS = ["id", "filename", "purpose", "bytes", "status", "created_at"]


@click.group()
def files() -> None:
    """Upload, list, read and delete files of the API."""


@files.command()
@click.argument("file", type=DATA_FILE)
@click.option("-p", "--purpose", default="fine-tune", show_default=True)
@click.option(
    "--expires-after", type=int, metavar="SECONDS", help="3600 to 2592000; else never."
)
@click.option(
    "--part-size",
    type=click.IntRange(1, 64 * MEGABYTE),
    metavar="BYTES",
    help="Send FILE in parts of this size. Files above 512 MB always go in parts.",
)
@as_json
def create(
    file: Path,
    purpose: str,
    expires_after: int | None,
    part_size: int | None,
    json_: bool,
) -> None:
    """Upload FILE."""
    print_object(upload(connect(), file, purpose, expires_after, part_size), json_)


def upload(
    client: OpenAI,
    file: Path,
    purpose: str = "fine-tune",
    expires_after: int | None = None,  # seconds
    part_size: int | None = None,  # bytes; None: in one piece where that is possible
) -> FileObject:
    """Upload `file`, in parts where the service takes it no other way."""
    life: dict[str, Any] = {}
    if expires_after is not None:
        life = {"expires_after": {"anchor": "created_at", "seconds": expires_after}}
    size = file.stat().st_size
    if part_size is None and size <= WHOLE_LIMIT:
        return client.files.create(file=file, purpose=purpose, **life)  # type: ignore[arg-type]
    begun = client.uploads.create(
        bytes=size,
        filename=file.name,
        mime_type="text/jsonl",
        purpose=purpose,  # type: ignore[arg-type]
        **life,
    )
    try:
        parts, digest = [], hashlib.md5(usedforsecurity=False)
        with file.open("rb") as content:
            while chunk := content.read(part_size or 64 * MEGABYTE):
                digest.update(chunk)
                parts.append(client.uploads.parts.create(begun.id, data=chunk).id)
        done = client.uploads.complete(begun.id, part_ids=parts, md5=digest.hexdigest())
    except BaseException:  # Ctrl-C too
        client.uploads.cancel(begun.id)
        raise
    assert done.file is not None
    return done.file


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
