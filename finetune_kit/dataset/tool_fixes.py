"""Fixes of tools, calls and arguments, and of examples that teach nothing."""

from __future__ import annotations

import json
from typing import Any

from .chat_rules import has_calls, meant_role
from .fixes import MESSAGES, Draft, Json, fix


def _calls(message: Json) -> list[Any]:
    calls = message.get("tool_calls")
    return calls if isinstance(calls, list) else []


@fix("tool_call_form", *MESSAGES)
def type_of_calls(draft: Draft) -> None:
    """A call without `type` gets the only one there is, `function`."""
    for index, message in draft.messages:
        for number, call in enumerate(_calls(message)):
            if isinstance(call, dict) and "type" not in call and "function" in call:
                call["type"] = "function"
                draft.note("`type` is added", index, f"tool_calls[{number}]")


@fix("tool_arguments", *MESSAGES)
def arguments_as_text(draft: Draft) -> None:
    """`arguments` given as an object is written as the text of its JSON."""
    for index, message in draft.messages:
        holders = [
            (f"tool_calls[{number}].function.arguments", call.get("function"))
            for number, call in enumerate(_calls(message))
            if isinstance(call, dict)
        ]
        holders.append(("function_call.arguments", message.get("function_call")))
        for where, holder in holders:
            if isinstance(holder, dict) and isinstance(holder.get("arguments"), dict):
                holder["arguments"] = json.dumps(
                    holder["arguments"], ensure_ascii=False
                )
                draft.note("`arguments` is written as JSON text", index, where)


@fix("parallel_tool_calls_type", *MESSAGES)
def parallel_tool_calls(draft: Draft) -> None:
    """`parallel_tool_calls` as a word or a number is written true or false."""
    value = draft.value or {}
    found = value.get("parallel_tool_calls", True)
    plain = {"true": True, "1": True, "false": False, "0": False}
    meant = plain.get(str(found).strip().lower())
    if not isinstance(found, bool) and meant is not None:
        value["parallel_tool_calls"] = meant
        draft.note(f"written {str(meant).lower()}", None, "parallel_tool_calls")


def _drop(draft: Draft, why: str) -> None:
    draft.value = None
    draft.note(f"the example is removed: {why}")


@fix("empty_assistant_content", "chat", safe=False)
def empty_answers(draft: Draft) -> None:
    """Examples with an empty answer are removed."""
    for _, message in draft.messages:
        content = message.get("content")
        silent = isinstance(content, str) and not content.strip()
        if message.get("role") == "assistant" and silent and not has_calls(message):
            _drop(draft, "its answer is empty")
            return


@fix("empty_completion", "completion", safe=False)
def empty_completions(draft: Draft) -> None:
    """Examples with an empty completion are removed."""
    completion = (draft.value or {}).get("completion")
    if isinstance(completion, str) and not completion.strip():
        _drop(draft, "its completion is empty")


@fix("no_assistant_message", "chat", safe=False)
def no_answer(draft: Draft) -> None:
    """Examples without an answer are removed."""
    roles = [meant_role(message) for _, message in draft.messages]
    if roles and "assistant" not in roles and None not in roles:
        _drop(draft, "it has no answer")


@fix("nothing_to_learn", "chat", safe=False)
def nothing_to_learn(draft: Draft) -> None:
    """Examples in which every answer has weight 0 are removed."""
    answers = [m for _, m in draft.messages if m.get("role") == "assistant"]
    if answers and all(answer.get("weight", 1) == 0 for answer in answers):
        _drop(draft, "every answer has weight 0")
