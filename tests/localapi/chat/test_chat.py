"""POST /v1/chat/completions: a whole answer, as the SDK sees it."""

import json

import pytest
from openai import types

from finetune_kit.dataset import tokens
from tests.localapi.chat.echo import USER, no_strangers, raw


def test_the_answer_is_the_text_that_the_engine_made(ask):
    assert ask().choices[0].message.content == "carpe diem amice"


def test_a_reply_has_the_keys_of_the_service_and_no_others(server):
    body = {"model": "gpt-4o-mini", "messages": USER}
    reply = json.loads(raw(server, body).split("\r\n\r\n")[1])
    assert reply.keys() == {
        "id",
        "object",
        "created",
        "model",
        "choices",
        "usage",
        "service_tier",
        "system_fingerprint",
    }
    (choice,) = reply["choices"]
    assert choice.keys() == {"index", "message", "logprobs", "finish_reason"}
    message = choice["message"]
    assert message.keys() == {"role", "content", "refusal", "annotations"}
    assert reply["usage"].keys() == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
        "prompt_tokens_details",
        "completion_tokens_details",
    }


def test_a_reply_fits_the_sdks_response_model_strictly(ask):
    reply = ask(logprobs=True, top_logprobs=2)
    types.chat.ChatCompletion.model_validate(reply.model_dump(), strict=True)
    assert no_strangers(reply)


def test_a_reply_says_that_the_local_engine_answered(ask):
    reply = ask()
    assert reply.system_fingerprint == "fp_tinygpt_0a1b2c3d"
    assert reply.service_tier == "default"
    assert reply.id.startswith("chatcmpl-")
    assert reply.object == "chat.completion"


def test_an_alias_is_answered_under_the_name_of_its_snapshot(ask):
    assert ask(model="gpt-4o-mini").model == "gpt-4o-mini-2024-07-18"
    assert ask(model="gpt-3.5-turbo").model == "gpt-3.5-turbo-0125"
    assert ask(model="tinygpt").model == "tinygpt"


def test_usage_is_counted_in_the_encoding_of_the_named_model(ask):
    text = "Gaudeamus igitur iuvenes"
    for model, encoding in [
        ("gpt-4o", "o200k_base"),
        ("gpt-3.5-turbo", "cl100k_base"),
    ]:
        usage = ask(text, model=model).usage
        message = {"role": "user", "content": text}
        assert usage.prompt_tokens == tokens.chat_tokens([message], encoding) + 3
        assert usage.completion_tokens == tokens.count(text, encoding)
        assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens


def test_max_tokens_cuts_the_answer_and_says_so(ask):
    for name in ("max_tokens", "max_completion_tokens"):
        choice = ask(**{name: 2}).choices[0]
        assert (choice.message.content, choice.finish_reason) == (
            "carpe diem",
            "length",
        )


@pytest.mark.parametrize("stop", ["amice", ["x", "amice"]])
def test_a_stop_sequence_ends_the_answer(ask, stop):
    choice = ask(stop=stop).choices[0]
    assert (choice.message.content, choice.finish_reason) == ("carpe diem", "stop")


def test_n_answers_come_in_the_order_of_their_index(ask):
    reply = ask(n=5)
    assert [choice.index for choice in reply.choices] == [0, 1, 2, 3, 4]
    assert reply.usage.completion_tokens == 5 * ask().usage.completion_tokens


def test_without_logprobs_there_are_none(ask):
    assert ask().choices[0].logprobs is None


def test_logprobs_give_each_token_with_its_alternatives(ask):
    content = ask(logprobs=True, top_logprobs=2).choices[0].logprobs.content
    assert [item.token for item in content] == ["carpe", " diem", " amice"]
    assert bytes(content[1].bytes) == b" diem"
    assert [other.token for other in content[0].top_logprobs] == ["carpe", " other"]
    assert content[0].logprob == -0.5


def test_logprobs_alone_give_no_alternatives(ask):
    content = ask(logprobs=True).choices[0].logprobs.content
    assert all(item.top_logprobs == [] for item in content)


def test_text_parts_are_read_as_one_text(ask):
    parts = [{"type": "text", "text": "carpe "}, {"type": "text", "text": "diem"}]
    reply = ask(messages=[{"role": "user", "content": parts}])
    assert reply.choices[0].message.content == "carpe diem"


def test_every_role_is_accepted(ask):
    call = {"id": "call_1", "type": "function", "function": {"name": "f"}}
    call["function"]["arguments"] = "{}"
    reply = ask(
        messages=[
            {"role": "developer", "content": "Be brief."},
            {"role": "system", "content": "Be kind."},
            {"role": "user", "content": "Hello", "name": "Ana"},
            {"role": "assistant", "content": None, "tool_calls": [call]},
            {"role": "tool", "content": "{}", "tool_call_id": "call_1"},
            {"role": "function", "content": "salve", "name": "f"},
        ]
    )
    assert reply.choices[0].message.content == "salve"


def test_what_the_engine_makes_no_use_of_is_accepted(ask):
    closed = {"type": "object", "additionalProperties": False}
    schema = {"name": "answer", "schema": closed, "strict": True}
    reply = ask(
        store=True,
        metadata={"lesson": "1"},
        user="ana",
        seed=7,
        temperature=0,
        top_p=1,
        presence_penalty=-2,
        frequency_penalty=2,
        logit_bias={"5": -100},
        parallel_tool_calls=True,
        tools=[{"type": "function", "function": {"name": "f", "parameters": {}}}],
        tool_choice="auto",
        response_format={"type": "json_schema", "json_schema": schema},
        service_tier="auto",
        reasoning_effort="low",
        verbosity="low",
        prediction={"type": "content", "content": "x"},
        stop=None,
        max_tokens=None,
    )
    assert reply.choices[0].finish_reason == "stop"
