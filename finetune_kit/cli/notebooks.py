"""``lab`` and ``run``: the course in JupyterLab, and without a browser."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import click

from finetune_kit import workspace
from finetune_kit.cli.foreground import foreground
from finetune_kit.cli.output import as_json, print_table
from finetune_kit.display.tables import Table


@click.command(context_settings={"ignore_unknown_options": True})
@click.argument("options", nargs=-1, type=click.UNPROCESSED)
def lab(options: tuple[str, ...]) -> None:
    """Open JupyterLab on the course; OPTIONS go to JupyterLab (--no-browser)."""
    root = _root()
    workspace.home()
    command = [sys.executable, "-m", "jupyterlab", f"--ServerApp.root_dir={root}"]
    command += ["--LabApp.default_url=/lab/tree/notebooks/00_start_here.ipynb"]
    foreground([*command, *options], root)


@click.command()
@click.argument(
    "notebooks", nargs=-1, type=click.Path(exists=True, dir_okay=False, path_type=Path)
)
@click.option(
    "-p",
    "parameters",
    type=(str, str),
    multiple=True,
    metavar="NAME VALUE",
    help="Set a parameter of the notebooks; repeatable.",
)
@click.option(
    "--write",
    is_flag=True,
    help="Run each alone in a fresh workspace, deterministically, and put the outputs "
    "into the notebook itself.",
)
@as_json
def run(
    notebooks: tuple[Path, ...],
    parameters: tuple[tuple[str, str], ...],
    write: bool,
    json_: bool,
) -> None:
    """Run NOTEBOOKS (default: the whole course) without a browser; exit 1 on errors."""
    from finetune_kit.cli import execution

    if write and parameters:
        raise click.UsageError(
            "--write commits outputs of the notebook as it is; drop -p."
        )
    found = list(notebooks) or sorted((_root() / "notebooks").glob("[!.]*.ipynb"))
    values = {name: _value(text) for name, text in parameters}
    for path in found:
        unknown, known = execution.unknown_parameters(path, values)
        if unknown:
            raise click.UsageError(
                f"{path.name} has no parameter {', '.join(unknown)}; "
                f"its parameters: {', '.join(known) or 'none'}."
            )
    runs = [execution.execute(path, values, write=write) for path in found]
    rows = [[r.notebook, r.cells, round(r.seconds, 1), r.result] for r in runs]
    print_table(Table(["notebook", "cells", "seconds", "result"], rows), json_)
    raise SystemExit(0 if all(run.result == "ok" for run in runs) else 1)


def _root() -> Path:
    root = workspace.project_root()
    if root is None:
        raise click.ClickException(
            "The course was not found. Go into the folder of finetune-kit first."
        )
    return root


def _value(text: str) -> Any:
    """``3`` is a number, ``true`` a truth value, everything else text."""
    try:
        return json.loads(text)
    except ValueError:
        return text
