"""Tool calls as the SDK sees them: the engine repeats the last message, so a message
in the form of a call comes back as one."""

import asyncio
import json

import openai
import pytest
from openai import types
from pydantic import BaseModel

from finetune_kit.dataset import tokens
from tests.localapi.chat.echo import KEY, no_strangers

PARIS = 'call get_weather {"city": "Paris"}'
ROME = 'call get_weather {"city": "Rome"}'


class get_weather(BaseModel):  # noqa: N801 - the tool's name
    city: str


def tool(name="get_weather", *parameters):
    properties = {each: {"type": "string"} for each in parameters or ("city",)}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def call_of(choice):
    (call,) = choice.message.tool_calls
    return call


def test_a_call_is_a_structure_and_no_text(ask):
    choice = ask(PARIS, tools=[tool()]).choices[0]
    call = call_of(choice)
    assert choice.finish_reason == "tool_calls"
    assert choice.message.content is None
    assert call.id.startswith("call_")
    assert call.type == "function"
    assert call.function.name == "get_weather"
    assert json.loads(call.function.arguments) == {"city": "Paris"}


def test_a_reply_with_calls_fits_the_sdks_response_model_strictly(ask):
    reply = ask(f"{PARIS}\n{ROME}", tools=[tool()], logprobs=True)
    types.chat.ChatCompletion.model_validate(reply.model_dump(), strict=True)
    assert no_strangers(reply)


def test_without_tools_the_same_words_are_a_text(ask):
    choice = ask(PARIS).choices[0]
    assert (choice.message.content, choice.finish_reason) == (PARIS, "stop")
    assert "tool_calls" not in choice.message.model_fields_set


@pytest.mark.parametrize(
    "words",
    [
        'call get_wether {"city": "Paris"}',
        "call get_weather {'city': 'Paris'}",
        f"{PARIS} please",
        "call your mother",
        "carpe diem",
    ],
)
def test_what_is_no_call_of_the_tools_stays_a_text(ask, words):
    choice = ask(words, tools=[tool()]).choices[0]
    assert (choice.message.content, choice.finish_reason) == (words, "stop")
    assert choice.message.tool_calls is None


def test_a_call_that_is_cut_off_stays_a_text(ask):
    choice = ask(PARIS, tools=[tool()], max_tokens=3).choices[0]
    cut = 'call get_weather {"city":'
    assert (choice.message.content, choice.finish_reason) == (cut, "length")


def test_a_text_may_stand_above_the_calls(ask):
    message = ask(f"I will look.\n{PARIS}", tools=[tool()]).choices[0].message
    assert message.content == "I will look."
    assert message.tool_calls[0].function.arguments == '{"city": "Paris"}'


def test_several_calls_come_in_their_order_each_with_an_id(ask):
    calls = ask(f"{PARIS}\n{ROME}", tools=[tool()]).choices[0].message.tool_calls
    cities = [json.loads(call.function.arguments)["city"] for call in calls]
    assert cities == ["Paris", "Rome"]
    assert len({call.id for call in calls}) == 2


def test_without_parallel_calls_there_is_one(ask):
    asked = {"tools": [tool()], "parallel_tool_calls": False}
    choice = ask(f"{PARIS}\n{ROME}", **asked).choices[0]
    assert call_of(choice).function.arguments == '{"city": "Paris"}'


NAMED = {"type": "function", "function": {"name": "get_weather"}}


@pytest.mark.parametrize(
    ("choice", "reason"),
    [("auto", "tool_calls"), ("required", "tool_calls"), (NAMED, "stop")],
)
def test_a_named_tool_ends_with_stop_as_with_the_service(ask, choice, reason):
    reply = ask(PARIS, tools=[tool(), tool("other")], tool_choice=choice)
    assert reply.choices[0].finish_reason == reason
    assert call_of(reply.choices[0]).function.name == "get_weather"


def test_with_tool_choice_none_nothing_is_called(ask):
    choice = ask(PARIS, tools=[tool()], tool_choice="none").choices[0]
    assert (choice.message.content, choice.finish_reason) == (PARIS, "stop")


def test_only_allowed_tools_are_called(ask):
    def choice(name):
        wanted = [{"type": "function", "function": {"name": name}}]
        allowed = {"mode": "auto", "tools": wanted}
        choice = {"type": "allowed_tools", "allowed_tools": allowed}
        return ask(PARIS, tools=[tool(), tool("other")], tool_choice=choice).choices[0]

    assert choice("get_weather").message.tool_calls
    assert choice("other").message.content == PARIS


def test_custom_tools_are_not_offered(ask):
    custom = {"type": "custom", "custom": {"name": "get_weather"}}
    assert ask(PARIS, tools=[custom]).choices[0].message.content == PARIS


def test_the_form_of_2023_gets_a_function_call(ask):
    asked = {"functions": [tool()["function"]]}
    choice = ask(PARIS, **asked).choices[0]
    assert choice.finish_reason == "function_call"
    assert choice.message.content is None
    assert choice.message.function_call.name == "get_weather"
    assert choice.message.function_call.arguments == '{"city": "Paris"}'
    named = ask(PARIS, **asked, function_call={"name": "get_weather"}).choices[0]
    assert named.finish_reason == "stop"


def test_a_stream_brings_the_name_and_then_the_arguments_in_pieces(ask):
    chunks = list(ask(f"{PARIS}\n{ROME}", tools=[tool()], stream=True))
    for chunk in chunks:
        types.chat.ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
        assert no_strangers(chunk)
    assert chunks[0].choices[0].delta.role == "assistant"
    assert all(chunk.choices[0].delta.content is None for chunk in chunks)
    assert chunks[-1].choices[0].finish_reason == "tool_calls"
    parts = [part for c in chunks for part in c.choices[0].delta.tool_calls or ()]
    first = [part for part in parts if part.index == 0]
    assert [part.id is None for part in first] == [False, True, True]
    assert [part.type for part in first] == ["function", None, None]
    assert first[0].function.name == "get_weather"
    pieces = [part.function.arguments for part in first]
    assert pieces == ["", '{"city":', ' "Paris"}']


def test_a_stream_holds_no_text_back_that_is_no_call(ask):
    words = ["call", " it", " a", " day.", "\nAnd", " call", " me"]
    streamed = list(ask("".join(words), tools=[tool()], stream=True))
    assert [chunk.choices[0].delta.content for chunk in streamed][1:-1] == words


def test_a_stream_of_the_form_of_2023_adds_up(ask):
    chunks = list(ask(PARIS, functions=[tool()["function"]], stream=True))
    parts = [c.choices[0].delta.function_call for c in chunks]
    parts = [part for part in parts if part]
    assert parts[0].name == "get_weather"
    assert "".join(part.arguments for part in parts) == '{"city": "Paris"}'
    assert chunks[-1].choices[0].finish_reason == "function_call"


def test_the_stream_helper_and_parse_make_the_pydantic_object(client):
    asked = {
        "model": "gpt-4o-mini",
        "messages": [{"role": "user", "content": f"I look.\n{PARIS}\n{ROME}"}],
        "tools": [openai.pydantic_function_tool(get_weather)],
    }
    whole = client.chat.completions.parse(**asked).choices[0].message
    with client.chat.completions.stream(**asked) as stream:
        events = list(stream)
        final = stream.get_final_completion().choices[0].message
    for message in (whole, final):
        assert message.content == "I look."
        parsed = [call.function.parsed_arguments for call in message.tool_calls]
        assert parsed == [get_weather(city="Paris"), get_weather(city="Rome")]
    done = [e for e in events if e.type == "tool_calls.function.arguments.done"]
    assert [e.parsed_arguments.city for e in done] == ["Paris", "Rome"]


def test_the_async_client_gets_the_same_call(server):
    async def streamed():
        async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY) as client:
            asked = {
                "model": "gpt-4o-mini",
                "messages": [{"role": "user", "content": PARIS}],
                "tools": [openai.pydantic_function_tool(get_weather)],
            }
            async with client.chat.completions.stream(**asked) as stream:
                return await stream.get_final_completion()

    choice = asyncio.run(streamed()).choices[0]
    assert call_of(choice).function.parsed_arguments == get_weather(city="Paris")


def test_the_answers_to_n_have_calls_of_their_own(ask):
    choices = ask(PARIS, tools=[tool()], n=3).choices
    assert len({call_of(choice).id for choice in choices}) == 3


def test_a_conversation_goes_on_after_the_tools_result(ask):
    question = {"role": "user", "content": PARIS}
    message = ask(messages=[question], tools=[tool()]).choices[0].message
    result = {
        "role": "tool",
        "tool_call_id": message.tool_calls[0].id,
        "content": "21 degrees",
    }
    for said in (message, message.model_dump(exclude_none=True)):
        reply = ask(messages=[question, said, result], tools=[tool()])
        assert reply.choices[0].message.content == "21 degrees"
        assert reply.choices[0].finish_reason == "stop"


def test_usage_counts_tools_and_calls_like_the_training_data(ask):
    usage = ask(PARIS, tools=[tool()]).usage
    definitions = json.dumps([tool()], separators=(",", ":"))
    counted = tokens.count(definitions, "o200k_base")
    assert usage.prompt_tokens == ask(PARIS).usage.prompt_tokens + counted
    called = ("get_weather", '{"city": "Paris"}')
    spoken = sum(tokens.count(text, "o200k_base") for text in called)
    assert usage.completion_tokens == spoken


def test_a_kept_chat_keeps_its_calls_whole_or_streamed(server, ask):
    def kept(id):
        sql = "SELECT document FROM stored_completions WHERE id = ?"
        document = json.loads(server.store.one(sql, id)["document"])
        return document["choices"][0]["message"]["tool_calls"][0]["id"]

    whole = ask(PARIS, tools=[tool()], store=True)
    assert kept(whole.id) == call_of(whole.choices[0]).id
    first = list(ask(PARIS, tools=[tool()], store=True, stream=True))[1]
    assert kept(first.id) == first.choices[0].delta.tool_calls[0].id


@pytest.mark.parametrize(
    ("params", "param"),
    [
        (
            {
                "tools": [tool()],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {
                        "mode": "auto",
                        "tools": [{"type": "function", "function": {"name": "other"}}],
                    },
                },
            },
            "tool_choice",
        ),
        (
            {
                "tools": [tool()],
                "tool_choice": {
                    "type": "allowed_tools",
                    "allowed_tools": {"mode": "required", "tools": []},
                },
            },
            "tool_choice.allowed_tools.tools",
        ),
        (
            {"functions": [{"name": "f"}], "function_call": {"name": "g"}},
            "function_call",
        ),
    ],
)
def test_a_choice_of_an_unknown_tool_is_refused(refusal, params, param):
    error = refusal(**params)
    assert (error.status_code, error.param) == (400, param)
