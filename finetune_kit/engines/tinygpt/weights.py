"""Weights on disk: an `.npz` with one array a matrix and the sizes of the model."""

import hashlib
import json
import os
import tempfile
from functools import lru_cache
from importlib import resources
from pathlib import Path
from zipfile import BadZipFile

import numpy as np

from finetune_kit.engines.tinygpt.model import Config, Parameters
from finetune_kit.patience import patiently

SHIPPED = "weights.npz"
TASKS = "weights_tasks.npz"  # another base model: the tasks instead of the proverbs


def save(p: Parameters, path: Path, *, half: bool = False) -> None:
    """Write the weights atomically; `half` stores 16 bits a number, compressed."""
    kind = np.float16 if half else np.float32
    arrays = {name: view.astype(kind) for name, view in p.views.items()}
    config = json.dumps(p.config.__dict__).encode()
    handle, name = tempfile.mkstemp(dir=path.parent, suffix=".npz")
    with os.fdopen(handle, "wb") as file:
        writer = np.savez_compressed if half else np.savez
        writer(
            file, allow_pickle=False, config=np.frombuffer(config, np.uint8), **arrays
        )
    patiently(lambda: Path(name).replace(path))


def load(path: Path | None) -> Parameters:
    """The weights in `path`; None stands for the pretrained model in the package.

    Raises OSError for a missing file, ValueError for one that is not such a model.
    """
    try:
        with np.load(path or shipped(), allow_pickle=False) as arrays:
            p = Parameters(Config(**json.loads(arrays["config"].tobytes())))
            for name, view in p.views.items():
                view[...] = arrays[name]
    except (EOFError, KeyError, IndexError, TypeError, ValueError, BadZipFile) as error:
        raise ValueError(f"{path} is not a model of tinygpt") from error
    return p


def shipped(name: str = SHIPPED) -> Path:
    return Path(str(resources.files(__package__).joinpath(name)))


@lru_cache
def sha256(path: Path | None = None) -> str:
    """Hex digest of a weights file (the shipped one by default)."""
    return hashlib.sha256((path or shipped()).read_bytes()).hexdigest()
