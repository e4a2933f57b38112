"""``finetune-kit check``: would this training file be accepted?"""

from __future__ import annotations

from pathlib import Path
from typing import get_args

import click

from finetune_kit.cli.output import as_json, print_json
from finetune_kit.dataset.check import FormatChoice
from finetune_kit.dataset.check import check as check_file

FORMATS = get_args(FormatChoice)


@click.command()
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.option("--format", "format_", type=click.Choice(FORMATS), default="auto")
@as_json
def check(file: Path, format_: FormatChoice, json_: bool) -> None:
    """Check a training FILE as the API does; exit 1 when it would be rejected."""
    report = check_file(file, format=format_)
    if json_:
        print_json(report.to_dict())
    else:
        click.echo(repr(report))
    raise SystemExit(0 if report.ok else 1)
