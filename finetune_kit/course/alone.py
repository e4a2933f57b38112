"""Where a "copy me" cell runs: with data beside it, address and key in the environment.

The cell is meant to be taken along, so it knows nothing of the kit; in the course it
finds the local API and the proverbs all the same.
"""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune_kit import workspace
from finetune_kit.connect import environment
from finetune_kit.display.cards import Card

if TYPE_CHECKING:
    from openai import OpenAI

_ASKED = ".alone("


def for_the_next_cell(client: OpenAI, folder: Path, data: Path) -> Card:
    """Go to ``folder`` with the files of ``data``, until the next cell has run."""
    files = sorted(data.glob("*.jsonl"))
    for file in files:
        shutil.copyfile(file, folder / file.name)
    # the folder of the workspace may be named relative to the current one
    os.environ |= environment(client) | {"FINETUNE_KIT_HOME": str(workspace.home())}
    if not Path.cwd().samefile(folder):
        _come_back(Path.cwd())
        os.chdir(folder)
    names = ", ".join(f"`{file.name}`" for file in files)
    lines = [
        "`OPENAI_BASE_URL` and `OPENAI_API_KEY` are set in the environment.",
        f"Beside it lie {names}.",
    ]
    return Card("The next cell runs as it would in a project of yours", lines)


def _come_back(folder: Path) -> None:
    """Return to ``folder`` after the first cell that does not ask for this again."""
    from IPython.core.getipython import get_ipython

    shell = get_ipython()
    if shell is None:
        return

    def back(result: Any) -> None:
        if _ASKED not in result.info.raw_cell:
            shell.events.unregister("post_run_cell", back)
            os.chdir(folder)

    shell.events.register("post_run_cell", back)
