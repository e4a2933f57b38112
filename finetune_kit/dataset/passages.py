"""An example as passages: who says what, and whether the model learns to say it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from .example_texts import said_in, text_of
from .sizes import messages_of, texts_of


@dataclass(frozen=True, slots=True)
class Passage:
    """What one role says; ``learnt`` where training teaches the model to say it."""

    role: str
    text: str
    learnt: bool


def passages(value: Mapping[str, Any]) -> list[Passage]:
    """The passages of an example of any format, in the order the model reads them.

    Of what is in no format of training, each field, and none is learnt.
    """
    said = [
        Passage(role, "\n".join(said_in(message)), _is_learnt(role, message))
        for role, message in messages_of(value)
    ]
    written = [
        Passage(role, text, role == "completion") for role, text in texts_of(value)
    ]
    return said + written or [
        Passage(key, text_of(field), False) for key, field in value.items()
    ]


def _is_learnt(role: str, message: Mapping[str, Any]) -> bool:
    """Answers are learnt, apart from those of weight 0; so are preferred ones."""
    return role in ("assistant", "preferred_output") and message.get("weight") != 0
