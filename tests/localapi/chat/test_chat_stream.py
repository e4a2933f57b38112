"""POST /v1/chat/completions: an answer as it is made, as the SDK sees it."""

import asyncio
import json
import time

import openai
from openai import types

from tests.localapi.chat.echo import KEY, USER, no_strangers, raw


def test_a_stream_begins_with_the_role_and_ends_with_the_reason(ask):
    chunks = list(ask(stream=True))
    assert chunks[0].choices[0].delta.role == "assistant"
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert all(chunk.choices[0].finish_reason is None for chunk in chunks[:-1])
    assert all(chunk.usage is None for chunk in chunks)


def test_a_stream_brings_token_by_token_the_whole_answer(ask):
    deltas = [chunk.choices[0].delta.content for chunk in ask(stream=True)]
    assert deltas == ["", "carpe", " diem", " amice", None]


def test_chunks_share_one_id_and_fit_the_sdks_response_model(ask):
    chunks = list(ask(stream=True, logprobs=True, top_logprobs=1))
    assert len({chunk.id for chunk in chunks}) == 1
    for chunk in chunks:
        types.chat.ChatCompletionChunk.model_validate(chunk.model_dump(), strict=True)
        assert no_strangers(chunk)


def test_a_chunk_has_the_keys_of_the_service(server):
    body = {"model": "gpt-4o", "messages": USER, "stream": True}
    reply = raw(server, body)
    assert "content-type: text/event-stream" in reply
    frames = [line[6:] for line in reply.splitlines() if line.startswith("data: ")]
    assert frames[-1] == "[DONE]"
    for frame in frames[:-1]:
        chunk = json.loads(frame)
        assert chunk.keys() == {
            "id",
            "object",
            "created",
            "model",
            "choices",
            "service_tier",
            "system_fingerprint",
        }
        choice = chunk["choices"][0]
        assert choice.keys() == {"index", "delta", "logprobs", "finish_reason"}


def test_include_usage_adds_one_last_chunk_with_the_usage(ask):
    *chunks, last = ask(stream=True, stream_options={"include_usage": True})
    assert last.choices == []
    assert last.usage == ask().usage
    assert all("usage" in chunk.model_fields_set for chunk in chunks)
    assert all(chunk.usage is None for chunk in chunks)


def test_include_obfuscation_false_is_accepted(ask):
    assert list(ask(stream=True, stream_options={"include_obfuscation": False}))


def test_a_stream_of_several_answers_keeps_them_apart_by_index(ask):
    texts = {0: "", 1: "", 2: ""}
    for chunk in ask(stream=True, n=3):
        texts[chunk.choices[0].index] += chunk.choices[0].delta.content or ""
    assert set(texts.values()) == {"carpe diem amice"}


def test_streamed_logprobs_come_with_their_token(ask):
    chunks = [chunk.choices[0] for chunk in ask(stream=True, logprobs=True)]
    assert chunks[1].logprobs.content[0].token == chunks[1].delta.content
    assert chunks[0].logprobs is None
    assert chunks[-1].logprobs is None


def test_the_first_token_comes_before_the_last_is_made(ask):
    ask()  # the first one waits for the answer process, and for imports
    started = time.perf_counter()
    with ask("a slow answer", stream=True) as stream:
        next(stream)
        next(stream)
        assert time.perf_counter() - started < 5  # the whole answer takes 10 s


def test_the_async_client_gets_the_same_stream(server):
    async def streamed():
        async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY) as client:
            stream = await client.chat.completions.create(
                model="gpt-4o", messages=USER, stream=True
            )
            return [chunk.choices[0].delta.content async for chunk in stream]

    assert asyncio.run(streamed()) == ["", "carpe", " diem", " amice", None]


def test_the_sdks_stream_helper_assembles_the_completion(client):
    with client.chat.completions.stream(model="gpt-4o", messages=USER) as stream:
        final = stream.get_final_completion()
    assert final.choices[0].message.content == "carpe diem amice"


def test_many_requests_at_once_get_their_own_answers(server):
    async def all_at_once():
        async with openai.AsyncOpenAI(base_url=server.url, api_key=KEY) as client:
            return await asyncio.gather(
                *[
                    client.chat.completions.create(
                        model="gpt-4o",
                        messages=[{"role": "user", "content": f"number {i}"}],
                    )
                    for i in range(40)
                ]
            )

    texts = [reply.choices[0].message.content for reply in asyncio.run(all_at_once())]
    assert texts == [f"number {i}" for i in range(40)]
