"""An answer against the form that was asked for, in chats and responses alike."""

import json

import openai
import pytest
from pydantic import BaseModel

MODEL = "gpt-4o-mini"


class Place(BaseModel):
    city: str
    people: int


FITS = '{"city": "Rome", "people": 3}'
WRONG = {
    "Rome has 3 people": "which is no JSON (Expecting value",
    '["Rome", 3]': "is not of type 'object'",
    '{"city": "Rome"}': "'people' is a required property",
    '{"city": 5, "people": 3}': "$.city: 5 is not of type 'string'",
    '{"city": "Rome", "people": 3, "more": 1}': "Additional properties",
}


@pytest.fixture(params=["whole", "stream"])
def chat(client, request):
    """The parsed message of a chat in which the engine repeats what it is told."""
    completions = client.chat.completions

    def chat(text):
        asked = {"model": MODEL, "messages": [{"role": "user", "content": text}]}
        if request.param == "whole":
            reply = completions.parse(response_format=Place, **asked)
        else:
            with completions.stream(response_format=Place, **asked) as stream:
                reply = stream.get_final_completion()
        return reply.choices[0].message

    return chat


@pytest.fixture(params=["whole", "stream"])
def respond(client, request):
    """The same of a response: what was parsed, and its only part."""

    def respond(text):
        asked = {"model": MODEL, "input": text, "text_format": Place}
        if request.param == "whole":
            reply = client.responses.parse(**asked)
        else:
            with client.responses.stream(**asked) as stream:
                reply = stream.get_final_response()
        return reply.output_parsed, reply.output[0].content[0]

    return respond


def test_a_fitting_answer_is_parsed(chat, respond):
    place = Place(city="Rome", people=3)
    message = chat(FITS)
    assert (message.parsed, message.refusal, message.content) == (place, None, FITS)
    parsed, part = respond(FITS)
    assert (parsed, part.type, part.text) == (place, "output_text", FITS)


@pytest.mark.parametrize("text", WRONG)
def test_an_answer_that_does_not_fit_is_a_refusal_that_tells_it(chat, respond, text):
    message = chat(text)
    assert (message.parsed, message.content) == (None, None)
    parsed, part = respond(text)
    assert (parsed, part.type) == (None, "refusal")
    assert message.refusal == part.refusal
    assert json.dumps(text) in part.refusal
    assert WRONG[text] in part.refusal


def said(client, text, schema=None, **params):
    form = {"type": "json_object"}
    if schema is not None:
        form = {"type": "json_schema", "json_schema": {"name": "x", "schema": schema}}
    reply = client.chat.completions.create(
        model=MODEL,
        messages=[{"role": "user", "content": text}],
        response_format=form,
        **params,
    )
    return reply.choices[0].message


def test_any_object_is_a_json_object(client):
    assert said(client, '{"json": []}').content == '{"json": []}'
    assert "no JSON object" in said(client, '["json"]').refusal


def test_an_answer_that_is_cut_is_left_as_it_is(client):
    message = said(client, '{"json": 1}', max_tokens=1)
    assert (message.content, message.refusal) == ('{"json":', None)


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "http://127.0.0.1:9/schema.json"},
        {"$ref": "#"},
        {"type": "string", "pattern": "(a+)+$"},
        {"type": "string", "pattern": "("},
    ],
)
def test_a_schema_that_leads_nowhere_or_takes_for_ever_does_no_harm(client, schema):
    text = json.dumps("a" * 40 + "b")
    assert said(client, text, schema).content == text


@pytest.mark.parametrize(
    ("schema", "said_of_it"),
    [
        ({"type": "objekt"}, "schema.type: 'objekt' is not valid"),
        ({"properties": {"a": 5}}, "schema.properties.a: 5 is not of type"),
    ],
)
def test_a_schema_that_is_none_is_refused(client, schema, said_of_it):
    with pytest.raises(openai.BadRequestError, match="Invalid schema for") as refused:
        said(client, "{}", schema)
    assert said_of_it in refused.value.message


def test_a_stream_without_a_form_is_not_held_back(client):
    asked = {"model": MODEL, "messages": [{"role": "user", "content": "a b c"}]}
    stream = client.chat.completions.create(stream=True, **asked)
    assert [c.choices[0].delta.content for c in stream] == ["", "a", " b", " c", None]
    held = client.chat.completions.create(
        stream=True,
        response_format={"type": "json_object"},
        model=MODEL,
        messages=[{"role": "user", "content": '{"json": 1}'}],
    )
    assert [c.choices[0].delta.content for c in held] == [None, '{"json": 1}', None]
