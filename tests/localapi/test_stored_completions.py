"""Chats that were asked to be kept: `store: true`, listed, labelled, forgotten."""

import openai
import pytest

from tests.localapi.running import RunningServer

PARTS = [{"type": "text", "text": "And with parts?"}]
MESSAGES = [
    {"role": "system", "content": "Be brief."},
    {"role": "user", "content": "What helps?", "name": "ann"},
    {"role": "assistant", "content": "Festina lente."},
    {"role": "user", "content": PARTS},
]


def chat(client, **params):
    defaults = {"model": "tinygpt", "messages": MESSAGES, "max_tokens": 3}
    return client.chat.completions.create(**defaults | params)


@pytest.fixture
def completions(client):
    """Nothing is kept when a test begins."""
    for kept in client.chat.completions.list():
        client.chat.completions.delete(kept.id)
    return client.chat.completions


def test_only_what_is_asked_to_be_kept_is_kept(client, completions):
    chat(client)
    chat(client, store=False)
    kept = chat(client, store=True, metadata={"lesson": "5"})
    assert [each.id for each in completions.list()] == [kept.id]
    found = completions.retrieve(kept.id)
    assert found.metadata == {"lesson": "5"}
    assert found.choices == kept.choices
    assert (found.usage, found.created) == (kept.usage, kept.created)


@pytest.mark.parametrize("include_usage", [False, True])
def test_a_streamed_chat_is_kept_whole(client, completions, include_usage):
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    chunks = list(chat(client, store=True, stream=True, n=2, **options))
    kept = completions.retrieve(chunks[0].id)
    for index in range(2):
        said = "".join(
            choice.delta.content or ""
            for chunk in chunks
            for choice in chunk.choices
            if choice.index == index
        )
        assert kept.choices[index].message.content == said
    assert kept.usage.total_tokens > 0
    assert bool(chunks[-1].usage) == include_usage


def test_the_messages_are_what_was_asked(client, completions):
    kept = chat(client, store=True)
    messages = list(completions.messages.list(kept.id, limit=3))
    assert [each.role for each in messages] == [each["role"] for each in MESSAGES]
    assert messages[1].content == "What helps?"
    assert messages[1].name == "ann"
    assert messages[3].content is None
    assert [part.to_dict() for part in messages[3].content_parts] == PARTS
    newest_first = list(completions.messages.list(kept.id, order="desc"))
    assert [each.id for each in newest_first] == [each.id for each in messages][::-1]


def test_the_list_is_filtered_by_metadata_and_model_and_paged(client, completions):
    first = chat(client, store=True, metadata={"a": "1"})
    second = chat(client, store=True, metadata={"a": "2"}, model="gpt-4o-mini")
    third = chat(client, store=True)

    def ids(**query):
        return [each.id for each in completions.list(**query)]

    assert ids(limit=1) == [first.id, second.id, third.id]
    assert ids(order="desc", limit=2) == [third.id, second.id, first.id]
    assert ids(metadata={"a": "2"}) == [second.id]
    assert ids(model="gpt-4o-mini") == ids(model=second.model) == [second.id]
    with pytest.raises(openai.BadRequestError, match="'up' is not one of"):
        ids(order="up")


def test_metadata_can_be_replaced_and_is_held_to_its_limits(client, completions):
    kept = chat(client, store=True, metadata={"a": "1"})
    assert completions.update(kept.id, metadata={"b": "2"}).metadata == {"b": "2"}
    assert completions.update(kept.id, metadata=None).metadata == {}
    with pytest.raises(openai.BadRequestError, match="too many properties"):
        completions.update(kept.id, metadata={str(i): "x" for i in range(17)})


def test_what_is_forgotten_or_another_user_s_does_not_exist(
    client, completions, stranger
):
    kept = chat(client, store=True)
    assert list(stranger.chat.completions.list()) == []
    with pytest.raises(openai.NotFoundError):
        stranger.chat.completions.retrieve(kept.id)
    assert completions.delete(kept.id).deleted is True
    for ask in (completions.retrieve, completions.delete, completions.messages.list):
        with pytest.raises(openai.NotFoundError, match="not found"):
            ask(kept.id)


def test_it_is_still_there_after_a_kill(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    kept = chat(server.client(), store=True)
    server.kill()
    with server.start():
        found = server.client().chat.completions.retrieve(kept.id)
        assert found.choices == kept.choices
