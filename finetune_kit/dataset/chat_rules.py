"""Rules of the chat format: {"messages": [{"role": …, "content": …}, …]}.

Sources: the fine-tuning input schema of OpenAI's OpenAPI description (2025-04) and
error messages that users met (2023 to 2026).
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from .rules import Example, Hit, Rule, json_type, near, rule, shown

CHAT_RULES: list[Rule[Example]] = []

TOP_LEVEL_KEYS = ("messages", "tools", "parallel_tool_calls", "functions")
MESSAGE_KEYS = {
    "system": ("role", "content", "name"),
    "developer": ("role", "content", "name"),
    "user": ("role", "content", "name"),
    "assistant": (
        "role",
        "content",
        "name",
        "weight",
        "tool_calls",
        "function_call",
        "refusal",
    ),
    "tool": ("role", "content", "tool_call_id"),
    "function": ("role", "content", "name"),
}
ROLES = tuple(role for role in MESSAGE_KEYS if role != "developer")
ALL_KEYS = tuple(dict.fromkeys(key for keys in MESSAGE_KEYS.values() for key in keys))


def meant_role(message: dict[str, Any]) -> str | None:
    """The role of a message, a misspelt one as what it is near to, else None."""
    role = message.get("role")
    if not isinstance(role, str):
        return None
    return role if role in MESSAGE_KEYS else near(role, ROLES)


def has_calls(message: dict[str, Any]) -> bool:
    return bool(message.get("tool_calls") or message.get("function_call"))


def misspelt_or_missing(
    holder: dict[str, Any], key: str, known: tuple[str, ...], index: int | None = None
) -> Iterator[Hit]:
    """A missing key; where another key looks like it, the fix asks for that."""
    near_ones = [other for other in holder if near(other, known) == key]
    if near_ones:
        what = f"`{key}` is missing, there is {shown(near_ones[0])}"
        fix = f"Did you mean `{key}`?"
        yield Hit(what, index, near_ones[0], fix=fix, at_key=True)
    else:
        yield Hit(f"`{key}` is missing", message=index, field=key)


@rule(
    CHAT_RULES,
    "error",
    why="A chat example is its list of messages.",
    fix="Put the conversation under the key `messages`.",
    service="Invalid file format. Example {example} is missing key 'messages'",
    exact=True,
)
def missing_messages(example: Example) -> Iterator[Hit]:
    if "messages" not in example.value:
        yield from misspelt_or_missing(example.value, "messages", TOP_LEVEL_KEYS)


@rule(
    CHAT_RULES,
    "error",
    why="A chat example is its list of messages.",
    fix='Write `messages` as a list: [{"role": "user", "content": …}, …].',
    service="Invalid file format. Example {example} 'messages' is not a list",
)
def messages_not_a_list(example: Example) -> Iterator[Hit]:
    found = example.value.get("messages", [])
    if not isinstance(found, list):
        yield Hit(f"`messages` is {json_type(found)}, not a list", field="messages")


@rule(
    CHAT_RULES,
    "error",
    why="Without messages there is nothing to learn.",
    fix="Write at least a user and an assistant message, or remove the line.",
    service="Invalid file format. Example {example} 'messages' is empty",
)
def empty_messages(example: Example) -> Iterator[Hit]:
    if example.value.get("messages") == []:
        yield Hit("`messages` is an empty list", field="messages")


@rule(
    CHAT_RULES,
    "error",
    why="The service takes only the keys it knows: messages, tools, "
    "parallel_tool_calls, functions.",
    fix="Remove the key.",
    service='Invalid file format. Example {example} contains an extra "{key}".',
    exact=True,
)
def extra_key(example: Example) -> Iterator[Hit]:
    lacking = {"messages"} - example.value.keys()
    for key in example.value:
        if key in TOP_LEVEL_KEYS:
            continue
        meant = near(key, TOP_LEVEL_KEYS)
        if meant in lacking:
            continue  # reported as the missing key
        fix = f"Did you mean `{meant}`?" if meant else None
        if key == "weight":
            fix = "Move `weight` into the assistant message it is about."
        what = f"unknown key {shown(key)}"
        yield Hit(what, field=key, fix=fix, service={"key": key}, at_key=True)


@rule(
    CHAT_RULES,
    "error",
    why="Each message is an object with a role and a content.",
    fix='Write it as {"role": …, "content": …}.',
    service="Invalid file format. Example {example}, message {message} is not an "
    "object",
)
def message_not_an_object(example: Example) -> Iterator[Hit]:
    found = example.value.get("messages")
    for index, message in enumerate(found if isinstance(found, list) else []):
        if not isinstance(message, dict):
            yield Hit(f"the message is {json_type(message)}", message=index)


@rule(
    CHAT_RULES,
    "error",
    why="The role says who speaks; the model learns the assistant's messages.",
    fix="Add `role`: system, user, assistant or tool.",
    service="Invalid file format. Example {example}, message {message} Discriminator "
    "'role' is missing in value",
    exact=True,
)
def missing_role(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        if "role" not in message:
            yield from misspelt_or_missing(message, "role", ALL_KEYS, index)


@rule(
    CHAT_RULES,
    "error",
    why="The service knows the roles system, user, assistant, tool and function.",
    fix="Which role is meant: `user` (the person asking) or `assistant` (the model)?",
    service="Invalid file format. Example {example}, message {message} No match for "
    "discriminator 'role' and value {role} (allowed values: 'system', 'user', "
    "'assistant', 'tool', 'function')",
)
def unknown_role(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        role = message.get("role", "user")
        if isinstance(role, str) and role in MESSAGE_KEYS:
            continue
        meant = near(role, ROLES) if isinstance(role, str) else None
        yield Hit(
            f"unknown role {shown(role)}",
            message=index,
            field="role",
            fix=f"Did you mean `{meant}`?" if meant else None,
            service={"role": shown(role)},
        )


@rule(
    CHAT_RULES,
    "warning",
    why="The role `developer` is part of the chat API, but not of the fine-tuning "
    "schema; the file may be rejected.",
    fix="Write `system`; it means the same.",
)
def developer_role(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        if message.get("role") == "developer":
            yield Hit("role 'developer'", message=index, field="role")


@rule(
    CHAT_RULES,
    "error",
    why="The service takes only the keys that a message of this role has.",
    fix="Remove the key.",
    service="Invalid file format. Example {example}, message {message} contains an "
    'extra "{key}".',
)
def extra_message_key(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        known = MESSAGE_KEYS.get(meant_role(message) or "", ALL_KEYS)
        lacking = {"role", "content"} - message.keys()
        for key in message:
            if key in known or key == "weight":
                continue
            meant = near(key, known)
            if meant in lacking:
                continue  # reported as the missing key
            fix = f"Did you mean `{meant}`?" if meant else None
            yield Hit(
                f"unknown key {shown(key)}",
                message=index,
                field=key,
                fix=fix,
                service={"key": key},
                at_key=True,
            )


@rule(
    CHAT_RULES,
    "error",
    why="The model learns the assistant's messages; here it would learn nothing.",
    fix="Add the answer you want as a message with the role `assistant`.",
    service="Invalid file format. Example {example} has no message with the role "
    "'assistant'",
)
def no_assistant_message(example: Example) -> Iterator[Hit]:
    roles = [meant_role(message) for _, message in example.messages]
    if roles and "assistant" not in roles and None not in roles:
        yield Hit("no message of the assistant", field="messages")


@rule(
    CHAT_RULES,
    "error",
    why="What follows the last answer is never learned; the example seems cut off.",
    fix="End the conversation with the assistant's answer.",
    service="Invalid file format. Example {example}, last message must be from the "
    "assistant",
)
def last_not_assistant(example: Example) -> Iterator[Hit]:
    roles = [(index, meant_role(message)) for index, message in example.messages]
    if "assistant" in [role for _, role in roles]:
        index, role = roles[-1]
        if role not in ("assistant", None):
            yield Hit(f"the last message is the {role}'s", message=index, field="role")
