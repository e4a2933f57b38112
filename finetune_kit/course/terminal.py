"""A terminal for lessons: commands of `finetune-kit`, typed in a cell.

They run in this process, so that a cell's stop button is their Ctrl-C, and print line
by line. Nothing else can be run here.
"""

from __future__ import annotations

import io
import shlex
import sys
from collections.abc import Iterator
from contextlib import chdir, contextmanager, redirect_stderr, redirect_stdout, suppress
from pathlib import Path
from typing import TextIO

from finetune_kit.display.cards import as_text


def terminal(line: str, folder: Path, *, ctrl_c_after: int | None = None) -> None:
    """Run `finetune-kit` with the words of ``line``, in ``folder``.

    ``ctrl_c_after`` presses Ctrl-C after so many events ("[time] message").
    """
    from finetune_kit.cli import main

    with chdir(folder), as_text(), _output(ctrl_c_after), suppress(SystemExit):
        main(shlex.split(line), prog_name="finetune-kit")


@contextmanager
def _output(ctrl_c_after: int | None) -> Iterator[None]:
    """Standard output, errors included: a cell shows both alike."""
    out = _Keyboard(sys.stdout, ctrl_c_after) if ctrl_c_after else sys.stdout
    with redirect_stdout(out), redirect_stderr(out):
        yield


class _Keyboard(io.TextIOBase):
    """Passes on what is written; a hand presses Ctrl-C at the event it waits for."""

    encoding, errors = "utf-8", "replace"

    def __init__(self, out: TextIO, events: int) -> None:
        self._out, self._events = out, events

    def write(self, text: str) -> int:
        written = self._out.write(text)
        if text.startswith("["):
            self._events -= 1
            if self._events == 0:
                raise KeyboardInterrupt
        return written

    def flush(self) -> None:
        self._out.flush()
