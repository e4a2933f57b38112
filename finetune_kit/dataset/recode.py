"""Lines that are no UTF-8, read as Windows' encoding cp1252: a guess, so asked for."""

from __future__ import annotations

import io
from collections.abc import Callable
from os import PathLike
from pathlib import Path

from .read import Source

#: Told of each such line: its number, what was done, its text before and after.
Note = Callable[[int, str, str, str], None]


def recoded(source: Source, copy: Path, note: Note) -> Source:
    """The source with every line in UTF-8, in a file `copy`; others as they are."""
    if isinstance(source, bytes):
        stream: io.BufferedIOBase = io.BytesIO(source)
    elif isinstance(source, str | PathLike):
        stream = Path(source).open("rb")  # noqa: SIM115  closed below
    else:
        return source
    with stream, copy.open("wb") as out:
        if stream.read(2) in (b"\xff\xfe", b"\xfe\xff", b"PK"):  # UTF-16, XLSX
            return source
        stream.seek(0)
        for line, raw in enumerate(stream, start=1):
            try:
                raw.decode("utf-8")
            except UnicodeDecodeError:
                text = raw.decode("cp1252", "replace")
                before = raw.decode("utf-8", "replace").rstrip("\r\n")
                note(line, "read as cp1252", before, text.rstrip("\r\n"))
                raw = text.encode("utf-8")
            out.write(raw)
    return copy
