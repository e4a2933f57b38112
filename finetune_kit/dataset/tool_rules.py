"""Rules of tools in chat examples: definitions, calls, and their results."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

from .chat_rules import CHAT_RULES
from .rules import Example, Hit, json_type, rule, shown

_CALL = (
    '{"id": "call_1", "type": "function", "function": {"name": …, "arguments": "{…}"}}'
)
_SCHEMA = "Invalid file format. Example {example}, message {message} {field}: "


def _calls(message: dict[str, Any]) -> list[tuple[int, Any]]:
    calls = message.get("tool_calls")
    return list(enumerate(calls if isinstance(calls, list) else []))


def _function(call: object) -> dict[str, Any]:
    found = call.get("function") if isinstance(call, dict) else None
    return found if isinstance(found, dict) else {}


@rule(
    CHAT_RULES,
    "error",
    why="The model learns which function it may call from these definitions.",
    fix='Write tools as [{"type": "function", "function": {"name": …, '
    '"parameters": {…}}}] and the older functions as [{"name": …}].',
    service="Invalid file format. Example {example} {field}: not a valid function "
    "definition",
)
def tools_form(example: Example) -> Iterator[Hit]:
    for key in ("tools", "functions"):
        found = example.value.get(key)
        if found is None and key not in example.value:
            continue
        if not isinstance(found, list) or not found:
            what = "an empty list" if found == [] else json_type(found)
            yield Hit(f"`{key}` is {what}", field=key)
            continue
        for number, tool in enumerate(found):
            if problem := _definition_problem(tool, key):
                yield Hit(problem, field=f"{key}[{number}]")


def _definition_problem(tool: object, key: str) -> str | None:
    if not isinstance(tool, dict):
        return f"the definition is {json_type(tool)}"
    if key == "tools":
        if tool.get("type") != "function":
            return f"the type of a tool is `function`, not {shown(tool.get('type'))}"
        if not isinstance(tool.get("function"), dict):
            return "the tool has no object `function`"
    function: dict[str, Any] = tool["function"] if key == "tools" else tool
    if not isinstance(function.get("name"), str) or not function["name"]:
        return "the function has no name"
    if not isinstance(function.get("parameters", {}), dict):
        return f"`parameters` is {json_type(function['parameters'])}, not a schema"
    return None


@rule(
    CHAT_RULES,
    "error",
    why="It says whether the model may call several tools at once.",
    fix="Write true or false.",
    service="Invalid file format. Example {example} {field}: value is not a valid "
    "boolean",
)
def parallel_tool_calls_type(example: Example) -> Iterator[Hit]:
    value = example.value.get("parallel_tool_calls", True)
    if not isinstance(value, bool):
        what = f"`parallel_tool_calls` is {shown(value)}"
        yield Hit(what, field="parallel_tool_calls")


@rule(
    CHAT_RULES,
    "error",
    why="A call has an id (its result refers to it), a type, and a function with name "
    "and arguments.",
    fix=f"Write each call as {_CALL}.",
    service=_SCHEMA + "not a valid tool call",
)
def tool_call_form(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        found = message.get("tool_calls", [{}])
        if not isinstance(found, list) or not found:
            what = "an empty list" if found == [] else json_type(found)
            yield Hit(f"`tool_calls` is {what}", message=index, field="tool_calls")
        for number, call in _calls(message):
            if problem := _call_problem(call):
                yield Hit(problem, message=index, field=f"tool_calls[{number}]")


def _call_problem(call: object) -> str | None:
    if not isinstance(call, dict):
        return f"the call is {json_type(call)}"
    if not isinstance(call.get("id"), str) or not call["id"]:
        return "the call has no `id`"
    if call.get("type") != "function":
        return f"the type of a call is `function`, not {shown(call.get('type'))}"
    if not isinstance(call.get("function"), dict):
        return "the call has no object `function`"
    if not isinstance(call["function"].get("name"), str):
        return "the call's function has no name"
    return None


@rule(
    CHAT_RULES,
    "error",
    why="A function call of the older kind has a name and arguments.",
    fix='Write it as {"name": …, "arguments": "{…}"}.',
    service=_SCHEMA + "not a valid function call",
)
def function_call_form(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        call = message.get("function_call")
        if "function_call" in message and not (
            isinstance(call, dict) and isinstance(call.get("name"), str)
        ):
            what = "`function_call` is no object with a name"
            yield Hit(what, message=index, field="function_call")


@rule(
    CHAT_RULES,
    "error",
    why="Arguments are a string that holds JSON, not JSON itself.",
    fix="Write them with json.dumps(arguments).",
    service=_SCHEMA + "str type expected",
)
def tool_arguments(example: Example) -> Iterator[Hit]:
    for index, message in example.messages:
        holders = [
            (f"tool_calls[{number}].function.arguments", _function(call))
            for number, call in _calls(message)
            if _function(call)
        ]
        old = message.get("function_call")
        if isinstance(old, dict) and old:
            holders.append(("function_call.arguments", old))
        for field, function in holders:
            if problem := _arguments_problem(function.get("arguments")):
                yield Hit(problem, message=index, field=field)


def _arguments_problem(arguments: object) -> str | None:
    if not isinstance(arguments, str):
        return f"`arguments` is {json_type(arguments)}, not a string"
    try:
        parsed = json.loads(arguments)
    except (ValueError, RecursionError) as error:
        return f"`arguments` is no valid JSON: {error}"
    if not isinstance(parsed, dict):
        return f"`arguments` holds {json_type(parsed)}, not an object"
    return None


@rule(
    CHAT_RULES,
    "error",
    why="A tool's result answers a call that the assistant made before.",
    fix="Give `tool_call_id` the `id` of that call; put the call before the result.",
    service="Invalid file format. Example {example}, message {message} tool_call_id "
    "does not match a preceding tool call",
)
def tool_result_without_call(example: Example) -> Iterator[Hit]:
    made: set[str] = set()
    for index, message in example.messages:
        for _, call in _calls(message):
            if isinstance(call, dict) and isinstance(call.get("id"), str):
                made.add(call["id"])
        if message.get("role") != "tool":
            continue
        wanted = message.get("tool_call_id")
        if not isinstance(wanted, str):
            what = "the tool's message has no `tool_call_id`"
        elif wanted not in made:
            what = f"no call with the id {shown(wanted)} stands before this result"
        else:
            continue
        yield Hit(what, message=index, field="tool_call_id")
