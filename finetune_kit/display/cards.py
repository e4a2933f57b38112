"""Cards: a title and a few lines, as HTML in a notebook and as text elsewhere.

Only inline styles, and colours that read on white and on black: JupyterLab strips
``<style>``, ``<script>`` and inline SVG from notebooks that it does not trust.
"""

from __future__ import annotations

import html
import re
import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

# Okabe and Ito's palette, "Color Universal Design" (2008): safe for colour-blind eyes.
TONES = {"plain": "#0072B2", "good": "#009E73", "warn": "#E69F00", "bad": "#D55E00"}
FRAME = (
    "border:1px solid rgba(128,128,128,.45);border-left:5px solid {tone};"
    "border-radius:4px;padding:.6em .9em;margin:.3em 0;max-width:46em;line-height:1.5"
)


@dataclass
class Card:
    """A titled note; lines may mark `code` with back-ticks. ``extra`` is raw HTML."""

    title: str
    lines: Sequence[str] = ()
    tone: str = "plain"
    extra: str = field(default="", repr=False)

    def _repr_html_(self) -> str:
        lines = "".join(f"<div>{rich_text(line)}</div>" for line in self.lines)
        return (
            f'<div style="{FRAME.format(tone=TONES[self.tone])}">'
            f"<strong>{rich_text(self.title)}</strong>{self.extra}{lines}</div>"
        )

    def __repr__(self) -> str:
        return "\n".join([self.title, *(f"  {line}" for line in self.lines)])


def rich_text(text: str) -> str:
    """``text`` escaped for HTML, with `code` between back-ticks set as code."""
    return re.sub(r"`([^`]+)`", r"<code>\1</code>", html.escape(text, quote=False))


_text_only = ContextVar("text_only", default=False)


@contextmanager
def as_text() -> Iterator[None]:
    """Inside, all is shown as in a terminal, also in a notebook."""
    token = _text_only.set(True)
    try:
        yield
    finally:
        _text_only.reset(token)


def in_notebook() -> bool:
    """True in a Jupyter kernel, False in a terminal, a script or a test."""
    if _text_only.get():
        return False
    ipython = sys.modules.get("IPython")
    shell = ipython.get_ipython() if ipython else None
    return shell is not None and hasattr(shell, "kernel")


def show(card: Any) -> None:
    """Put a card into the notebook's output, or its text on standard output."""
    if in_notebook():
        from IPython.display import display

        display(card)  # type: ignore[no-untyped-call]
    else:
        print(card)
