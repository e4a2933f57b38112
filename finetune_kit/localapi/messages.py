"""Chat messages: what the schema cannot say of them, and what the engine reads.

The engine reads text and tool calls; pictures, sound and files are refused.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import array_length_in

_TEXT_PARTS = ("text", "refusal")


def check(messages: Sequence[dict[str, Any]]) -> None:
    """Refuse what the local API cannot read, in the service's words where known."""
    array_length_in(messages, "messages", 1)
    for index, message in enumerate(messages):
        _check_content(index, message)
    _check_calls(messages)


def for_engine(messages: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """Role, plain text and calls of each message."""
    return [
        {"role": m["role"], "content": text(m)}
        | {key: m[key] for key in ("tool_calls", "function_call") if m.get(key)}
        for m in messages
    ]


def _check_calls(messages: Sequence[dict[str, Any]]) -> None:
    """Each tool message answers a call, and each call is answered at once."""
    caller, open_calls = 0, list[str]()
    for index, message in enumerate(messages):
        if message["role"] == "tool":
            if message["tool_call_id"] not in open_calls:
                raise ApiError(
                    400,
                    "Invalid parameter: messages with role 'tool' must be a response "
                    "to a preceeding message with 'tool_calls'.",
                    param=f"messages[{index}].role",
                )
            open_calls.remove(message["tool_call_id"])
            continue
        if open_calls:
            raise _unanswered(caller, open_calls)
        caller = index
        open_calls = [call["id"] for call in message.get("tool_calls") or ()]
    if open_calls:
        raise _unanswered(caller, open_calls)


def _unanswered(index: int, calls: list[str]) -> ApiError:
    return ApiError(
        400,
        "An assistant message with 'tool_calls' must be followed by tool messages "
        "responding to each 'tool_call_id'. The following tool_call_ids did not have "
        f"response messages: {', '.join(calls)}",
        param=f"messages[{index}].tool_calls",
    )


def _check_content(index: int, message: dict[str, Any]) -> None:
    content = message.get("content")
    if isinstance(content, list):
        for number, part in enumerate(content):
            if part["type"] not in _TEXT_PARTS:
                raise _text_only(f"messages[{index}].content[{number}]", part["type"])
    calls = message.get("tool_calls") or message.get("function_call")
    if content is None and message["role"] == "assistant" and not calls:
        raise ApiError(
            400,
            f"Missing required parameter: 'messages[{index}].content'. An assistant "
            "message needs content, or else tool_calls.",
            param=f"messages[{index}].content",
            code="missing_required_parameter",
        )


def _text_only(where: str, kind: str) -> ApiError:
    return ApiError(
        400,
        f"Invalid content type. {kind} is only supported by certain models. The local "
        f"engine reads text only; remove the part {where} or describe it in words.",
        param=f"{where}.type",
    )


def text(message: dict[str, Any]) -> str:
    """The plain text of a message, "" where it has none."""
    content = message.get("content")
    if content is None or isinstance(content, str):
        return content or ""
    return "".join(part[part["type"]] for part in content)
