"""Kinds of options and arguments: a data file, a finite number."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click


class _DataFile(click.Path):
    """A regular file that is there: a pipe could not be read twice."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        path = Path(str(super().convert(value, param, ctx)))
        if not path.is_file():
            self.fail(_why_no_file(path), param, ctx)
        return path


class _Finite(click.types.FloatParamType):
    """A number that JSON can hold: no nan, no inf."""

    def convert(
        self, value: Any, param: click.Parameter | None, ctx: click.Context | None
    ) -> Any:
        number = super().convert(value, param, ctx)
        if not math.isfinite(number):
            self.fail(f"{value!r} is not a finite number.", param, ctx)
        return number


DATA_FILE = _DataFile(exists=True, dir_okay=False, path_type=Path)
FINITE = _Finite()


def is_file(name: str) -> bool:
    """Whether ``name`` is a file here, else the id of one; refuses folders, pipes."""
    path = Path(name)
    if path.exists() and not path.is_file():
        raise click.UsageError(_why_no_file(path))
    return path.is_file()


def _why_no_file(path: Path) -> str:
    if path.is_dir():
        return f"'{path}' is a folder; name a file in it."
    return f"'{path}' must be a regular file; save what the pipe gives into one first."
