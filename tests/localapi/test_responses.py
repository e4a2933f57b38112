"""Responses through the SDK: made, streamed, kept, gone on from."""

import json

import openai
import pytest
from openai.types import responses as types
from openai.types.responses.response import Response
from pydantic import BaseModel

from tests.contract import strict

FEW = {"model": "tinygpt", "max_output_tokens": 16, "temperature": 0}
ORDER = [
    "response.created",
    "response.in_progress",
    "response.output_item.added",
    "response.content_part.added",
    "response.output_text.delta",
    "response.output_text.done",
    "response.content_part.done",
    "response.output_item.done",
]
EVENTS = {
    "response.created": types.ResponseCreatedEvent,
    "response.in_progress": types.ResponseInProgressEvent,
    "response.output_item.added": types.ResponseOutputItemAddedEvent,
    "response.content_part.added": types.ResponseContentPartAddedEvent,
    "response.output_text.delta": types.ResponseTextDeltaEvent,
    "response.output_text.done": types.ResponseTextDoneEvent,
    "response.refusal.delta": types.ResponseRefusalDeltaEvent,
    "response.refusal.done": types.ResponseRefusalDoneEvent,
    "response.content_part.done": types.ResponseContentPartDoneEvent,
    "response.output_item.done": types.ResponseOutputItemDoneEvent,
    "response.completed": types.ResponseCompletedEvent,
    "response.incomplete": types.ResponseIncompleteEvent,
}
SCHEMA = {
    "type": "object",
    "properties": {"city": {"type": "string"}},
    "required": ["city"],
    "additionalProperties": False,
}
FORMAT = {"type": "json_schema", "name": "place", "schema": SCHEMA, "strict": True}


@pytest.fixture
def ask(client):
    def ask(content="What is the capital of France?", **params):
        return client.responses.create(input=content, **(FEW | params))

    return ask


@pytest.fixture
def refusal(client):
    def refusal(error=openai.BadRequestError, **params):
        with pytest.raises(error) as caught:
            client.post(
                "/responses", body=FEW | {"input": "a"} | params, cast_to=object
            )
        return caught.value

    return refusal


def said_in_chat(client, *messages, limit=16):
    reply = client.chat.completions.create(
        model="tinygpt",
        messages=[{"role": role, "content": text} for role, text in messages],
        max_tokens=limit,
        temperature=0,
    )
    return reply.choices[0].message.content


def test_the_answer_is_what_the_model_says_in_a_chat(ask, client):
    question = "What is the capital of France?"
    reply = ask(question)
    assert reply.output_text == said_in_chat(client, ("user", question))
    assert reply.id.startswith("resp_")
    assert reply.usage.total_tokens == (
        reply.usage.input_tokens + reply.usage.output_tokens
    )
    told = ask(question, instructions="Answer in Latin.")
    spoken = ("system", "Answer in Latin."), ("user", question)
    assert told.output_text == said_in_chat(client, *spoken)
    assert told.instructions == "Answer in Latin."


def test_messages_are_read_in_their_order_and_in_parts(ask, client):
    parts = [
        {"type": "input_text", "text": "Who "},
        {"type": "input_text", "text": "?"},
    ]
    reply = ask(
        [
            {"role": "developer", "content": "Be brief."},
            {"role": "user", "content": "Salve!"},
            {"role": "assistant", "content": "Ave!"},
            {"role": "user", "content": parts, "type": "message"},
        ]
    )
    assert reply.output_text == said_in_chat(
        client,
        ("developer", "Be brief."),
        ("user", "Salve!"),
        ("assistant", "Ave!"),
        ("user", "Who ?"),
    )


def test_a_response_goes_on_from_the_one_before_without_its_instructions(ask, client):
    first = ask("Who was Cicero?", instructions="Be brief.")
    second = ask("And Seneca?", previous_response_id=first.id)
    third = ask("And Cato?", previous_response_id=second.id, instructions="Be long.")
    assert second.instructions is None
    assert third.previous_response_id == second.id
    assert third.output_text == said_in_chat(
        client,
        ("system", "Be long."),
        ("user", "Who was Cicero?"),
        ("assistant", first.output_text),
        ("user", "And Seneca?"),
        ("assistant", second.output_text),
        ("user", "And Cato?"),
    )


def test_output_is_input_again(ask, client):
    first = ask("Who was Cicero?")
    question = {"role": "user", "content": "Who was Cicero?"}
    again = ask([question, *first.output, {"role": "user", "content": "And Cato?"}])
    kept = ask("And Cato?", previous_response_id=first.id)
    assert again.output_text == kept.output_text


def test_an_answer_that_is_cut_is_incomplete(ask):
    reply = ask("Say very much.", max_output_tokens=16, temperature=2)
    ended = ask("Say very much.", max_output_tokens=None, temperature=0)
    for each in (reply, ended):
        cut = each.status == "incomplete"
        assert each.status in ("completed", "incomplete")
        assert (each.incomplete_details is not None) == cut
        assert (each.completed_at is None) == cut
        assert each.output[0].status == each.status


def test_a_response_is_kept_unless_asked_not_to(ask, client):
    kept = ask(metadata={"lesson": "9"})
    assert client.responses.retrieve(kept.id).to_dict() == kept.to_dict()
    assert kept.metadata == {"lesson": "9"}
    forgotten = ask(store=False)
    with pytest.raises(openai.NotFoundError, match="store"):
        client.responses.retrieve(forgotten.id)
    with pytest.raises(openai.BadRequestError) as caught:
        ask(previous_response_id=forgotten.id)
    assert caught.value.code == "previous_response_not_found"
    client.responses.delete(kept.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.delete(kept.id)


def test_a_deleted_response_is_forgotten_in_what_follows_it(ask, client):
    first = ask("Who was Cicero?")
    second = ask("And Seneca?", previous_response_id=first.id)
    client.responses.delete(first.id)
    third = ask("And Cato?", previous_response_id=second.id)
    assert third.output_text == said_in_chat(
        client,
        ("user", "And Seneca?"),
        ("assistant", second.output_text),
        ("user", "And Cato?"),
    )


def test_nobody_else_reaches_a_response(ask, stranger):
    kept = ask()
    for act in (
        lambda: stranger.responses.retrieve(kept.id),
        lambda: stranger.responses.delete(kept.id),
        lambda: stranger.responses.cancel(kept.id),
        lambda: stranger.responses.input_items.list(kept.id),
    ):
        with pytest.raises(openai.NotFoundError):
            act()
    with pytest.raises(openai.BadRequestError, match="not found"):
        stranger.responses.create(**FEW, input="a", previous_response_id=kept.id)


def test_a_finished_response_cannot_be_cancelled(ask, client):
    with pytest.raises(
        openai.BadRequestError, match="Cannot cancel a response that has ended"
    ):
        client.responses.cancel(ask().id)


def test_the_items_of_the_input_are_listed_newest_first_in_pages(ask, client):
    given = [{"role": "user", "content": text} for text in "abc"]
    given[1] = {"role": "assistant", "content": "b"}
    reply = ask(given)
    items = client.responses.input_items.list(reply.id, limit=2)
    assert [item.content[0].text for item in items] == ["c", "b", "a"]
    assert [item.role for item in items.data] == ["user", "assistant"]
    asc = client.responses.input_items.list(reply.id, order="asc")
    assert [item.content[0].text for item in asc] == ["a", "b", "c"]


def test_tokens_of_an_input_are_counted_as_in_its_usage(ask, client):
    first = ask("Who was Cicero?", instructions="Be brief.")
    given = {"input": "And Cato?", "previous_response_id": first.id}
    counted = client.responses.input_tokens.count(model="tinygpt", **given)
    used = ask("And Cato?", previous_response_id=first.id).usage
    assert counted.input_tokens == used.input_tokens > first.usage.input_tokens


def test_events_come_in_the_service_s_order_and_shape(client):
    asked = FEW | {"include": ["message.output_text.logprobs"], "top_logprobs": 2}
    stream = client.responses.create(input="Who was Cicero?", stream=True, **asked)
    events = [event.to_dict(mode="json") for event in stream]
    names = [event["type"] for event in events]
    deltas = [event for event in events if event["type"] == ORDER[4]]
    final = events[-1]["response"]
    assert list(dict.fromkeys(names)) == [*ORDER, f"response.{final['status']}"]
    assert [event["sequence_number"] for event in events] == list(range(len(events)))
    text = "".join(delta["delta"] for delta in deltas)
    assert text == events[-4]["text"] == final["output"][0]["content"][0]["text"]
    assert all(len(one["top_logprobs"]) == 2 for d in deltas for one in d["logprobs"])
    assert events[0]["response"]["status"] == "in_progress"
    kept = client.responses.retrieve(final["id"])
    assert kept.to_dict(mode="json") == final
    assert_shapes(events)


def assert_shapes(events):
    for event in events:
        found = strict.differences(EVENTS[event["type"]], event)
        assert found <= {("response.store", "extra_forbidden")}
        if "response" in event:
            assert not strict.faults(Response, event["response"])


def test_the_stream_names_each_event_for_those_who_read_it_raw(client):
    with client.responses.with_streaming_response.create(
        input="a", stream=True, **FEW
    ) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        blocks = reply.read().decode().strip().split("\n\n")
    for block in blocks:
        event, data = block.split("\n", 1)
        assert event == f"event: {json.loads(data.removeprefix('data: '))['type']}"


def test_the_stream_helper_gives_the_final_response(client):
    with client.responses.stream(
        input="What is the capital of France?", model="tinygpt", temperature=0
    ) as stream:
        texts = [e.delta for e in stream if e.type == "response.output_text.delta"]
        if stream._state._completed_response:
            assert stream.get_final_response().output_text == "".join(texts)
    assert "".join(texts)


class Place(BaseModel):
    city: str


def test_an_answer_without_the_form_asked_for_says_so(client):
    """The base model speaks no JSON; a tuned one does: `test_formats`."""
    asked = {"input": "Where is Rome?", "model": "tinygpt", "temperature": 0}
    plain = client.responses.create(**asked)
    reply = client.responses.parse(text_format=Place, **asked)
    if reply.status == "completed":
        assert reply.output_parsed is None
        assert plain.output_text in reply.output[0].content[0].refusal
    stream = client.responses.create(text={"format": FORMAT}, stream=True, **asked)
    events = [event.to_dict(mode="json") for event in stream]
    assert_shapes(events)
    names = [event["type"] for event in events]
    assert ("response.refusal.done" in names) == (reply.status == "completed")
    with client.responses.stream(text_format=Place, **asked) as helped:
        assert "response.refusal.done" in [event.type for event in helped]
    assert reply.text.format.name == "Place"


@pytest.mark.parametrize(
    ("params", "param", "says"),
    [
        ({"input": None}, "input", "Missing required|Invalid type"),
        ({"model": None}, "model", "Missing required|Invalid type"),
        ({"input": []}, "input", "empty array"),
        ({"input": [{"role": "usr", "content": "a"}]}, "input[0].role", "Supported"),
        (
            {"input": [{"type": "item_reference", "id": "x"}]},
            "input[0].type",
            "Only messages",
        ),
        (
            {
                "input": [
                    {
                        "role": "user",
                        "content": [{"type": "input_image", "detail": "auto"}],
                    }
                ]
            },
            "input[0].content[0].type",
            "text only",
        ),
        ({"max_output_tokens": 4}, "max_output_tokens", ">= 16"),
        ({"temperature": 3}, "temperature", "<= 2"),
        ({"top_p": -1}, "top_p", ">= 0"),
        ({"top_logprobs": 21}, "top_logprobs", "<= 20"),
        ({"background": True}, "background", "background"),
        ({"conversation": "conv_1"}, "conversation", "previous_response_id"),
        ({"prompt": {"id": "pmpt_1"}}, "prompt", "stored prompts"),
        ({"tools": [{"type": "web_search"}]}, "tools[0].type", "of your own"),
        (
            {"tools": [{"type": "function", "name": "two words"}]},
            "tools[0].name",
            "pattern",
        ),
        ({"tool_choice": "required"}, "tool_choice", "calls no function"),
        ({"text": {"format": FORMAT | {"name": "a b"}}}, "text.format.name", "pattern"),
        (
            {"text": {"format": FORMAT | {"schema": {"type": "object"}}}},
            "text.format",
            "additionalProperties",
        ),
        ({"text": {"format": {"type": "json_object"}}}, "input", "the word 'json'"),
        ({"stream_options": {}, "stream": False}, "stream_options", "only allowed"),
        ({"metadata": {"k" * 65: "a"}}, "metadata", "too long"),
        ({"previous_response_id": "resp_x"}, "previous_response_id", "not found"),
        ({"colour": "red"}, "colour", "Unknown parameter"),
        ({"input": "a " * 3000}, "input", "maximum context length"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_a_wrong_request_is_told_what_is_wrong(refusal, params, param, says, stream):
    error = refusal(**({"stream": stream} | params))
    assert error.param == param
    assert any(each in error.message for each in says.split("|"))


@pytest.mark.parametrize("model", ["davinci-002", "no-such-model"])
def test_a_model_that_does_not_chat_is_not_found(refusal, model):
    assert refusal(openai.NotFoundError, model=model).param == "model"


def test_truncation_lets_the_oldest_items_go(ask, client):
    long = [{"role": "user", "content": "a b c " * 80} for _ in range(9)]
    given = [*long, {"role": "user", "content": "Who was Cicero?"}]
    reply = ask(given, truncation="auto")
    assert reply.truncation == "auto"
    assert reply.output_text
    with pytest.raises(openai.BadRequestError) as caught:
        ask(given)
    assert caught.value.code == "context_length_exceeded"


def test_compacting_is_refused_with_a_reason(client):
    with pytest.raises(openai.BadRequestError, match="compacts no conversations"):
        client.responses.compact(model="tinygpt", input="a")
