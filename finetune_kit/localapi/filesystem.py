"""Is a folder on a network file system? There SQLite's WAL must not be used."""

import ctypes
import subprocess
import sys
from pathlib import Path

_NETWORK = ("nfs", "cifs", "smb", "afs", "ceph", "lustre", "gpfs", "beegfs", "9p")
_NETWORK_FUSE = ("fuse.sshfs", "fuse.glusterfs", "fuse.s3fs", "fuse.rclone")
_DRIVE_REMOTE = 4  # GetDriveTypeW


def is_network(folder: Path) -> bool:
    """True where `folder` lies on another machine; False when that is unknown."""
    path = folder.resolve()
    if sys.platform == "win32":
        drive = path.drive
        if drive.startswith("\\\\"):
            return True
        kind = ctypes.windll.kernel32.GetDriveTypeW(f"{drive}\\")
        return bool(kind == _DRIVE_REMOTE)
    kind = _type_of(path, _mounts())
    return kind.startswith(_NETWORK) or kind.startswith(_NETWORK_FUSE)


def _type_of(path: Path, mounts: list[tuple[str, str]]) -> str:
    """The file system type of the longest mount point above `path`."""
    above = [
        (len(point), kind)
        for point, kind in mounts
        if path.is_relative_to(point.replace("\\040", " "))
    ]
    return max(above)[1] if above else ""


def _mounts() -> list[tuple[str, str]]:
    """(mount point, type) of everything that is mounted."""
    table = Path("/proc/self/mounts")
    if table.exists():
        text = table.read_text(encoding="utf-8", errors="replace")
        return [(row[1], row[2]) for row in map(str.split, text.splitlines())]
    try:
        listing = subprocess.run(
            ["mount"],
            capture_output=True,
            encoding="utf-8",
            errors="replace",
            timeout=5,
            check=True,
        )
    except (OSError, subprocess.SubprocessError):
        return []
    return [_bsd_mount(line) for line in listing.stdout.splitlines() if " on " in line]


def _bsd_mount(line: str) -> tuple[str, str]:
    """`server:/export on /home (nfs, nodev)` -> ("/home", "nfs")"""
    point, _, options = line.partition(" on ")[2].rpartition(" (")
    return point, options.split(",")[0].rstrip(")")
