"""Weights as files: the server knows them by path and sha256, and never loads them."""

import hashlib
from pathlib import Path

import finetune_kit

# Beside the engine's code; importing the engine would load NumPy.
_ENGINE = Path(finetune_kit.__file__).parent / "engines" / "tinygpt"
SHIPPED = _ENGINE / "weights.npz"
_OTHERS = {"tinygpt-tasks": _ENGINE / "weights_tasks.npz"}


def of_base(name: str) -> Path | None:
    """The weights that answer under a base's name; None for `SHIPPED`."""
    return _OTHERS.get(name)


def sha256(path: Path) -> str:
    """Hex digest of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()
