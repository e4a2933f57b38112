"""Fixtures of the chat tests: a server that echoes, and ways to ask it."""

import openai
import pytest

from tests.localapi.chat.echo import Server


@pytest.fixture(scope="module")
def server():
    server = Server()
    yield server
    server.stop()


@pytest.fixture
def client(server):
    with server.client() as client:
        yield client


@pytest.fixture
def ask(client):
    def ask(content="carpe diem amice", **params):
        messages = params.pop("messages", [{"role": "user", "content": content}])
        model = params.pop("model", "gpt-4o-mini")
        return client.chat.completions.create(model=model, messages=messages, **params)

    return ask


@pytest.fixture
def refusal(ask):
    """Asks for something that must be refused; gives the SDK's exception."""

    def refusal(**params):
        with pytest.raises(openai.APIStatusError) as caught:
            ask(**params)
        return caught.value

    return refusal
