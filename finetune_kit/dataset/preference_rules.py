"""Rules of preference lines (DPO): an input, a preferred and a non-preferred output.

Source: OpenAI's guide on direct preference optimization (2025) and its older schema.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Set
from dataclasses import replace
from typing import Any

from .chat_rules import CHAT_RULES
from .findings import Finding
from .rules import Example, Hit, Rule, json_type, near, rule, shown

PREFERENCE_RULES: list[Rule[Example]] = []
OUTPUTS = ("preferred_output", "non_preferred_output")
KEYS = ("input", *OUTPUTS)
#: What other tools call the outputs.
_OTHER_NAMES = {
    "preferred_completion": "preferred_output",
    "non_preferred_completion": "non_preferred_output",
    "chosen": "preferred_output",
    "rejected": "non_preferred_output",
    "prompt": "input",
}
INPUT_KEYS = ("messages", "tools", "parallel_tool_calls")
_FORM = (
    '{"input": {"messages": […]}, "preferred_output": [{"role": "assistant", '
    '"content": …}], "non_preferred_output": [{…}]}'
)
#: Rules that ask for an answer among the messages: here it stands apart.
_ABOUT_ANSWERS = {
    "no_assistant_message",
    "no_user_message",
    "last_not_assistant",
    "nothing_to_learn",
}


@rule(
    PREFERENCE_RULES,
    "error",
    why="A preference line holds what is asked, the better and the worse answer.",
    fix=f"Write {_FORM}.",
    service="Invalid file format. Example {example} is missing key '{key}'",
    exact=True,
)
def missing_preference_key(example: Example) -> Iterator[Hit]:
    for key in KEYS:
        if key in example.value:
            continue
        close = [k for k in example.value if k not in KEYS and _meant(k) == key]
        there = f", there is {shown(close[0])}" if close else ""
        yield Hit(
            f"`{key}` is missing{there}",
            field=close[0] if close else key,
            fix=f"Did you mean `{key}`?" if close else None,
            service={"key": key},
            at_key=bool(close),
            exact=key == "input",  # the only one that was observed
        )


@rule(
    PREFERENCE_RULES,
    "error",
    why="The service takes only the keys it knows.",
    fix="Remove the key; messages and tools belong into `input`.",
    service='Invalid file format. Example {example} contains an extra "{key}".',
)
def extra_preference_key(example: Example) -> Iterator[Hit]:
    lacking = set(KEYS) - example.value.keys()
    for key in example.value:
        if key not in KEYS and _meant(key) not in lacking:
            what = f"unknown key {shown(key)}"
            yield Hit(what, field=key, service={"key": key}, at_key=True)
    given = example.value.get("input")
    for key in given if isinstance(given, dict) else ():
        if key not in INPUT_KEYS and near(key, INPUT_KEYS) != "messages":
            field = f"input.{key}"
            what = f"unknown key {shown(key)}"
            yield Hit(what, field=field, service={"key": key}, at_key=True)


@rule(
    PREFERENCE_RULES,
    "error",
    why="The input is an object with `messages`, each output a list of one message.",
    fix=f"Write {_FORM}.",
    service="Invalid file format. Example {example} {field} is not valid",
)
def preference_form(example: Example) -> Iterator[Hit]:
    given = example.value.get("input", {})
    if not isinstance(given, dict):
        yield Hit(f"`input` is {json_type(given)}, not an object", field="input")
    for key in OUTPUTS:
        found = example.value.get(key, [{}])
        if not isinstance(found, list):
            yield Hit(f"`{key}` is {json_type(found)}, not a list", field=key)
        elif len(found) != 1:
            yield Hit(f"`{key}` has {len(found)} messages, not one", field=key)
        elif not isinstance(found[0], dict):
            what = f"the message is {json_type(found[0])}"
            yield Hit(what, field=f"{key}[0]")


@rule(
    PREFERENCE_RULES,
    "error",
    why="What is preferred is an answer of the assistant.",
    fix='Give the output\'s message the role "assistant".',
    service="Invalid file format. Example {example} {field}: the message must be from "
    "the assistant",
)
def output_not_assistant(example: Example) -> Iterator[Hit]:
    for key in OUTPUTS:
        found = example.value.get(key)
        for message in found if isinstance(found, list) else []:
            role = message.get("role") if isinstance(message, dict) else None
            if isinstance(role, str) and role in ("system", "user", "tool"):
                what = f"the output has the role {shown(role)}"
                yield Hit(what, field=f"{key}[0].role")


@rule(
    PREFERENCE_RULES,
    "error",
    why="The input ends with what is to be answered; both answers follow it.",
    fix="Move the assistant's last message into the outputs, or end the input with the "
    "user's message.",
    service="Invalid file format. Example {example}, the last message of the input "
    "must not be from the assistant",
)
def input_ends_with_answer(example: Example) -> Iterator[Hit]:
    if example.messages and example.messages[-1][1].get("role") == "assistant":
        index = example.messages[-1][0]
        field = f"input.messages[{index}].role"
        yield Hit("the input ends with an answer", message=index, field=field)


@rule(
    PREFERENCE_RULES,
    "warning",
    why="Two equal answers say nothing about what is preferred.",
    fix="Write a worse answer as the non-preferred one, or remove the line.",
)
def identical_outputs(example: Example) -> Iterator[Hit]:
    one, other = (example.value.get(key) for key in OUTPUTS)
    if one is not None and json.dumps(one) == json.dumps(other):
        yield Hit("both outputs are the same", field="non_preferred_output")


def _meant(key: str) -> str | None:
    return _OTHER_NAMES.get(key) or near(key, KEYS)


def input_messages(value: dict[str, Any]) -> list[Any]:
    given = value.get("input")
    found = given.get("messages") if isinstance(given, dict) else None
    return found if isinstance(found, list) else []


def message_findings(example: Example) -> Iterator[Finding]:
    """The chat rules over the messages of the input and of both outputs."""
    given = example.value.get("input")
    if isinstance(given, dict):
        part = {key: given[key] for key in given if key in INPUT_KEYS}
        if part.get("tools") == []:  # so stands in the guide's own example
            del part["tools"]
        for meant in (k for k in given if near(k, INPUT_KEYS) == "messages"):
            part[meant] = given[meant]
        for found in _chat_findings(example, part, _ABOUT_ANSWERS):
            yield replace(found, field=f"input.{found.path or 'messages'}")
    for key in OUTPUTS:
        found_list = example.value.get(key)
        if isinstance(found_list, list) and len(found_list) == 1:
            answer = {"messages": found_list}
            skip = _ABOUT_ANSWERS | {"message_not_an_object"}  # told by the form
            for found in _chat_findings(example, answer, skip):
                path = found.path.replace("messages", key, 1) or key
                yield replace(found, field=path, message=None)


def _chat_findings(
    example: Example, part: dict[str, Any], skip: Set[str]
) -> Iterator[Finding]:
    listed = part.get("messages")
    messages = [
        (index, message)
        for index, message in enumerate(listed if isinstance(listed, list) else [])
        if isinstance(message, dict)
    ]
    inner = Example(example.row, part, messages, "chat", "chat")
    for one in CHAT_RULES:
        if one.code not in skip:
            yield from one.findings(inner)
