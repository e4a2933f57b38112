"""POST /v1/chat/completions: what is refused, and in which words."""

import openai
import pytest

from tests.localapi.chat.echo import raw


@pytest.mark.parametrize(
    ("params", "param", "code", "words"),
    [
        ({"messages": []}, "messages", "empty_array", "minimum length 1"),
        (
            {"messages": [{"role": "assitant", "content": "x"}]},
            "messages[0].role",
            "invalid_value",
            "'assitant'",
        ),
        (
            {"messages": [{"role": "user", "content": 3}]},
            "messages[0].content",
            "invalid_type",
            "a string or an array",
        ),
        (
            {"messages": [{"role": "assistant", "content": None}]},
            "messages[0].content",
            "missing_required_parameter",
            "tool_calls",
        ),
        (
            {"messages": [{"role": "tool", "content": "x", "tool_call_id": "c"}]},
            "messages[0].role",
            None,
            "must be a response",
        ),
        ({"temperature": 3}, "temperature", "decimal_above_max_value", "<= 2"),
        ({"temperature": "1"}, "temperature", "invalid_type", "a number"),
        ({"top_p": -0.1}, "top_p", "decimal_below_min_value", ">= 0"),
        ({"n": 0}, "n", "integer_below_min_value", ">= 1"),
        ({"n": 129}, "n", "integer_above_max_value", "<= 128"),
        ({"n": "2"}, "n", "invalid_type", "an integer"),
        ({"max_tokens": 0}, "max_tokens", "integer_below_min_value", ">= 1"),
        (
            {"max_tokens": 5, "max_completion_tokens": 5},
            "max_tokens",
            "invalid_parameter_combination",
            "max_completion_tokens",
        ),
        ({"stop": list("abcde")}, "stop", "array_above_max_length", "4"),
        ({"stop": ""}, "stop", "invalid_value", "empty string"),
        ({"top_logprobs": 2}, "top_logprobs", None, "'logprobs' is enabled"),
        (
            {"logprobs": True, "top_logprobs": 21},
            "top_logprobs",
            "integer_above_max_value",
            "<= 20",
        ),
        ({"presence_penalty": 2.5}, "presence_penalty", "decimal_above_max_value", "2"),
        ({"logit_bias": {"a": 1}}, "logit_bias", "invalid_value", "Invalid key"),
        ({"logit_bias": {"100": 1}}, "logit_bias", "invalid_value", "is 99"),
        (
            {"logit_bias": {"5": 101}},
            "logit_bias.5",
            "integer_above_max_value",
            "<= 100",
        ),
        ({"stream_options": {}}, "stream_options", None, "'stream' is enabled"),
        ({"tool_choice": "auto"}, "tool_choice", None, "'tools' are specified"),
        (
            {"tools": [{"type": "function", "function": {}}]},
            "tools[0].function.name",
            "missing_required_parameter",
            "name",
        ),
        (
            {"response_format": {"type": "xml"}},
            "response_format.type",
            "invalid_value",
            "json_schema",
        ),
        ({"response_format": {"type": "json_object"}}, "messages", None, "'json'"),
        ({"modalities": ["audio"]}, "modalities", "invalid_value", "text only"),
        ({"extra_body": {"temprature": 1}}, "temprature", "unknown_parameter", "temp"),
    ],
)
def test_a_wrong_request_is_refused_with_what_and_where(
    refusal, params, param, code, words
):
    error = refusal(**params)
    assert error.status_code == 400
    assert error.type == "invalid_request_error"
    assert (error.param, error.code) == (param, code)
    assert words in error.body["message"]


@pytest.mark.parametrize(
    "part",
    [
        {"type": "image_url", "image_url": {"url": "https://example.com/a.png"}},
        {"type": "input_audio", "input_audio": {"data": "", "format": "wav"}},
    ],
)
def test_a_part_that_is_not_text_is_refused_by_its_place(refusal, part):
    parts = [{"type": "text", "text": "What is it?"}, part]
    error = refusal(messages=[{"role": "user", "content": parts}])
    assert error.status_code == 400
    assert error.param == "messages[0].content[1].type"
    assert part["type"] in error.body["message"]
    assert "text only" in error.body["message"]


def test_an_unknown_model_is_not_found(refusal):
    error = refusal(model="gpt-9")
    assert isinstance(error, openai.NotFoundError)
    assert (error.code, error.param) == ("model_not_found", "model")
    assert error.body["message"] == (
        "The model `gpt-9` does not exist or you do not have access to it."
    )


def test_a_completions_model_is_no_chat_model(refusal):
    error = refusal(model="babbage-002")
    assert error.status_code == 404
    assert "not a chat model" in error.body["message"]


@pytest.mark.parametrize("stream", [False, True])
def test_messages_beyond_the_engines_context_are_refused(refusal, stream):
    error = refusal(content="word " * 100, stream=stream)
    assert error.status_code == 400
    assert (error.code, error.param) == ("context_length_exceeded", "messages")
    assert error.body["message"].startswith(
        "This model's maximum context length is 64 tokens. However, your messages "
        "resulted in 103 tokens."
    )


def test_a_model_whose_weights_are_gone_is_not_found(refusal):
    error = refusal(content="please fail")
    assert (error.status_code, error.code) == (404, "model_not_found")


@pytest.mark.parametrize("body", [b"", b"[]", b"{", b'{"model":"tinygpt"}', b"\xff"])
def test_a_body_that_is_no_request_is_refused(server, body):
    assert raw(server, body).startswith("HTTP/1.1 400")
