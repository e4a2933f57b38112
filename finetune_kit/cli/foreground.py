"""Commands that hand the terminal over to another program."""

from __future__ import annotations

import os
import subprocess
import sys
from typing import NoReturn


def foreground(command: list[str]) -> NoReturn:
    """Become that program, so that Ctrl-C and every signal reach it."""
    sys.stdout.flush()
    sys.stderr.flush()
    if os.name == "posix":
        os.execv(command[0], command)
    raise SystemExit(subprocess.call(command))
