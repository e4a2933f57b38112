"""One example as strips of tokens, a strip a message: what is read, what is learnt."""

from __future__ import annotations

import html
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from finetune_kit.display.cards import TONES

#: Role -> a colour of the palette; each role is named as well.
_ROLES = {
    "system": "#0072B2",
    "user": "#009E73",
    "assistant": "#D55E00",
    "tool": "#CC79A7",
}
_LEARNT = "background:rgba(230,159,0,.25);font-weight:bold;border-bottom:3px solid"
_TOKEN = "display:inline-block;white-space:pre;padding:0 2px;margin:1px 1px 3px 0;"


@dataclass(frozen=True)
class Strip:
    """One message: its role, the pieces of its text, and whether they are learnt."""

    role: str
    pieces: tuple[str, ...]
    learnt: bool


@dataclass(frozen=True)
class Strips:
    """An example's messages; `learnt` and `read` count the tokens of their texts."""

    messages: tuple[Strip, ...]

    @property
    def learnt(self) -> int:
        return sum(len(one.pieces) for one in self.messages if one.learnt)

    @property
    def read(self) -> int:
        return sum(len(one.pieces) for one in self.messages) - self.learnt

    @property
    def note(self) -> str:
        return f"{self.learnt} tokens are learnt, {self.read} are only read."

    def __repr__(self) -> str:
        lines = [
            f"{'LEARNT' if one.learnt else 'read':8}{one.role:11}"
            + "|".join(one.pieces).replace("\n", "⏎")
            for one in self.messages
        ]
        return "\n".join([*lines, self.note])

    def _repr_html_(self) -> str:
        rows = "".join(map(_row, self.messages))
        return (
            '<table style="border-collapse:collapse;line-height:1.5">'
            f"<tbody>{rows}</tbody></table>"
            f'<div style="opacity:.8">{self.note}</div>'
        )


def learnt(example: Mapping[str, Any], model: str = "gpt-4.1-mini") -> Strips:
    """A chat example as the tokens of `model`, those that it learns marked.

    Learnt is what the assistant says, unless the message has `"weight": 0` (OpenAI
    guide). The few signs around each message are not shown. Raises ValueError for an
    unknown model or an example without messages.
    """
    from finetune_kit import catalog
    from finetune_kit.dataset import tokens

    base = catalog.base(model)
    if base is None:
        raise ValueError(f"model {model!r} is not in the catalog")
    messages = example.get("messages")
    if not isinstance(messages, list) or not all(isinstance(m, dict) for m in messages):
        raise ValueError("the example has no list `messages`; `kit.check` says more")
    encoding = tokens.encoding(base.encoding)
    strips = []
    for message in messages:
        role = str(message.get("role", ""))
        ids = encoding.encode_ordinary(_text(message))
        pieces = tuple(encoding.decode([one]) for one in ids)
        is_learnt = role == "assistant" and message.get("weight", 1) != 0
        strips.append(Strip(role, pieces, is_learnt))
    return Strips(tuple(strips))


def _text(message: Mapping[str, Any]) -> str:
    """A message's text, or the texts of its parts, then the calls that it makes."""
    content = message.get("content") or ""
    parts = content if isinstance(content, list) else [{"text": str(content)}]
    texts = [str(part.get("text", "")) for part in parts if isinstance(part, dict)]
    for call in message.get("tool_calls") or []:
        function = call.get("function", {})
        texts.append(f"{function.get('name', '')}({function.get('arguments', '')})")
    return "".join(texts)


def _row(strip: Strip) -> str:
    colour = _ROLES.get(strip.role, TONES["plain"])
    look = _TOKEN + (
        f"{_LEARNT} {colour}"
        if strip.learnt
        else "border-bottom:1px dotted rgba(128,128,128,.8)"
    )
    pieces = "".join(
        f'<span style="{look}">{html.escape(piece)}</span>' for piece in strip.pieces
    )
    word = "<strong>learnt</strong>" if strip.learnt else "read"
    cell = "text-align:left;vertical-align:top;padding:.2em .8em .2em .5em"
    return (
        f'<tr><th scope="row" style="{cell};border-left:5px solid {colour}">'
        f'{html.escape(strip.role)}</th><td style="{cell}">{word}</td>'
        f'<td style="{cell};max-width:42em">{pieces}</td></tr>'
    )
