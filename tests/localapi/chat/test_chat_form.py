"""Tools, response formats and the SDK's helpers around them."""

import openai
import pytest
from pydantic import BaseModel

NOTHING = {"type": "object", "properties": {}}


class City(BaseModel):
    name: str
    country: str


def tool(name="look_up", **function):
    return {"type": "function", "function": {"name": name, **function}}


def schema(properties=None, **more):
    properties = properties or {"a": {"type": "string"}}
    closed = {"additionalProperties": False, "required": list(properties)}
    return {"type": "object", "properties": properties} | closed | more


def strict_format(wanted):
    described = {"name": "answer", "strict": True, "schema": wanted}
    return {"response_format": {"type": "json_schema", "json_schema": described}}


@pytest.mark.parametrize(
    ("params", "param", "code", "words"),
    [
        (
            strict_format(schema({"a": {"type": "strng"}})),
            "response_format",
            None,
            "schema.properties.a.type",
        ),
        ({"tools": []}, "tools", "empty_array", "empty array"),
        ({"tools": [tool()] * 129}, "tools", "array_above_max_length", "128"),
        (
            {"tools": [tool("look up")]},
            "tools[0].function.name",
            "invalid_value",
            "does not match pattern",
        ),
        (
            {"tools": [tool(), tool("x" * 65)]},
            "tools[1].function.name",
            "string_above_max_length",
            "64",
        ),
        (
            {"tools": [tool(parameters={"type": "array"})]},
            "tools[0].function.parameters",
            "invalid_function_parameters",
            "Invalid schema for function 'look_up'",
        ),
        (
            {"tools": [tool(parameters=NOTHING, strict=True)]},
            "tools[0].function.parameters",
            "invalid_function_parameters",
            "'additionalProperties' is required",
        ),
        (
            {
                "tools": [tool()],
                "tool_choice": {"type": "function", "function": {"name": "other"}},
            },
            "tool_choice",
            None,
            "'other' not found in 'tools'",
        ),
        ({"tool_choice": "required"}, "tool_choice", None, "only allowed when"),
        ({"parallel_tool_calls": True}, "parallel_tool_calls", None, "'tools' are"),
        ({"function_call": "auto"}, "function_call", None, "'functions' are"),
        ({"functions": [{"name": "a b"}]}, "functions[0].name", "invalid_value", ""),
        (
            {"response_format": {"type": "json_schema", "json_schema": {"name": "a"}}},
            "response_format.json_schema.schema",
            "missing_required_parameter",
            "Missing",
        ),
        (
            strict_format(schema(additionalProperties=True)),
            "response_format",
            None,
            "In context=(), 'additionalProperties'",
        ),
        (
            strict_format(schema({"b": schema(required=[])})),
            "response_format",
            None,
            "In context=('properties', 'b'), 'required' is required",
        ),
        (
            strict_format({"type": "array"}),
            "response_format",
            None,
            "got 'type: \"array\"'",
        ),
        ({"metadata": {"a": "b"}}, "metadata", None, "when 'store' is enabled"),
        (
            {"store": True, "metadata": {"a": "b" * 513}},
            "metadata.a",
            "string_above_max_length",
            "512",
        ),
    ],
)
def test_a_faulty_form_is_refused_and_named(refusal, params, param, code, words):
    error = refusal(**params)
    assert (error.status_code, error.param, error.code) == (400, param, code)
    assert words in error.message


def test_a_schema_nested_beyond_reason_is_refused(refusal):
    deep = schema()
    for _ in range(400):
        deep = {"anyOf": [deep]}
    assert refusal(**strict_format(schema({"a": deep}))).status_code == 400


def test_tools_and_formats_of_the_right_form_are_taken(ask):
    for params in (
        {"tools": [tool(parameters=schema(), strict=True)], "tool_choice": "auto"},
        {
            "tools": [tool()],
            "tool_choice": {"type": "function", "function": {"name": "look_up"}},
            "parallel_tool_calls": False,
        },
        {"functions": [{"name": "look_up"}], "function_call": "auto"},
        {"store": True, "metadata": {"a": "b"}, "user": "me"},
    ):
        assert ask(**params).choices[0].message.content == "carpe diem amice"
    form = strict_format(schema({"b": schema(), "c": {"type": "array", "items": {}}}))
    assert "carpe diem amice" in ask(**form).choices[0].message.refusal


CALL = {
    "role": "assistant",
    "content": None,
    "tool_calls": [
        {"id": "c1", "type": "function", "function": {"name": "f", "arguments": "{}"}}
    ],
}
USER = {"role": "user", "content": "x"}


@pytest.mark.parametrize("after", [[USER], []])
def test_a_call_that_nobody_answered_is_refused(refusal, after):
    error = refusal(messages=[USER, CALL, *after])
    assert error.param == "messages[1].tool_calls"
    assert "did not have response messages: c1" in error.message


def test_all_roles_are_read(ask):
    roles = [
        {"role": "developer", "content": "d"},
        {"role": "system", "content": [{"type": "text", "text": "s"}]},
        {"role": "user", "content": "u", "name": "bob"},
        CALL,
        {"role": "tool", "tool_call_id": "c1", "content": "42"},
        {"role": "function", "name": "f", "content": "1"},
        {"role": "user", "content": "last word"},
    ]
    assert ask(messages=roles).choices[0].message.content == "last word"


def test_parse_makes_an_object_of_an_answer_in_json(client):
    said = [{"role": "user", "content": '{"name": "Roma", "country": "Italia"}'}]
    parsed = client.chat.completions.parse(
        model="gpt-4o-mini",
        messages=said,
        response_format=City,
        tools=[openai.pydantic_function_tool(City)],
    )
    assert parsed.choices[0].message.parsed == City(name="Roma", country="Italia")


def test_the_stream_helper_gathers_chunks_into_a_completion(client):
    with client.chat.completions.stream(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "carpe diem amice"}],
        stream_options={"include_usage": True},
    ) as stream:
        kinds = {event.type for event in stream}
        final = stream.get_final_completion()
    assert {"chunk", "content.delta", "content.done"} <= kinds
    assert final.choices[0].message.content == "carpe diem amice"
    assert final.usage.completion_tokens > 0
