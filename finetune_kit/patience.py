"""Patience with files that somebody else has open.

Windows neither renames nor replaces a file while another program has it open: a reader
of ours for a moment, or a virus scanner, which looks at every new file.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

Result = TypeVar("Result")

_PAUSES = (0.01, 0.02, 0.05, 0.1, 0.2, 0.3, 0.5)  # seconds


def patiently(act: Callable[[], Result]) -> Result:
    """What ``act`` gives; tried again for a second while it raises PermissionError."""
    for pause in _PAUSES:
        try:
            return act()
        except PermissionError:
            time.sleep(pause)
    return act()
