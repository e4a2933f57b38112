"""``finetune-kit webhooks``: who is told when a job ends."""

from __future__ import annotations

from typing import Any

import click

from finetune_kit.cli.output import as_json, print_object, print_objects
from finetune_kit.connect import connect

EVENTS = [f"fine_tuning.job.{end}" for end in ("succeeded", "failed", "cancelled")]
COLUMNS = ["id", "name", "url", "event_types", "created_at"]


@click.group()
def webhooks() -> None:
    """Tell a program of yours when a job ends (needs openai 3)."""


@webhooks.command()
@click.argument("url")
@click.option("--name", default="finetune-kit", show_default=True)
@click.option(
    "--event", "events", multiple=True, type=click.Choice(EVENTS), help="Default: all."
)
@as_json
def create(url: str, name: str, events: tuple[str, ...], json_: bool) -> None:
    """Send events to URL; prints the secret for client.webhooks.unwrap, once."""
    wanted: Any = list(events) or EVENTS
    made = connect().webhooks.create(name=name, url=url, event_types=wanted)
    print_object(made, json_)


@webhooks.command("list")
@as_json
def list_(json_: bool) -> None:
    """All endpoints, newest first."""
    print_objects(list(connect().webhooks.list()), COLUMNS, json_)


@webhooks.command()
@click.argument("endpoint_id")
@as_json
def delete(endpoint_id: str, json_: bool) -> None:
    """Send nothing more to ENDPOINT_ID."""
    print_object(connect().webhooks.delete(endpoint_id), json_)
