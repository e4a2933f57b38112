"""A name that is not there yet because a cell was skipped: which one, in a sentence."""

from __future__ import annotations

import ast
import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_kit
from finetune_kit.display.cards import Card, show

if TYPE_CHECKING:
    from IPython.core.interactiveshell import InteractiveShell

NOTEBOOKS = Path(finetune_kit.__file__).parents[1] / "notebooks"


def explain_in(number: str) -> None:
    """In a notebook: where a name of this lesson is missing, say which cell makes it.

    Other errors, and names that no cell of the lesson makes, show as usual.
    """
    try:
        from IPython.core.getipython import get_ipython
    except ImportError:
        return
    shell = get_ipython()
    path = next(NOTEBOOKS.glob(f"{number}_*.ipynb"), None)
    if shell is None or path is None:
        return

    def handler(
        shell: InteractiveShell, kind: Any, error: NameError, tb: Any, tb_offset: Any
    ) -> None:
        cell = maker(path, error.name or "")
        if cell is None:
            shell.showtraceback((kind, error, tb), tb_offset=tb_offset)
            return
        show(_card(str(error.name), cell))

    shell.set_custom_exc((NameError,), handler)  # type: ignore[no-untyped-call]


def _card(name: str, cell: str) -> Card:
    first = cell.splitlines()[0].strip()
    return Card(
        f"`{name}` is not there yet: a cell above was not run",
        [
            f"It is made in the cell that begins with `{first}`.",
            "Put the cursor here and choose Run > Run All Above Selected Cell.",
        ],
        "bad",
    )


def maker(path: Path, name: str) -> str | None:
    """The source of the first code cell of the notebook that makes ``name``."""
    notebook = json.loads(path.read_text("utf-8"))
    for cell in notebook["cells"]:
        source = "".join(cell["source"])
        if cell["cell_type"] == "code" and name in _made(source):
            return source
    return None


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
