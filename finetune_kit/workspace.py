"""The folder where a learner's work is kept, and the facts that lessons share.

Facts (ids, seeds, hashes; never a key) live in ``facts.json``, written under a file
lock by atomic replace, so that two notebooks can run at once.
"""

from __future__ import annotations

import hashlib
import json
import os
import tomllib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Protocol
from urllib.parse import quote

import platformdirs
from filelock import FileLock

from finetune_kit.display.cards import Card, show
from finetune_kit.patience import patiently

FACTS_VERSION = 1


def home() -> Path:
    """The workspace: ``FINETUNE_KIT_HOME``, else ``workspace/`` at the project's root.

    Outside a checkout it is a folder in the user's data folder. Made if absent.
    """
    chosen = os.environ.get("FINETUNE_KIT_HOME")
    if chosen:
        folder = Path(chosen).expanduser().resolve()
    elif root := project_root():
        folder = root / "workspace"
    else:
        folder = platformdirs.user_data_path("finetune-kit", appauthor=False)
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        in_the_way = isinstance(error, FileExistsError | NotADirectoryError)
        why = "a file is in the way" if in_the_way else error.strerror
        raise type(error)(
            f"The workspace cannot be {folder}: {why}. Set FINETUNE_KIT_HOME to a "
            "folder that you may write to."
        ) from None
    return folder


def project_root() -> Path | None:
    """The nearest folder, from the current one upwards, that is finetune-kit's."""
    here = Path.cwd().resolve()
    return next((folder for folder in (here, *here.parents) if _is_ours(folder)), None)


def _is_ours(folder: Path) -> bool:
    try:
        text = (folder / "pyproject.toml").read_text(encoding="utf-8")
        return bool(tomllib.loads(text)["project"]["name"] == "finetune-kit")
    except (OSError, KeyError, tomllib.TOMLDecodeError):
        return False


def locked(name: str, timeout: float = 60.0) -> FileLock:
    """A lock of this workspace that holds between processes; seconds to wait for it."""
    folder = home() / "locks"
    folder.mkdir(exist_ok=True)
    # a step may be called "train: again?", a file not, on Windows at least
    return FileLock(folder / f"{quote(name, safe='')}.lock", timeout=timeout)


def facts() -> dict[str, Any]:
    """What the lessons have noted so far; empty in a new workspace."""
    try:
        path = home() / "facts.json"
        kept = json.loads(patiently(lambda: path.read_text(encoding="utf-8")))
    except FileNotFoundError:
        return {}
    except ValueError:
        raise ValueError(
            f"{home() / 'facts.json'} is not JSON any more. It only saves lessons from "
            "doing a step twice: delete it, or run `finetune-kit reset`."
        ) from None
    return dict(kept["facts"])


def remember(**new: Any) -> None:
    """Add facts for later lessons, such as ``remember(proverbs_model="ft:…")``."""
    with locked("facts"):
        _write({**facts(), **new})


def _write(kept: dict[str, Any]) -> None:
    text = json.dumps({"version": FACTS_VERSION, "facts": kept}, indent=1)
    partial = home() / "facts.json.partial"
    partial.write_text(text + "\n", encoding="utf-8")
    patiently(lambda: partial.replace(home() / "facts.json"))


def forget() -> None:
    """Remove all facts; files and jobs of the local API stay (see `reset`)."""
    with locked("facts"):
        patiently(lambda: (home() / "facts.json").unlink(missing_ok=True))


class Resource(Protocol):
    """What ``client.files`` and ``client.fine_tuning.jobs`` have in common."""

    def retrieve(self, id_: str, /) -> Any: ...


class Step:
    """One step of a lesson: was it done before, with the same data and settings?"""

    def __init__(self, name: str, key: str) -> None:
        self.name, self.key = name, key

    def get(self, resource: Resource, *, quietly: bool = False) -> Any | None:
        """What the step made last time, or None if it has to be done (again).

        Gone, failed and cancelled ones do not count. A card says so, unless
        ``quietly``.
        """
        from openai import NotFoundError

        noted = facts().get("steps", {}).get(self.key)
        if noted is None:
            return None
        try:
            made = resource.retrieve(noted)
        except NotFoundError:
            return None
        if made.status in {"failed", "cancelled", "error"}:
            return None
        if not quietly:
            show(_reused(self.name, made))
        return made

    def keep(self, made: Any) -> None:
        """Note what the step has made."""
        with locked("facts"):
            kept = facts()
            _write({**kept, "steps": {**kept.get("steps", {}), self.key: made.id}})


def _reused(name: str, made: Any) -> Card:
    return Card(
        f"Step “{name}” was done before",
        [
            f"{made.id} ({made.status}) has the same data and settings: it is used "
            "again, nothing is done twice.",
            "To do it anew, change a setting such as `seed`, "
            "or run `finetune-kit reset`.",
        ],
    )


@contextmanager
def step(name: str, *files: Path | str, **settings: Any) -> Iterator[Step]:
    """Do a step once: ``with step("train", TRAIN, model=model) as done``.

    Two notebooks that reach the same step take turns; the second finds what the
    first has made. Equal means: same bytes in ``files``, same ``settings``.
    """
    with locked(f"step-{name}"):
        yield Step(name, f"{name}:{_fingerprint(files, settings)}")


def _fingerprint(files: tuple[Path | str, ...], settings: dict[str, Any]) -> str:
    hashes = [hashlib.sha256(Path(file).read_bytes()).hexdigest() for file in files]
    text = json.dumps([target(), hashes, settings], sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def target() -> str:
    """Which API the environment names: ``FINETUNE_KIT_TARGET``, else local."""
    return os.environ.get("FINETUNE_KIT_TARGET", "").strip() or "local"
