"""The quick look: chat lines that are plainly right, a block of lines at a time.

Most lines hold system, user and assistant messages with texts and nothing else.
msgspec decodes them to types that admit only what is right, several times as fast
as rules can look. A block where anything else shows is handed back, and the rules
look at its lines one by one: so the quick look never decides that a line is wrong.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType


class System(
    Struct, tag_field="role", tag="system", forbid_unknown_fields=True, gc=False
):
    """A plain system message."""

    content: str


class User(Struct, tag_field="role", tag="user", forbid_unknown_fields=True, gc=False):
    """A plain user message."""

    content: str


class Assistant(
    Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, gc=False
):
    """A plain answer."""

    content: str


class Weighted(
    Struct, tag_field="role", tag="assistant", forbid_unknown_fields=True, gc=False
):
    """A plain answer that may say whether it is learned."""

    content: str
    weight: Literal[0, 1] | UnsetType = UNSET


class Chat(Struct, forbid_unknown_fields=True, gc=False):
    """A plain chat example."""

    messages: list[System | User | Assistant]


class WeightedChat(Struct, forbid_unknown_fields=True, gc=False):
    """A plain chat example whose answers have weights."""

    messages: list[System | User | Weighted]


Example = Chat | WeightedChat

#: Escapes that could hide a key or a special token: of _, a-z, |, <.
_HIDING = re.compile(rb"\\u00(?:5[fF]|[67]|3[cC])")


class PlainChats:
    """Decodes blocks of lines; a line beyond `limit` bytes is not plain."""

    def __init__(self, limit: int) -> None:
        self._decoders: list[msgspec.json.Decoder[Any]] = [
            msgspec.json.Decoder(Chat),
            msgspec.json.Decoder(WeightedChat),
        ]
        self._window = max(limit // 2, 1)
        self._shapes: set[tuple[type, ...]] = set()

    def examples(self, block: bytes) -> Sequence[Example] | None:
        """The examples of whole lines; None where a line needs the rules' look.

        msgspec keeps the last of equal keys silently. Every key here is one of four
        words, and a key or a text of that very word is the only thing in JSON that
        can contain it within quotation marks, so counting the words finds repeats.
        """
        if (
            (b"|" in block and b"<|" in block)
            or (b"\\" in block and _HIDING.search(block))
            or self._has_long_line(block)
        ):
            return None
        lines = block.split(b"\n")
        if not lines[-1]:
            lines.pop()
        found = self._decoded(block, lines)
        if found is None:
            return None
        shapes, messages = self._shapes, 0
        for example in found:
            shape = tuple(map(type, example.messages))
            if shape not in shapes and not self._is_usual(shape):
                return None
            messages += len(shape)
            for message in example.messages:
                content = message.content
                if not content or content.isspace():
                    return None
        single = (
            block.count(b'"messages"') == len(found)
            and block.count(b'"role"') == messages
            and block.count(b'"content"') == messages
        )
        return found if single else None

    def _decoded(self, block: bytes, lines: list[bytes]) -> Sequence[Example] | None:
        """Tried with weights where it fails without, and the other way next time."""
        for decoder in tuple(self._decoders):
            try:
                found: list[Example] = list(map(decoder.decode, lines))
            except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
                continue
            if decoder is not self._decoders[0]:
                self._decoders.reverse()
            weighted = bool(found) and type(found[0]) is WeightedChat
            return found if not weighted or _weights_fit(block, found) else None
        return None

    def _is_usual(self, shape: tuple[type, ...]) -> bool:
        """At most one system message, at the head; then turns that end in an answer."""
        turns = shape[1:] if shape[:1] == (System,) else shape
        asked, answers = turns[::2], turns[1::2]
        usual = (
            len(turns) > 0
            and len(asked) == len(answers)
            and set(asked) == {User}
            and set(answers) in ({Assistant}, {Weighted})
        )
        if usual and len(self._shapes) < 10_000:
            self._shapes.add(shape)
        return usual

    def _has_long_line(self, block: bytes) -> bool:
        """False only when each window of half the limit holds the end of a line."""
        window = self._window
        return any(
            block.find(b"\n", start, start + window) < 0
            for start in range(0, len(block) - window, window)
        )


def _weights_fit(block: bytes, found: Sequence[Example]) -> bool:
    """Each `weight` stands once, and each example has an answer that is learned."""
    stated = 0
    for example in found:
        weights = [m.weight for m in example.messages if isinstance(m, Weighted)]
        if all(weight == 0 for weight in weights):
            return False
        stated += sum(weight is not UNSET for weight in weights)
    return stated == block.count(b'"weight"')


def as_dict(example: Example) -> dict[str, Any]:
    """The example as the JSON object that it was read from."""
    found: dict[str, Any] = msgspec.to_builtins(example)
    return found
