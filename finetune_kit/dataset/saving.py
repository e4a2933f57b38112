"""Writing data files: one JSON object a line, never over the file they came from."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from os import PathLike
from pathlib import Path
from typing import Any

from finetune_kit.patience import patiently


def line_of(value: Mapping[str, Any]) -> str:
    """The line of JSONL for one example, letters as they are, not as escapes."""
    text = json.dumps(value, ensure_ascii=False, allow_nan=False)
    try:
        text.encode("utf-8")
    except UnicodeEncodeError:  # half of a character, which only an escape can hold
        return json.dumps(value, allow_nan=False)
    return text


def write_lines(
    path: str | PathLike[str], lines: Iterable[str], source: object = None
) -> Path:
    """Write lines as UTF-8, whole or not at all; `source` is never overwritten.

    Raises ValueError when `path` is the file that the lines came from, or is not named
    as uploads must be.
    """
    target = Path(path)
    if target.suffix.lower() != ".jsonl":
        raise ValueError(
            f"{target.name} does not end in .jsonl, as the file of an upload must; "
            f"for example {target.stem}.jsonl"
        )
    refuse_original(target, source)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f"{target.name}.{os.getpid()}.part")
    try:
        with unfinished.open("w", encoding="utf-8", newline="\n") as out:
            out.writelines(line + "\n" for line in lines)
        patiently(lambda: unfinished.replace(target))
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def refuse_original(path: Path, source: object) -> None:
    """Raise ValueError when `path` is the file that `source` names."""
    if not isinstance(source, str | PathLike):
        return
    if path.exists() and Path(source).exists() and path.samefile(source):
        raise ValueError(
            f"{path} is the original, which stays as it is; choose another name, "
            f"for example {path.stem}_repaired.jsonl"
        )
