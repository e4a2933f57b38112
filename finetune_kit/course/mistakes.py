"""Mistakes that everybody makes in a notebook, told in a card, not in a traceback.

A cell was skipped or stopped, a "copy me" cell was run again, the API refused, the API
is gone, the disk is full.
"""

from __future__ import annotations

import ast
import json
import traceback
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_kit
from finetune_kit import disk, workspace
from finetune_kit.course.refusal import answered
from finetune_kit.display.cards import Card, show

if TYPE_CHECKING:
    from types import TracebackType

    from IPython.core.interactiveshell import InteractiveShell

NOTEBOOKS = Path(finetune_kit.__file__).parents[1] / "notebooks"
STOPPED = Card(
    "You stopped this cell",
    [
        "What it had sent is done or goes on, what was made before stays. Run it "
        "again to have its result; the cells below need it.",
    ],
)


def explain_in(name: str) -> None:
    """From now on, show such a mistake as a card, and other errors as Python does.

    Only in a notebook of the course: ``name`` is its name, or its number.
    """
    from openai import APIConnectionError, APIStatusError, NotFoundError

    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    path = next(NOTEBOOKS.glob(f"{name}*.ipynb"), None) if name else None
    if shell is None or path is None:
        return

    def told(error: BaseException) -> Card | None:
        match error:
            case NameError():
                return _skipped(path, error.name or "")
            case FileNotFoundError():
                return _left_alone(path, str(error.filename))
            case APIConnectionError():
                return _gone(str(error.request.url))
            case APIStatusError() if not isinstance(error.body, dict):
                return _gone(str(error.request.url), "Another program answers.")
            case NotFoundError():
                return _deleted(answered(error))
            case APIStatusError() if "does not exist" in error.message:
                return _deleted(answered(error))
            case APIStatusError():
                return answered(error)
            case KeyboardInterrupt():
                return STOPPED
            case OSError():
                return _full(error)
        return None

    def handler(
        shell: InteractiveShell,
        kind: Any,
        error: BaseException,
        tb: TracebackType,
        tb_offset: Any,
    ) -> None:
        if card := told(error):
            tone = "warn" if card is STOPPED else "bad"
            show(Card(card.title, [*card.lines, _place(tb)], tone))
        else:
            shell.showtraceback((kind, error, tb), tb_offset=tb_offset)

    kinds = (NameError, OSError, APIConnectionError, APIStatusError, KeyboardInterrupt)
    shell.set_custom_exc(kinds, handler)  # type: ignore[no-untyped-call]


def _place(tb: TracebackType) -> str:
    """The line of the cell that failed."""
    stack = traceback.extract_tb(tb)
    cell = next(
        (f for f in stack if f.name.startswith(("<module>", "<cell"))), stack[-1]
    )
    return f"Line {cell.lineno} of the cell: `{cell.line}`"


def _skipped(path: Path, name: str) -> Card | None:
    cell = maker(path, name)
    if cell is None:
        return None
    first = cell.splitlines()[0].strip()
    return Card(
        f"`{name}` is not there yet: a cell above was not run",
        [
            f"It is made in the cell that begins with `{first}`.",
            "Put the cursor here and choose Run > Run All Above Selected Cell.",
        ],
    )


def _left_alone(path: Path, file: str) -> Card | None:
    """The files that `lesson.alone()` puts beside one cell."""
    if not any(f'"{file}"' in source for source in _tagged(path, "copy-me")):
        return None
    return Card(
        f"`{file}` is not in this folder",
        [
            "In the course, `lesson.alone()` puts it there for one run of one cell. "
            "Run the cell with `lesson.alone()` again, then this one."
        ],
    )


def _deleted(card: Card) -> Card:
    advice = (
        "Was it deleted, perhaps by the last cell? Make it again: put the cursor here "
        "and choose Run > Run All Above Selected Cell."
    )
    return Card(card.title, [*card.lines, advice], "bad")


def _full(error: OSError) -> Card | None:
    if error.errno not in disk.UNWRITABLE:
        return None
    full = error.errno in disk.FULL
    why, do = (
        ("is full", "Make room there")
        if full
        else ("cannot be written", "Make it writable")
    )
    return Card(
        f"The disk {why}",
        [
            f"It holds `{error.filename or workspace.home()}`. {do}, or set "
            "`FINETUNE_KIT_HOME` to a folder with room, and run this cell again. What "
            "was made before stays.",
        ],
    )


def _gone(url: str, why: str = "Nobody is there.") -> Card:
    return Card(
        "The API does not answer",
        [
            f"`{url}` was asked. {why}",
            "Run the cell with `kit.connect()` again: a local API is started where it "
            "was left. Jobs go on, and nothing is lost.",
        ],
    )


def maker(path: Path, name: str) -> str | None:
    """The source of the first code cell of the notebook that makes ``name``."""
    return next((source for source in _tagged(path) if name in _made(source)), None)


def _tagged(path: Path, tag: str | None = None) -> Iterator[str]:
    """The sources of the notebook's code cells, of all or of those with a tag."""
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        tags = cell["metadata"].get("tags", [])
        if cell["cell_type"] == "code" and (tag is None or tag in tags):
            yield "".join(cell["source"])


def _made(source: str) -> Iterator[str]:
    """The names that a cell assigns or imports."""
    try:
        tree = ast.parse(source)
    except SyntaxError:  # a line of IPython, such as `!ls`
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.alias):
            yield (node.asname or node.name).partition(".")[0]
