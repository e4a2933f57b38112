"""What all controls have in common: a result below them, which stays in the notebook.

Widgets are gone after a reload without their kernel, and on GitHub. So only the
controls are widgets; what they lead to is plain HTML, updated in place through a
`display_id`, and saved with the notebook. Where nothing can be typed in, JupyterLab
takes letters for its own commands (4.6: `b` adds a cell), so choices are buttons, not
lists in which one jumps by letter.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from finetune_kit.display.cards import in_notebook, rich_text

if TYPE_CHECKING:
    import ipywidgets

RUN_AGAIN = "No controls above? Run this cell again."
HEADLESS = ("FINETUNE_KIT_DETERMINISTIC", "FINETUNE_KIT_HEADLESS")
ROW = {"flex_flow": "row wrap", "align_items": "center"}


@dataclass
class Stack:
    """Things to show, one below the other; a string is a quiet line."""

    parts: Sequence[Any]

    def _repr_html_(self) -> str:
        return "".join(
            f'<div style="opacity:.8">{rich_text(part)}</div>'
            if isinstance(part, str)
            else part._repr_html_()
            for part in self.parts
        )

    def __repr__(self) -> str:
        return "\n".join(
            part if isinstance(part, str) else repr(part) for part in self.parts
        )


class Panel:
    """Controls and their result in a notebook; elsewhere the twin, which has none.

    Runs without a browser show the twin: nobody could move the controls.
    """

    _handle: Any = None

    def twin(self) -> Any:
        """What is shown where controls do not live."""
        raise NotImplementedError

    def controls(self) -> ipywidgets.Widget:
        raise NotImplementedError

    def result(self) -> Any:
        """What the controls ask for, as they stand now."""
        raise NotImplementedError

    def refresh(self, *_: Any) -> None:
        """Show the result anew; where nothing was shown yet, do nothing."""
        if self._handle is not None:
            self._handle.update(Stack([self.result(), RUN_AGAIN]))

    def __repr__(self) -> str:
        return repr(self.twin())

    def _ipython_display_(self) -> None:
        from IPython.display import display

        if not in_notebook() or any(map(os.environ.get, HEADLESS)):
            display(self.twin())  # type: ignore[no-untyped-call]
            return
        bundle = self.controls()._repr_mimebundle_()
        bundle["text/plain"] = "Controls: run this cell to use them."
        display(bundle, raw=True)  # type: ignore[no-untyped-call]
        shown = Stack([self.result(), RUN_AGAIN])
        self._handle = display(shown, display_id=True)  # type: ignore[no-untyped-call]
