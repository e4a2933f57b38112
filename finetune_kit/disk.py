"""Room on the disk, as learners, server and workers look at it."""

from __future__ import annotations

import errno
import os
import shutil
from pathlib import Path

LEAST_ROOM = 64 * 2**20  # bytes: two checkpoints of a worker
FULL = {errno.ENOSPC, errno.EFBIG, getattr(errno, "EDQUOT", errno.ENOSPC)}
UNWRITABLE = {*FULL, errno.EROFS}


def has_room(folder: Path) -> bool:
    """Whether the disk of ``folder`` can be written, with room for work to go on."""
    return os.access(folder, os.W_OK) and shutil.disk_usage(folder).free >= LEAST_ROOM
