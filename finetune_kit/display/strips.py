"""An example as strips of tokens: who says what, and which tokens are learnt.

Learnt tokens are bold, underlined and hatched, and named in words: no meaning is told
by colour alone, nor by the hatching, which an untrusted notebook does not show.
"""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_kit import catalog
from finetune_kit.dataset.jsonl import Row
from finetune_kit.dataset.passages import Passage, passages
from finetune_kit.dataset.sizes import sizes
from finetune_kit.dataset.tokens import count, pieces
from finetune_kit.display.cards import FRAME, TONES, Card

GREY = "#888888"
#: Role -> colour, Okabe and Ito's; roles that are not named are grey.
ROLE_COLORS = {
    "user": TONES["plain"],
    "prompt": TONES["plain"],
    "assistant": TONES["good"],
    "completion": TONES["good"],
    "preferred_output": TONES["good"],
    "non_preferred_output": TONES["bad"],
    "tool": "#CC79A7",
    "tools": "#CC79A7",
}
KEY = "Learnt tokens are bold and underlined; the rest is context."
_HATCH = (
    "font-weight:bold;border-bottom:2px solid {color};"
    "background:repeating-linear-gradient(135deg,{color}55 0 2px,transparent 2px 6px)"
)
_PLAIN = "border-bottom:2px solid transparent;background:rgba(128,128,128,.16)"
_TOKEN = "border-radius:2px;margin-right:2px;padding:0 1px;white-space:pre-wrap;"


@dataclass
class Strips:
    """One row of a data file; ``model`` says in which encoding tokens are counted."""

    row: Row
    model: str
    encoding: str
    heading: str = ""

    def _repr_html_(self) -> str:
        if not isinstance(self.row.value, dict):
            return self._unreadable()._repr_html_()
        said = "".join(map(self._strip, passages(self.row.value)))
        return (
            f'<div style="{FRAME.format(tone=GREY)}"><strong>'
            f"{html.escape(self._title())}</strong>{said}</div>"
        )

    def __repr__(self) -> str:
        if not isinstance(self.row.value, dict):
            return repr(self._unreadable())
        lines = [self._title()]
        for passage in passages(self.row.value):
            tokens = "|".join(pieces(passage.text, self.encoding)).replace("\n", "⏎")
            lines += [f"  {self._label(passage)}", f"    {tokens}"]
        return "\n".join(lines)

    def _title(self) -> str:
        total = sum(sizes([self.row.value], self.model).tokens)
        counted = f"{total:,} tokens" if total else "not in a training format"
        return f"{self.heading or f'Line {self.row.line}'} · {counted}"

    def _label(self, passage: Passage) -> str:
        counted = f"{count(passage.text, self.encoding):,} tokens of text"
        return " · ".join([passage.role, *["learnt"] * passage.learnt, counted])

    def _strip(self, passage: Passage) -> str:
        color = ROLE_COLORS.get(passage.role, GREY)
        style = _HATCH.format(color=color) if passage.learnt else _PLAIN
        tokens = "".join(
            f'<span style="{_TOKEN}{style}">{_visible(piece)}</span>'
            for piece in pieces(passage.text, self.encoding)
        )
        return (
            f'<div style="border-left:5px solid {color};padding:.1em .7em;'
            'margin:.5em 0"><div style="font-size:.88em;opacity:.85">'
            f"{html.escape(self._label(passage))}</div>"
            f'<div style="line-height:1.9">{tokens}</div></div>'
        )

    def _unreadable(self) -> Card:
        return Card(
            f"Line {self.row.line} holds no example",
            ["`kit.check(path)` says why, and how to mend it.", self.row.text[:200]],
            "bad",
        )


def learnt(example: Mapping[str, Any], model: str = "gpt-4.1-mini") -> Strips:
    """An example as the tokens of `model`, those that it learns marked.

    Learnt is what the assistant says, unless the message has `"weight": 0` (OpenAI
    guide). The few signs around each message are not shown. Raises ValueError for an
    unknown model.
    """
    if not isinstance(example, Mapping):
        raise TypeError(
            "kit.learnt takes one row, such as rows[0]; for a file use "
            "kit.example_browser."
        )
    base = catalog.base(model)
    if base is None:
        raise ValueError(f"model {model!r} is not in the catalog")
    heading = "What is learnt, what is only read"
    return Strips(
        Row(1, 1, dict(example), str(example)), base.name, base.encoding, heading
    )


def _visible(piece: str) -> str:
    """A token's text; where it breaks the line, an arrow shows it."""
    return html.escape(piece, quote=False).replace("\n", "⏎\n")
