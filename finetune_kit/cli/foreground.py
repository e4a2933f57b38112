"""Commands that hand the terminal over to another program."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NoReturn


def foreground(command: list[str], folder: Path | None = None) -> NoReturn:
    """Become that program, so that Ctrl-C and every signal reach it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        if folder:
            os.chdir(folder)
        os.execv(command[0], command)
    with subprocess.Popen(command, cwd=folder) as process:
        while True:
            try:
                raise SystemExit(process.wait())
            except KeyboardInterrupt:  # it got it too and ends by itself
                continue
