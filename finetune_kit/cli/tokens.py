"""``finetune-kit tokens``: how large a file is, what is cut, what training costs."""

from __future__ import annotations

from pathlib import Path

import click

from finetune_kit.cli.data import workers_option
from finetune_kit.cli.kinds import DATA_FILE
from finetune_kit.cli.output import as_json, print_json


@click.command()
@click.argument("file", type=DATA_FILE)
@click.option("-m", "--model", default="gpt-4.1-mini", show_default=True)
@click.option("--n-epochs", type=click.IntRange(1, 50), help="Else `auto`.")
@click.option(
    "--saves",
    type=click.IntRange(1),
    metavar="TOKENS",
    help="Prompt tokens that the tuned model saves a call: tells the break-even.",
)
@click.option("--against", metavar="MODEL", help="What is called today, else MODEL.")
@workers_option
@as_json
def tokens(
    file: Path,
    model: str,
    n_epochs: int | None,
    saves: int | None,
    against: str | None,
    workers: int,
    json_: bool,
) -> None:
    """Count the tokens of FILE by role, and tell limits and the range of the price."""
    from finetune_kit.dataset import money
    from finetune_kit.dataset.sizes import sizes

    found = sizes(file, model, workers)
    found.require_tokens()
    epochs: money.Epochs = n_epochs or "auto"
    estimate = money.price_or_none(found, model, epochs)
    gain = money.break_even(found, model, saves, against, epochs) if saves else None
    if json_:
        print_json(
            found.to_dict()
            | {"cost": estimate.to_dict() if estimate else None}
            | ({"break_even": gain.to_dict()} if gain else {})
        )
        return
    click.echo(repr(found))
    for one in found.truncated[:10]:
        click.echo(
            f"line {one.line}: {one.tokens:,} tokens, the last {one.cut:,} are cut, in "
            f"the text of {one.role} from {one.lost!r} on"
        )
    click.echo("")
    if estimate:
        click.echo(f"Training {found.model}: " + "\n  ".join(estimate.lines()))
    else:
        click.echo(f"No training price is known for {found.model}.")
    if gain:
        click.echo(repr(gain))
