"""Fixes of what the texts say: slips in system prompts, white space, personal data.

None is safe: whoever asks for one by its code decides that the difference was no
purpose, or that the place may read otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .fixes import MESSAGES, Draft, Json, Place, fix
from .personal import longest_first


@fix("system_prompt_slip", "chat", safe=False)
def usual_system_prompt(draft: Draft) -> None:
    """A system prompt that nearly equals the usual one is replaced by that."""
    for index, message in draft.messages:
        usual = draft.usual.prompts.get((draft.line, index))
        if usual is not None and message.get("role") == "system":
            message["content"] = usual
            draft.note("the usual system prompt is written", index, "content")


@fix("unusual_answer", "chat", "completion", safe=False)
def white_space_around_answers(draft: Draft) -> None:
    """White space around an answer goes where most answers have none."""
    for index, holder, key, _ in _texts(draft):
        place = (draft.line, index)
        text = holder[key]
        if key != "prompt" and place in draft.usual.bare and text != text.strip():
            holder[key] = text.strip()
            draft.note("white space around the answer is removed", index, key)


def _label(draft: Draft, secrets: bool) -> None:
    for index, holder, key, field in _texts(draft):
        for is_secret, name, mark in longest_first(holder[key]):
            if is_secret == secrets and mark in holder[key]:
                kind = name.split(" ", 1)[1]
                holder[key] = holder[key].replace(mark, f"[{kind}]")
                draft.note(f"{name} is replaced by [{kind}]", index, field)


@fix("secret", *MESSAGES, "completion", safe=False)
def secrets_labelled(draft: Draft) -> None:
    """Keys and other secrets are replaced by their kind in brackets."""
    _label(draft, secrets=True)


@fix("personal_data", *MESSAGES, "completion", safe=False)
def personal_data_labelled(draft: Draft) -> None:
    """Personal data is replaced by its kind in brackets, e.g. [e-mail address]."""
    _label(draft, secrets=False)


def _texts(draft: Draft) -> Iterator[tuple[Place, Json, str, str]]:
    """Every text: its message, what holds it under which key, its field."""
    value = draft.value or {}
    for key in ("prompt", "completion"):
        if isinstance(value.get(key), str):
            yield None, value, key, key
    for index, message in draft.messages:
        content: Any = message.get("content")
        if isinstance(content, str):
            yield index, message, "content", "content"
        for number, part in enumerate(content if isinstance(content, list) else []):
            if isinstance(part, dict) and isinstance(part.get("text"), str):
                yield index, part, "text", f"content[{number}]"
