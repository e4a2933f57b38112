"""``finetune-kit split`` and ``convert``: the rows of a file into other files."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

import click

from finetune_kit.cli.kinds import DATA_FILE
from finetune_kit.cli.output import as_json, print_json

if TYPE_CHECKING:
    from finetune_kit.dataset.convert import To

_COLUMNS = re.compile(r"\w+(,\w+)+")


@click.command()
@click.argument("file", type=DATA_FILE)
@click.option("--by", metavar="KEY", help="Rows of one KEY stay together.")
@click.option(
    "--pattern",
    metavar="REGEX",
    help="The same for what REGEX finds in a row's text, e.g. 'C-[0-9]+'.",
)
@click.option("--stratify", metavar="KEY", help="Keep the shares of its values alike.")
@click.option(
    "--sizes",
    default="0.8,0.2",
    show_default=True,
    metavar="SHARES",
    help="Of training, validation and, if there are three, test.",
)
@click.option("--seed", type=int, default=42, show_default=True)
@click.option(
    "-o",
    "--output",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="FOLDER",
    help="Write the parts there, else beside FILE.",
)
@as_json
def split(
    file: Path,
    by: str | None,
    pattern: str | None,
    stratify: str | None,
    sizes: str,
    seed: int,
    output: Path | None,
    json_: bool,
) -> None:
    """Split FILE into training and validation files that share no group.

    Without --by or --pattern, rows that ask the same stay together.
    """
    from finetune_kit.dataset.split import split as split_rows

    if by and pattern:
        raise click.UsageError("--by and --pattern exclude each other")
    found = split_rows(
        file,
        by=_pattern(pattern) if pattern else by,
        stratify=stratify,
        sizes=_shares(sizes),
        seed=seed,
    )
    paths = found.save(output or file.parent)
    if json_:
        pairs = zip(found.table.to_dicts(), paths, strict=True)
        print_json([{**row, "file": str(path)} for row, path in pairs])
    else:
        click.echo(repr(found))
        click.echo("written: " + ", ".join(map(str, paths)))


def _pattern(text: str) -> re.Pattern[str]:
    try:
        return re.compile(text)
    except re.error as error:
        raise click.UsageError(f"--pattern {text}: {error}") from None


def _shares(text: str) -> list[float]:
    try:
        return [float(share) for share in text.split(",")]
    except ValueError:
        raise click.UsageError(f"--sizes {text}: write shares as 0.8,0.2") from None


@click.command()
@click.argument("file", type=DATA_FILE)
@click.option(
    "--to",
    type=click.Choice(["chat", "completion"]),
    default="chat",
    show_default=True,
)
@click.option(
    "--template",
    multiple=True,
    metavar="ROLE=TEXT",
    help="Of a table: user='{question}', assistant='{answer}'; columns with commas "
    "between them become one JSON object. Once for each role.",
)
@click.option("-s", "--system", help="System prompt to put before each conversation.")
@click.option(
    "-o",
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Write the rows there; without it they are only shown.",
)
def convert(
    file: Path,
    to: To,
    template: tuple[str, ...],
    system: str | None,
    output: Path | None,
) -> None:
    """Turn prompt/completion into chat or back, a table or an array into JSONL.

    Exits 1 when rows were left out.
    """
    from finetune_kit.dataset.convert import convert as convert_rows

    roles = dict(map(_role, template)) or None
    found = convert_rows(file, to, roles, system)
    click.echo(repr(found))
    if output:
        click.echo(f"written: {found.save(output)}")
    raise SystemExit(1 if found.skipped else 0)


def _role(text: str) -> tuple[str, str | list[str]]:
    role, equals, form = text.partition("=")
    if not equals:
        raise click.UsageError(f"--template {text}: write it as user='{{question}}'")
    return role, form.split(",") if _COLUMNS.fullmatch(form) else form
