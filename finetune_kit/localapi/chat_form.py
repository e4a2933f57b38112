"""Rules of a chat request that the SDK's types do not state: tools, response formats.

The engine is not held to a schema. What it is asked for is checked all the same, so
that a cell carries over.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from finetune_kit.localapi import answer_format, job_rules, messages, tool_calls
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import (
    array_length_in,
    missing_parameter,
    string_length_in,
)

_NAME = "^[a-zA-Z0-9_-]+$"
_MAX_NAME = 64
_MAX_TOOLS = 128
_DEEPEST = 100  # keys and indices; far beyond what anybody writes


def check(params: dict[str, Any]) -> None:
    """Raise the ApiError for the first rule that a well-typed request breaks."""
    _check_modalities(params)
    _check_tools(params)
    _check_response_format(params)
    _check_metadata(params)


def _check_modalities(params: dict[str, Any]) -> None:
    if "audio" in (params.get("modalities") or ()):
        raise ApiError(
            400,
            "Invalid value: 'audio'. The local engine answers in text only: leave "
            "'modalities' out.",
            param="modalities",
            code="invalid_value",
        )


def _check_metadata(params: dict[str, Any]) -> None:
    if metadata := params.get("metadata"):
        job_rules.refuse_metadata(metadata)
        if not params.get("store"):
            raise ApiError(
                400,
                "The 'metadata' parameter is only allowed when 'store' is enabled.",
                param="metadata",
            )


def _check_tools(params: dict[str, Any]) -> None:
    tools, functions = params.get("tools"), params.get("functions")
    for name, given in (("tools", tools), ("functions", functions)):
        if given is not None:
            array_length_in(given, name, 1, _MAX_TOOLS)
    if params.get("tool_choice") not in (None, "none"):
        _only_with("tool_choice", "tools", tools)
    if params.get("parallel_tool_calls") is not None:
        _only_with("parallel_tool_calls", "tools", tools)
    if params.get("function_call") not in (None, "none"):
        _only_with("function_call", "functions", functions)
    named = [
        *((f"tools[{i}].{t['type']}", t[t["type"]]) for i, t in enumerate(tools or [])),
        *((f"functions[{i}]", f) for i, f in enumerate(functions or [])),
    ]
    for where, function in named:
        _check_name(function["name"], f"{where}.name")
        _check_parameters(function, f"{where}.parameters")
    _check_choice(params.get("tool_choice"), tools or [])
    _check_function_call(params.get("function_call"), functions or [])


def _only_with(name: str, other: str, given: Any) -> None:
    if not given:
        raise ApiError(
            400,
            f"Invalid value for '{name}': '{name}' is only allowed when '{other}' are "
            "specified.",
            param=name,
        )


def _check_name(text: str, where: str) -> None:
    string_length_in(text, where, 1, _MAX_NAME)
    if not re.fullmatch(_NAME, text):
        raise ApiError(
            400,
            f"Invalid '{where}': string does not match pattern. Expected a string that "
            f"matches the pattern '{_NAME}'.",
            param=where,
            code="invalid_value",
        )


def _check_parameters(function: dict[str, Any], where: str) -> None:
    schema = function.get("parameters")
    if schema is None:
        return
    about, code = f"function '{function['name']}'", "invalid_function_parameters"
    kind = schema.get("type", "object")
    if kind != "object":
        raise _bad_schema(about, _no_object(kind), where, code)
    if function.get("strict"):
        _check_strict(schema, about, where, code)


def _check_choice(choice: Any, tools: Sequence[dict[str, Any]]) -> None:
    """A named tool must be one of the tools."""
    if choice is None or isinstance(choice, str):
        return
    kind = choice["type"]
    if kind == "allowed_tools":
        kind, wanted = "function", tool_calls.allowed_names(choice)
        array_length_in(wanted, "tool_choice.allowed_tools.tools", 1, _MAX_TOOLS)
    else:
        wanted = [choice[kind]["name"]]
    known = [tool[kind]["name"] for tool in tools if tool["type"] == kind]
    for name in wanted:
        if name not in known:
            raise ApiError(
                400,
                f"Tool choice '{name}' not found in 'tools' parameter.",
                param="tool_choice",
            )


def _check_function_call(choice: Any, functions: Sequence[dict[str, Any]]) -> None:
    """A named function must be one of the functions."""
    if choice is None or isinstance(choice, str):
        return
    if choice["name"] not in [function["name"] for function in functions]:
        raise ApiError(
            400,
            "Invalid value for 'function_call': no function named "
            f"'{choice['name']}' was specified in the 'functions' parameter.",
            param="function_call",
        )


def _check_response_format(params: dict[str, Any]) -> None:
    form = params.get("response_format") or {"type": "text"}
    if form["type"] == "json_schema":
        _check_json_schema(form["json_schema"])
    if form["type"] == "json_object":
        texts = map(messages.text, params["messages"])
        refuse_without_json(texts, "messages", "response_format")


def refuse_without_json(texts: Iterable[str], asked: str, form: str) -> None:
    """Who asks for JSON of no schema must also say so in the words of a message."""
    if not any("json" in text.lower() for text in texts):
        raise ApiError(
            400,
            f"'{asked}' must contain the word 'json' in some form, to use "
            f"'{form}' of type 'json_object'.",
            param=asked,
        )


def _check_json_schema(wanted: dict[str, Any]) -> None:
    where = "response_format.json_schema"
    _check_name(wanted["name"], f"{where}.name")
    schema = wanted.get("schema")
    if schema is None:
        raise missing_parameter(f"{where}.schema")
    about = f"response_format '{wanted['name']}'"
    kind = schema.get("type")
    if wanted.get("strict"):
        if kind != "object":
            raise _bad_schema(about, _no_object(kind), "response_format")
        _check_strict(schema, about, "response_format")
    if fault := answer_format.schema_fault(schema):
        raise _bad_schema(about, fault, "response_format")


def _check_strict(
    schema: dict[str, Any], about: str, param: str, code: str | None = None
) -> None:
    """Structured outputs: every object is closed and requires all its properties."""
    try:
        parts = list(_objects(schema, ()))
    except RecursionError:
        raise _bad_schema(about, "it is nested too deeply.", param, code) from None
    for path, part in parts:
        if part.get("additionalProperties") is not False:
            fault = "'additionalProperties' is required to be supplied and to be false."
        elif missing := set(part.get("properties", {})) - _required(part):
            fault = (
                "'required' is required to be supplied and to be an array including "
                f"every key in properties. Missing '{min(missing)}'."
            )
        else:
            continue
        raise _bad_schema(about, f"In context={path}, {fault}", param, code)


def _required(part: dict[str, Any]) -> set[str]:
    required = part.get("required")
    return {str(name) for name in required} if isinstance(required, list) else set()


def _objects(
    schema: Any, path: tuple[str, ...]
) -> Iterator[tuple[tuple[str, ...], dict[str, Any]]]:
    """The parts of a JSON Schema that describe objects, each with its way there.

    Raises RecursionError for one that is nested too deeply.
    """
    if len(path) > _DEEPEST:
        raise RecursionError
    if isinstance(schema, list):
        for index, part in enumerate(schema):
            yield from _objects(part, (*path, str(index)))
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    named = properties if isinstance(properties, dict) else {}
    if schema.get("type") == "object" or named:
        yield path, schema | {"properties": named}
    for name, part in named.items():
        yield from _objects(part, (*path, "properties", name))
    for key in ("items", "anyOf"):
        yield from _objects(schema.get(key), (*path, key))
    definitions = schema.get("$defs")
    for name, part in (definitions if isinstance(definitions, dict) else {}).items():
        yield from _objects(part, (*path, "$defs", name))


def _no_object(kind: Any) -> str:
    return (
        f"schema must be a JSON Schema of 'type: \"object\"', got 'type: \"{kind}\"'."
    )


def _bad_schema(about: str, why: str, param: str, code: str | None = None) -> ApiError:
    return ApiError(400, f"Invalid schema for {about}: {why}", param=param, code=code)
