"""``finetune-kit repair``: what can be mended, as a diff; with ``-o`` it is written."""

from __future__ import annotations

from pathlib import Path

import click

from finetune_kit.cli.kinds import DATA_FILE
from finetune_kit.cli.output import as_json, print_json


@click.command()
@click.argument("file", type=DATA_FILE)
@click.option(
    "--fix",
    "codes",
    multiple=True,
    default=["safe"],
    show_default=True,
    help="All safe fixes, or the code of one; can be given several times.",
)
@click.option(
    "--answer",
    "answers",
    multiple=True,
    metavar="ROLE=ROLE",
    help="What a role of your own means, e.g. bot=assistant.",
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Write the result there."
)
@click.option("--partial", is_flag=True, help="Write it though errors remain.")
@as_json
def repair(
    file: Path,
    codes: tuple[str, ...],
    answers: tuple[str, ...],
    output: Path | None,
    partial: bool,
    json_: bool,
) -> None:
    """Show how FILE can be repaired; FILE itself always stays as it is.

    Exits 1 when errors remain that need a decision of yours.
    """
    from finetune_kit.dataset.repair import repair as repair_file

    mended = repair_file(file, fixes=codes, answers=dict(map(_answer, answers)))
    if json_:
        print_json(mended.to_dict())
    else:
        click.echo(repr(mended))
    if output:
        written = mended.save(output, partial=partial)
        click.echo(f"written: {written}", err=True)
    raise SystemExit(0 if mended.ok else 1)


def _answer(text: str) -> tuple[str, str]:
    role, equals, meant = text.partition("=")
    if not equals:
        raise click.UsageError(f"--answer {text}: write it as bot=assistant")
    return role, meant
