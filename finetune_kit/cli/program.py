"""The program: all commands in one group, and how it tells an error."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Any

import click

import finetune_kit
from finetune_kit.cli import (
    answers,
    api,
    classroom,
    completions,
    data,
    files,
    fine_tunes,
    jobs,
    notebooks,
    prepare,
    repair,
    rows,
    server,
    tokens,
    webhooks,
)


class Program(click.Group):
    """A group that tells errors of the API and of the kit in one line, exit 1."""

    def invoke(self, ctx: click.Context) -> Any:
        try:
            return super().invoke(ctx)
        except (click.exceptions.Exit, click.Abort):
            raise  # click's own, which are RuntimeErrors
        except BrokenPipeError:
            raise  # click ends silently where nobody reads on
        except (ValueError, OSError, RuntimeError) as error:
            raise click.ClickException(str(error)) from None
        except Exception as error:
            import openai

            if not isinstance(error, openai.OpenAIError):
                raise
            raise click.ClickException(api_message(error)) from None


def api_message(error: Exception) -> str:
    """The API's own sentence, without the SDK's wrapping, with param and code."""
    import openai

    if isinstance(error, openai.APIConnectionError):
        return (
            f"No answer from {error.request.url}: {error.__cause__ or error}. Is the "
            "address right, and does the server run?"
        )
    body = getattr(error, "body", None)
    if not isinstance(body, dict):
        return str(error)
    marks = [f"{key}: {body[key]}" for key in ("param", "code") if body.get(key)]
    where = f" ({', '.join(marks)})" if marks else ""
    return f"{body.get('message', error)}{where}"


@click.group(cls=Program, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(finetune_kit.__version__, prog_name="finetune-kit")
def main() -> None:
    """Learn to fine-tune language models: the course, the local API, your data."""
    # losses and Latin print everywhere, also on consoles that are not UTF-8
    for stream in (sys.stdout, sys.stderr):
        if hasattr(stream, "reconfigure"):
            stream.reconfigure(errors="replace")
    if chosen := os.environ.get("FINETUNE_KIT_HOME"):
        # kernels and JupyterLab run in other folders
        os.environ["FINETUNE_KIT_HOME"] = str(Path(chosen).expanduser().resolve())


for command in (
    notebooks.lab,
    notebooks.run,
    *server.commands,
    classroom.class_,
    data.check,
    data.duplicates,
    repair.repair,
    rows.split,
    rows.convert,
    prepare.prepare_data,
    prepare.tools,
    tokens.tokens,
    files.files,
    jobs.jobs,
    webhooks.webhooks,
    answers.chat,
    completions.completions,
    fine_tunes.fine_tunes,
    api.api,
):
    main.add_command(command)
