"""``finetune-kit chat``: ask a model from the shell."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

from finetune_kit.cli.kinds import FINITE
from finetune_kit.connect import connect

if TYPE_CHECKING:
    from openai.types.chat import ChatCompletionMessageParam


@click.command()
@click.option("-m", "--model", required=True, help="Base, tuned model or checkpoint.")
@click.option("-s", "--system", help="System prompt.")
@click.option(
    "--temperature",
    type=FINITE,
    default=0.0,
    show_default=True,
    help="0 always gives the likeliest answer; 1 is the API's own default.",
)
@click.argument("prompt", nargs=-1, required=True)
def chat(
    model: str, system: str | None, temperature: float, prompt: tuple[str, ...]
) -> None:
    """Ask MODEL and print the answer as it comes."""
    messages: list[ChatCompletionMessageParam] = []
    if system:
        messages.append({"role": "system", "content": system})
    messages.append({"role": "user", "content": " ".join(prompt)})
    stream = connect().chat.completions.create(
        model=model, messages=messages, temperature=temperature, stream=True
    )
    for chunk in stream:
        if chunk.choices:
            click.echo(chunk.choices[0].delta.content or "", nl=False)
    click.echo()
