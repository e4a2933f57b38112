"""Running a notebook from its first to its last cell, with papermill."""

from __future__ import annotations

import os
import sys
import tempfile
import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import nbformat
import papermill
from papermill.exceptions import PapermillExecutionError
from traitlets.config import Config

from finetune_kit import local_server, workspace

FRESH = {"FINETUNE_KIT_DETERMINISTIC": "1", "FINETUNE_KIT_TARGET": "local"}
HEADLESS = "FINETUNE_KIT_HEADLESS"  # controls show what they would lead to


@dataclass(frozen=True)
class Run:
    """How a notebook ran; ``result`` is "ok" or what went wrong in which cell."""

    notebook: str
    cells: int
    seconds: float
    result: str


def parameters(path: Path) -> set[str]:
    """Names in the cell that is tagged ``parameters``."""
    return set(papermill.inspect_notebook(str(path)))


def unknown_parameters(path: Path, names: Iterable[str]) -> tuple[list[str], list[str]]:
    """Those of ``names`` that the notebook does not have, and those that it has.

    Nothing is unknown to what is no notebook: running it says what is wrong.
    """
    try:
        known = parameters(path)
    except Exception:
        return [], []
    return sorted(set(names) - known), sorted(known)


def execute(path: Path, values: dict[str, Any], write: bool = False) -> Run:
    """Run the notebook at ``path`` with parameters ``values``.

    The executed copy goes to ``runs/`` in the workspace; with ``write`` the run is
    alone in a fresh workspace, deterministic, and its outputs go into ``path``.
    """
    if not write:
        out = workspace.home() / "runs" / path.name
        out.parent.mkdir(exist_ok=True)
        with _environment({HEADLESS: "1"}):
            return _execute(path, out, values)
    with _fresh_workspace() as folder:
        out = folder / path.name
        run = _execute(path, out, values)
        if run.result == "ok":
            notebook = nbformat.read(out, 4)  # type: ignore[no-untyped-call]
            nbformat.write(tidy(notebook), path)  # type: ignore[no-untyped-call]
        return run


def _execute(path: Path, out: Path, values: dict[str, Any]) -> Run:
    started = time.perf_counter()
    try:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as sockets:
            papermill.execute_notebook(
                str(path),
                str(out),
                values,
                cwd=str(path.parent.resolve()),
                progress_bar=False,
                config=_transport(sockets),
                coalesce_streams=True,  # else cut where it was printed
                shutdown_kernel="immediate",  # a farewell takes a fifth of a run
            )
        result = "ok"
    except PapermillExecutionError as error:
        result = f"cell {error.exec_count}: {error.ename}: {error.evalue}"
    except Exception as error:  # no notebook, no such kernel, a kernel that dies
        result = " ".join(f"{type(error).__name__}: {error}".split())
    seconds = time.perf_counter() - started
    return Run(path.name, _cells(path), seconds, result)


def _cells(path: Path) -> int:
    """How many cells of code there are; 0 in what is no notebook."""
    try:
        cells = nbformat.read(path, 4).cells  # type: ignore[no-untyped-call]
        return sum(cell.cell_type == "code" for cell in cells)
    except Exception:
        return 0


def _transport(sockets: str) -> Config:
    """Unix sockets: a kernel on TCP warns that it is not encrypted.

    In a folder of their own, or two runs at once would share them.
    """
    if sys.platform == "win32":  # which has none, but keys for TCP
        return Config({"KernelManager": {"transport_encryption": "auto"}})
    return Config({"KernelManager": {"transport": "ipc", "ip": f"{sockets}/kernel"}})


@contextmanager
def _fresh_workspace() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        home = {"FINETUNE_KIT_HOME": str(Path(folder) / "workspace")}
        with _environment(FRESH | home):
            try:
                yield Path(folder)
            finally:
                if server := local_server.find():
                    local_server.stop(server)


@contextmanager
def _environment(values: Mapping[str, str]) -> Iterator[None]:
    before = dict(os.environ)
    os.environ.update(values)
    try:
        yield
    finally:
        os.environ.clear()
        os.environ.update(before)


def tidy(notebook: Any) -> Any:
    """The notebook without what changes from run to run: times, versions, ids."""
    notebook.metadata.pop("papermill", None)
    notebook.metadata.pop("widgets", None)
    notebook.metadata.get("language_info", {}).pop("version", None)
    for cell in notebook.cells:
        cell.metadata.pop("papermill", None)
        cell.metadata.pop("execution", None)
        if not cell.metadata.get("tags"):
            cell.metadata.pop("tags", None)  # papermill adds an empty list
        for output in cell.get("outputs", []):
            # the id with which a display was updated while the cell ran
            output.get("transient", {}).pop("display_id", None)
    return notebook
