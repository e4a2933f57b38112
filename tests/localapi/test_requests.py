"""Strict reading of requests, where the types are unions of objects."""

import pytest
from openai.types.chat.completion_create_params import (
    CompletionCreateParamsNonStreaming,
)

from finetune_kit.localapi import requests
from finetune_kit.localapi.errors import ApiError


def refusal(messages, **fields):
    document = {"model": "tinygpt", "messages": messages} | fields
    with pytest.raises(ApiError) as caught:
        requests.check(document, CompletionCreateParamsNonStreaming)
    return caught.value


def test_a_misspelt_role_is_met_with_the_roles_there_are():
    error = refusal([{"role": "assitant", "content": "Salve"}])
    assert (error.param, error.code) == ("messages[0].role", "invalid_value")
    assert error.message.startswith("Invalid value: 'assitant'. Supported values are: ")
    assert "'assistant'" in error.message
    assert "'tool'" in error.message


@pytest.mark.parametrize(
    ("message", "param", "code"),
    [
        ({"role": "user", "content": 3}, "messages[0].content", "invalid_type"),
        ({"role": "user"}, "messages[0].content", "missing_required_parameter"),
        ({"content": "x"}, "messages[0].role", "missing_required_parameter"),
        (
            {"role": "user", "content": "x", "b": 1},
            "messages[0].b",
            "unknown_parameter",
        ),
        (
            {"role": "tool", "content": "x"},
            "messages[0].tool_call_id",
            "missing_required_parameter",
        ),
        ("hello", "messages[0]", "invalid_type"),
        (
            {"role": "user", "content": [{"type": "text"}]},
            "messages[0].content[0].text",
            "missing_required_parameter",
        ),
        (
            {"role": "user", "content": [{"type": "txt", "text": "x"}]},
            "messages[0].content[0].type",
            "invalid_value",
        ),
    ],
)
def test_the_member_of_a_union_that_was_meant_is_found(message, param, code):
    error = refusal([message])
    assert (error.param, error.code) == (param, code)


def test_messages_are_checked_at_once_and_not_when_somebody_iterates():
    assert refusal("abc").param == "messages"
    assert refusal([{"role": "user", "content": "x"}, 7]).param == "messages[1]"


@pytest.mark.parametrize(
    ("fields", "param", "code"),
    [
        ({"temperature": "hot"}, "temperature", "invalid_type"),
        ({"n": 1.5}, "n", "invalid_type"),
        ({"stop": {"a": 1}}, "stop", "invalid_type"),
        ({"logit_bias": {"1": "x"}}, "logit_bias.1", "invalid_type"),
        ({"response_format": {"type": "xml"}}, "response_format.type", "invalid_value"),
        ({"colour": "red"}, "colour", "unknown_parameter"),
    ],
)
def test_other_fields_are_named_too(fields, param, code):
    error = refusal([{"role": "user", "content": "x"}], **fields)
    assert (error.param, error.code) == (param, code)
