"""How commands print: a table for people, JSON with ``--json`` for programs."""

from __future__ import annotations

import json
import os
import shlex
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from finetune_kit.display.tables import Table

if TYPE_CHECKING:
    from pydantic import BaseModel

as_json = click.option("--json", "json_", is_flag=True, help="Print JSON.")


def print_json(value: Any) -> None:
    """As JSON; a console that is not UTF-8 gets escapes in place of lost letters."""
    encoding = getattr(sys.stdout, "encoding", None) or ""
    escaped = not encoding.lower().startswith("utf")
    click.echo(json.dumps(value, indent=2, ensure_ascii=escaped))


def command_line(*words: str, file: Path) -> str:
    """A command on ``file`` as a shell takes it."""
    line = [*words, *["--"] * str(file).startswith("-"), str(file)]
    return subprocess.list2cmdline(line) if os.name == "nt" else shlex.join(line)


def print_table(table: Table, json_: bool) -> None:
    if json_:
        print_json(table.to_dicts())
    else:
        click.echo(repr(table))


def print_object(thing: BaseModel, json_: bool) -> None:
    """One API object: its fields as a table, or exactly as the API sent it."""
    print_dict(thing.to_dict(mode="json"), json_)  # type: ignore[attr-defined]


def print_dict(sent: dict[str, Any], json_: bool) -> None:
    if json_:
        print_json(sent)
        return
    rows = [[key, _value(key, value)] for key, value in sent.items()]
    print_table(Table(["field", "value"], rows), json_=False)


def print_objects(things: list[Any], columns: list[str], json_: bool) -> None:
    """API objects as rows of the named fields, or all exactly as the API sent them."""
    print_dicts([thing.to_dict(mode="json") for thing in things], columns, json_)


def print_dicts(sent: list[dict[str, Any]], columns: list[str], json_: bool) -> None:
    if json_:
        print_json(sent)
        return
    rows = [[_value(name, thing.get(name)) for name in columns] for thing in sent]
    print_table(Table(columns, rows), json_=False)


def _value(name: str, value: Any) -> Any:
    if name.endswith("_at") and isinstance(value, int):
        return f"{datetime.fromtimestamp(value, UTC):%Y-%m-%dT%H:%M:%SZ}"
    return json.dumps(value) if isinstance(value, dict | list) else value
