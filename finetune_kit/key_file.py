"""Files of keys: one key a line, and behind a `#` whose it is.

The local API reads them, `finetune-kit class` writes them.
"""

from __future__ import annotations

import os
import unicodedata
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple


class Key(NamedTuple):
    """A key, and the name of its user; "" where the file does not say it."""

    value: str
    name: str = ""

    @classmethod
    def of_line(cls, line: str) -> Key:
        value, _, name = line.partition("#")
        return cls(value.strip(), name.strip())


def as_told_apart(name: str) -> str:
    """A name without what does not tell two apart: spaces, capitals, Unicode's form."""
    return unicodedata.normalize("NFC", " ".join(name.split())).casefold()


def read(path: Path) -> list[Key]:
    """The keys in `path`; blank lines and those that begin with `#` are left out.

    Raises RuntimeError for a file that holds no key, or something else than keys.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except UnicodeDecodeError:
        raise RuntimeError(f"{path} is not UTF-8 text: one key a line.") from None
    found = [key for key in map(Key.of_line, text.splitlines()) if key.value]
    if unusable := [n for n, key in enumerate(found, 1) if " " in key.value]:
        raise RuntimeError(
            f"Key number {unusable[0]} in {path} contains a space. Write one key a "
            "line; a name or a comment comes behind a #."
        )
    if not found:
        raise RuntimeError(f"{path} contains no key. Write one key a line.")
    return found


def write(path: Path, keys: Iterable[Key], heading: str) -> None:
    """A file that `read` understands, for its owner's eyes only."""
    lines = [f"# {heading}", *(f"{key.value}  # {key.name}" for key in keys)]
    write_private(path, "\n".join(lines) + "\n")


def write_private(path: Path, text: str) -> None:
    """A file that its owner alone can read (on Windows: as its folder's)."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_TRUNC
    with os.fdopen(os.open(path, flags, 0o600), "w", encoding="utf-8") as file:
        path.chmod(0o600)  # of an older file that others could read
        file.write(text)
