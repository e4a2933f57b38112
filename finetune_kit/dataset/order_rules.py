"""Rules of the order of turns in chat examples; none of them is known to refuse."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

from .chat_rules import CHAT_RULES, meant_role
from .rules import Example, Hit, rule, shown


@rule(
    CHAT_RULES,
    "warning",
    why="The system prompt stands at the head when the model is asked; elsewhere the "
    "model learns a form that it will not meet.",
    fix="Make it the first message, and the only one of its role.",
)
def system_not_first(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        if index and meant_role(message) in ("system", "developer"):
            what = f"the {message['role']} message is number {index + 1}"
            yield Hit(what, message=index, field="role")


@rule(
    CHAT_RULES,
    "warning",
    why="Nobody asks here, so the model learns to speak unasked.",
    fix="Add the user's message before the answer.",
)
def no_user_message(example: Example) -> Iterator[Hit]:
    roles = [meant_role(message) for _, message in example.messages]
    if "assistant" in roles and "user" not in roles and None not in roles:
        yield Hit("no message of the user", field="messages")


@rule(
    CHAT_RULES,
    "advice",
    why="Turns usually alternate; two in a row are often one message cut in two, or a "
    "message that was lost between them.",
    fix="Join the two messages, or add what is missing between them.",
)
def same_role_twice(example: Example) -> Iterator[Hit]:
    for (_, before), (index, message) in pairwise(example.messages):
        role = meant_role(message)
        if role in ("user", "assistant") and role == meant_role(before):
            what = f"two messages of the {role} in a row"
            yield Hit(what, message=index, field="role")


@rule(
    CHAT_RULES,
    "warning",
    why="A message without text asks nothing.",
    fix="Write the text, or remove the message.",
)
def empty_content(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        content = message.get("content")
        if (
            meant_role(message) in ("system", "developer", "user")
            and isinstance(content, str)
            and not content.strip()
        ):
            what = f"the {message.get('role')}'s message is empty"
            yield Hit(what, message=index, field="content")


@rule(
    CHAT_RULES,
    "warning",
    why="The chat API refuses a conversation in which a tool's result is missing; the "
    "model would learn to go on without it.",
    fix='After the call add {"role": "tool", "tool_call_id": …, "content": …}.',
)
def call_without_result(example: Example) -> Iterator[Hit]:
    messages = example.messages
    answered = {
        message.get("tool_call_id")
        for _, message in messages
        if message.get("role") == "tool"
        and isinstance(message.get("tool_call_id"), str)
    }
    for index, message in messages[:-1]:  # the last may end with its calls
        calls = message.get("tool_calls")
        for number, call in enumerate(calls if isinstance(calls, list) else []):
            made = call.get("id") if isinstance(call, dict) else None
            if isinstance(made, str) and made not in answered:
                what = f"the call {shown(made)} has no result"
                yield Hit(what, message=index, field=f"tool_calls[{number}].id")
