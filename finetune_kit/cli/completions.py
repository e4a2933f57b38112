"""``finetune-kit completions``: let a model write on from a text."""

from __future__ import annotations

from typing import Any

import click

from finetune_kit.cli.kinds import FINITE
from finetune_kit.connect import connect


@click.group()
def completions() -> None:
    """Let a model write on from a text: the endpoint of prompts and completions."""


@completions.command()
@click.option("-m", "--model", required=True, help="ada … davinci, or a tuned model.")
@click.option("-p", "--prompt", required=True, help="The text to write on from.")
@click.option("-M", "--max-tokens", type=int, help="16 if not given.")
@click.option("-t", "--temperature", type=FINITE, help="0: always the likeliest.")
@click.option("-n", type=int, help="Number of answers.")
@click.option("--stop", multiple=True, help="Where to stop; repeat for several.")
def create(model: str, prompt: str, stop: tuple[str, ...], **settings: Any) -> None:
    """Print what MODEL writes after PROMPT."""
    print_completions(model, prompt, list(stop), echo=False, **settings)


def print_completions(
    model: str, prompt: str, stop: list[str], *, echo: bool, **settings: Any
) -> None:
    """Each answer; with a headline where there are several, as in 2023."""
    given = {name: value for name, value in settings.items() if value is not None}
    if stop:
        given["stop"] = stop
    made = connect().completions.create(model=model, prompt=prompt, echo=echo, **given)
    for choice in made.choices:
        if len(made.choices) > 1:
            click.echo(f"===== Completion {choice.index} =====")
        click.echo(choice.text)
