"""Every public method of the SDK, called in every form it has: the reply on the wire
is exactly what the SDK's types say, or else an error in the service's envelope."""

import asyncio
import inspect
from contextlib import contextmanager

import openai
import pytest

from tests.contract import calls, fidelity, strict, surface

# Methods that the SDK has given up are called as well.
pytestmark = pytest.mark.filterwarnings("ignore::DeprecationWarning")

_NOBODY = openai.OpenAI(api_key="none")
METHODS = surface.methods(_NOBODY)
STYLES = ("with_raw_response", "with_streaming_response")
FORMS = [
    (method, style)
    for method in METHODS
    for style in STYLES
    if surface.way(_NOBODY, method, style)
]
_HEADERS = {
    "x-request-id",
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    "x-finetune-kit-engine",
}


@pytest.fixture
def arranged(scene):
    """A method's arguments; no job is left at work afterwards."""
    yield lambda method: fidelity.arranged(scene, method)
    scene.end_jobs()


@pytest.fixture
def refused_if_so(verdicts):
    """What is refused, or not there yet, is so in every form of the call."""

    @contextmanager
    def check(method):
        if verdicts[method, None].level in ("supported", "approximate"):
            yield
            return
        with pytest.raises(openai.APIStatusError) as caught:
            yield
        assert caught.value.body.keys() == {"message", "type", "param", "code"}
        assert caught.value.status_code < 500

    return check


@pytest.fixture(scope="module")
def asynchronous(server):
    """Runs a coroutine function with an asynchronous client."""
    with asyncio.Runner() as runner:

        async def opened():
            return openai.AsyncOpenAI(
                base_url=f"{server.origin}/v1", api_key=calls.KEY, max_retries=0
            )

        client = runner.run(opened())
        yield lambda act: runner.run(act(client))
        runner.run(client.close())


def test_both_clients_have_the_same_methods_and_each_is_called_here():
    assert surface.methods(openai.AsyncOpenAI(api_key="none")) == METHODS
    assert set(calls.CALLS) == set(METHODS)


@pytest.mark.parametrize("method", [m for m in METHODS if m not in calls.SAME_AS])
def test_every_parameter_is_sent_by_some_call(arranged, method):
    options = {name.partition("=")[0] for name in calls.OPTIONS.get(method, {})}
    assert set(arranged(method)) | options == surface.parameters(method)


@pytest.mark.parametrize("method", METHODS)
def test_the_plain_call_gives_the_type_it_promises(
    scene, method, arranged, refused_if_so
):
    with refused_if_so(method):
        reply = fidelity.called(scene.client, method, arranged(method))
        promised = strict.models_of(surface.reply_type(method))[0]
        if strict.is_json(promised):
            assert type(reply).__name__.startswith(_name(promised))


@pytest.mark.parametrize(("method", "style"), FORMS)
def test_the_wire_is_what_the_type_says_and_no_more(
    scene, method, style, arranged, refused_if_so
):
    with refused_if_so(method):
        call = surface.way(scene.client, method, style)
        if style == "with_raw_response":
            response = call(**arranged(method)).http_response
        else:
            with call(**arranged(method)) as streamed:
                streamed.http_response.read()
                response = streamed.http_response
        assert response.headers.keys() >= _HEADERS
        assert_promised(method, response)


@pytest.mark.parametrize("method", METHODS)
def test_the_asynchronous_call_gives_the_same_type(
    asynchronous, method, arranged, refused_if_so
):
    async def act(client):
        reply = surface.found(client, method)(**given)
        if method.endswith(".stream"):
            async with reply as stream:
                return await stream.until_done()
        return await reply if inspect.isawaitable(reply) else reply

    with refused_if_so(method):
        given = arranged(method)
        reply = asynchronous(act)
        promised = strict.models_of(surface.reply_type(method))[0]
        if strict.is_json(promised):
            name = _name(promised).replace("Sync", "Async")
            assert type(reply).__name__.startswith(name)


@pytest.mark.parametrize(("method", "style"), FORMS)
def test_the_asynchronous_wire_is_the_same(
    asynchronous, method, style, arranged, refused_if_so
):
    async def act(client):
        call = surface.way(client, method, style)
        if style == "with_raw_response":
            return (await call(**given)).http_response
        async with call(**given) as response:
            await response.http_response.aread()
            return response.http_response

    with refused_if_so(method):
        given = arranged(method)
        assert_promised(method, asynchronous(act))


@pytest.mark.parametrize("method", ["chat.completions.create", "completions.create"])
@pytest.mark.parametrize("include_usage", [False, True])
def test_every_chunk_of_a_stream_is_what_its_type_says(
    scene, method, arranged, refused_if_so, include_usage
):
    chunk_type = strict.models_of(surface.reply_type(method))[1]
    options = {"stream_options": {"include_usage": True}} if include_usage else {}
    with refused_if_so(method):
        call = surface.found(scene.client, method)
        stream = call(**arranged(method), stream=True, **options)
        chunks = [chunk.to_dict(mode="json") for chunk in stream]
        for chunk in chunks:
            assert not strict.faults(chunk_type, chunk)
            assert ("usage" in chunk) == include_usage
        assert bool(chunks[-1].get("usage")) == include_usage


def assert_promised(method, response):
    assert response.status_code == 200
    promised = strict.models_of(surface.reply_type(method))[0]
    if strict.is_json(promised):
        assert not strict.faults(promised, response.json())
    else:
        assert response.content


def _name(model):
    """Its class's, without the models in it."""
    return model.__name__.partition("[")[0]
