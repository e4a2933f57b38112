"""What an example says, as text: what was asked, what is answered, and both."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any


def question_of(value: dict[str, Any]) -> str:
    """What the model is given: the last answer and system prompts left out."""
    if "messages" in value:
        return "\n".join(_said(value["messages"], answer=False))
    if "input" in value and isinstance(value["input"], dict):
        return "\n".join(_said(value["input"].get("messages"), answer=True))
    if "prompt" in value:
        return text_of(value["prompt"])
    return "\n".join(map(text_of, value.values()))


def whole_of(value: dict[str, Any]) -> str:
    """All that an example says, apart from system prompts."""
    if "messages" in value:
        return "\n".join(_said(value["messages"], answer=True))
    if "input" in value and isinstance(value["input"], dict):
        outputs = [value.get("preferred_output"), value.get("non_preferred_output")]
        said = _said(value["input"].get("messages"), answer=True)
        return "\n".join([*said, *map(text_of, outputs)])
    return "\n".join(map(text_of, value.values()))


def _said(messages: Any, answer: bool) -> list[str]:
    """The texts of messages, with or without the answers that end them."""
    listed = [m for m in messages if isinstance(m, dict)] if _is_list(messages) else []
    while not answer and listed and listed[-1].get("role") == "assistant":
        listed.pop()
    kept = [m for m in listed if m.get("role") not in ("system", "developer")]
    return [text for message in kept for text in said_in(message)]


def said_in(message: Mapping[str, Any]) -> list[str]:
    """What one message says: its text, and the calls that it makes."""
    keys = ("content", "tool_calls", "function_call")
    return [text_of(message[key]) for key in keys if message.get(key) is not None]


def _is_list(value: Any) -> bool:
    return isinstance(value, list)


def text_of(value: Any) -> str:
    """A text as it is, the texts of its parts, or anything else as JSON."""
    if isinstance(value, str):
        return value
    if isinstance(value, list):
        texts = [str(part["text"]) for part in value if _is_text_part(part)]
        if len(texts) == len(value):
            return "\n".join(texts)
    return json.dumps(value, ensure_ascii=False, sort_keys=True, default=str)


def _is_text_part(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str)
