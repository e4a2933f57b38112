"""``finetune-kit prepare-data`` asks what `openai tools fine_tunes.prepare_data` did.

The same command answers to its old spelling, `finetune-kit tools
fine_tunes.prepare_data -f FILE`.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from finetune_kit.cli.kinds import DATA_FILE

if TYPE_CHECKING:
    from finetune_kit.dataset.prepare_data import DataFormat, Prepared


@click.command("prepare-data")
@click.argument("file", type=DATA_FILE)
@click.option("-q", "--quiet", is_flag=True, help="Say yes to every question.")
@click.option("--to", type=click.Choice(["chat", "completion"]), help="Convert first.")
@click.option(
    "-m", "--model", help="The model to train; examples over its limit are long."
)
@click.option(
    "-o", "--output", type=click.Path(path_type=Path), help="Name of the result."
)
def prepare_data(
    file: Path,
    quiet: bool,
    to: DataFormat | None,
    model: str | None,
    output: Path | None,
) -> None:
    """Look through FILE, recommend changes, ask, and write a new JSONL file.

    Reads CSV, TSV, XLSX, TXT, JSON and JSONL; prompt/completion rows and chats.
    """
    _prepare(file, quiet, to, model, output)


@click.group()
def tools() -> None:
    """The 2023 spelling of commands: `tools fine_tunes.prepare_data -f FILE`."""


@tools.command("fine_tunes.prepare_data")
@click.option("-f", "--file", type=DATA_FILE, required=True)
@click.option("-q", "--quiet", is_flag=True, help="Say yes to every question.")
def old_prepare_data(file: Path, quiet: bool) -> None:
    """The same as `finetune-kit prepare-data FILE`."""
    _prepare(file, quiet, None, None, None)


def _prepare(
    file: Path,
    quiet: bool,
    to: DataFormat | None,
    model: str | None,
    output: Path | None,
) -> None:
    from finetune_kit.dataset.prepare_data import DEFAULT_MODELS
    from finetune_kit.dataset.prepare_data import prepare_data as look_through

    def yes(question: str) -> bool:
        """Anything but n is a yes, as it was."""
        if quiet:
            click.echo(f"{question} [Y/n]: Y")
            return True
        answer: str = click.prompt(
            f"{question} [Y/n]", default="Y", show_default=False, prompt_suffix=": "
        )
        return answer.strip().lower() != "n"

    click.echo("Analyzing...\n")
    preparation = look_through(file, model, to)
    for remedy in preparation.remedies:
        if remedy.said:
            click.echo(f"- {remedy.said}")
    if preparation.needed or preparation.advised:
        click.echo("\nBased on the analysis we will perform the following actions:")
    else:
        click.echo("\nNo remediations found.")
    for needed in preparation.needed:
        click.echo(f"- [Necessary] {needed}")
    prepared = preparation.apply(lambda advised: yes(f"- [Recommended] {advised}"))
    splits = prepared.task == "classification" and yes(
        "- [Recommended] Would you like to split into training and validation set?"
    )
    paths = [file]
    if prepared.changed or splits:
        if not yes("\nYour data will be written to a new JSONL file. Proceed"):
            raise click.ClickException("Aborting... did not write the file")
        paths = prepared.write(output, splits)
        names = "` and `".join(map(str, paths))
        click.echo(f"\nWrote modified file{'s' if splits else ''} to `{names}`")
        click.echo("Feel free to take a look!\n\nNow use that file when fine-tuning:")
    else:
        click.echo("\nYou can use your file for fine-tuning:")
    _close(prepared, paths, model or DEFAULT_MODELS[prepared.format])


def _close(prepared: Prepared, paths: list[Path], model: str) -> None:
    """The next command, what to remember, what it costs, whether it would be taken."""
    from finetune_kit.dataset import money

    validation = f' -v "{paths[1]}"' if len(paths) > 1 else ""
    click.echo(f'> finetune-kit jobs create -t "{paths[0]}"{validation} -m {model}\n')
    for hint in prepared.hints():
        click.echo(hint)
    if estimate := money.price_or_none(paths[0], model):
        click.echo(f"Training {model}: {'; '.join(estimate.lines())}.")
    report = prepared.check()
    for found in report.errors[:10]:
        click.echo(f"Still to do, {found.where}: {found.what}. {found.fix}")
