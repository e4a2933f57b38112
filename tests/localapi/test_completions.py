"""`/v1/completions` with the real engine, through the SDK."""

import math
import subprocess
import sys

import openai
import pytest

from tests.localapi.running import RunningServer

PROMPT = "Festina"


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("home")) as running:
        yield running.client()


@pytest.fixture(scope="module")
def complete(client):
    def complete(prompt=PROMPT, **params):
        params = {"model": "davinci-002", "temperature": 0, **params}
        return client.completions.create(prompt=prompt, **params)

    return complete


def texts(made):
    return [choice.text for choice in made.choices]


def test_a_text_goes_on_where_the_prompt_ends(complete):
    made = complete(max_tokens=2)
    assert made.object == "text_completion"
    assert made.id.startswith("cmpl-")
    (choice,) = made.choices
    assert choice.text.startswith(" ")  # a word of its own after the prompt's last one
    assert (choice.finish_reason, choice.logprobs) == ("length", None)
    assert set(made.usage.to_dict()) == {
        "prompt_tokens",
        "completion_tokens",
        "total_tokens",
    }


def test_sixteen_tokens_are_made_where_nothing_is_said(client, complete):
    made = complete("The sea", logprobs=0)
    (choice,) = made.choices
    assert choice.finish_reason in ("length", "stop")
    assert len(choice.logprobs.tokens) <= 16  # marks are joined with their words


def test_an_echo_begins_with_the_prompt(complete):
    plain, echoed = complete(), complete(echo=True)
    assert texts(echoed) == [PROMPT + texts(plain)[0]]


def test_a_stream_says_the_same_as_a_whole_answer(complete):
    for echo in (False, True):
        chunks = list(complete(stream=True, echo=echo))
        said = "".join(chunk.choices[0].text for chunk in chunks)
        assert said == texts(complete(echo=echo))[0]
        assert {chunk.object for chunk in chunks} == {"text_completion"}
        assert chunks[-1].choices[0].finish_reason in ("stop", "length")


def test_a_stream_tells_its_usage_when_asked(complete):
    chunks = list(complete(stream=True, stream_options={"include_usage": True}))
    assert chunks[-1].choices == []
    assert chunks[-1].usage == complete().usage


def test_logprobs_have_four_lists_of_one_length(complete):
    table = complete("The sea", max_tokens=5, logprobs=2).choices[0].logprobs
    lengths = {
        len(table.tokens),
        len(table.token_logprobs),
        len(table.top_logprobs),
        len(table.text_offset),
    }
    assert len(lengths) == 1
    assert table.text_offset[0] == len("The sea")
    for token, logprob, top in zip(
        table.tokens, table.token_logprobs, table.top_logprobs, strict=True
    ):
        assert top[token] == logprob == max(top.values())  # the likeliest was said
        assert sum(map(math.exp, top.values())) <= 1.0001


def test_the_tokens_join_to_the_text_and_stand_where_it_says(complete):
    for echo in (False, True):
        (choice,) = complete("The SEA", logprobs=3, echo=echo).choices
        table = choice.logprobs
        assert table.tokens
        assert "".join(table.tokens) == choice.text
        start = table.text_offset[0]
        for token, offset in zip(table.tokens, table.text_offset, strict=True):
            assert choice.text[offset - start :].startswith(token)


def test_an_echo_without_an_answer_tells_how_likely_the_prompt_is(complete):
    """With `max_tokens=0`, as texts were scored then."""

    def score(text):
        made = complete(text, max_tokens=0, echo=True, logprobs=0).choices[0]
        assert made.text == text
        assert made.logprobs.token_logprobs[0] is None
        return sum(made.logprobs.token_logprobs[1:])

    assert score("Carpe diem.") > score("Carpe xylophone.")


def test_several_prompts_are_answered_in_their_order(complete):
    prompts = ["Festina", "Carpe"]
    both = complete(prompts, n=2)
    assert [choice.index for choice in both.choices] == [0, 1, 2, 3]
    alone = [texts(complete(prompt))[0] for prompt in prompts]
    assert texts(both) == [alone[0], alone[0], alone[1], alone[1]]


def test_best_of_sends_the_likeliest_answers(complete):
    settings = {"temperature": 1.5, "seed": 3, "max_tokens": 8, "logprobs": 0}

    def mean(choice):
        logprobs = choice.logprobs.token_logprobs
        return sum(logprobs) / len(logprobs) if logprobs else 0.0

    every = complete(n=5, **settings).choices
    best = complete(n=2, best_of=5, **settings).choices
    expected = sorted(every, key=mean, reverse=True)[:2]
    assert [each.text for each in best] == [each.text for each in expected]


def test_a_stop_sequence_ends_the_answer_and_is_left_out(complete):
    said = texts(complete("The sea", max_tokens=12))[0]
    stop = said.split()[1]
    made = complete("The sea", max_tokens=12, stop=[stop]).choices[0]
    assert made.text == said[: said.index(stop)]
    assert made.finish_reason == "stop"


def test_tokens_of_tiktoken_are_read_as_their_text(complete):
    from finetune_kit.dataset.tokens import encoding

    tokens = encoding("cl100k_base").encode_ordinary("The sea")
    asked = {"echo": True, "max_tokens": 3}
    assert texts(complete(tokens, **asked)) == texts(complete("The sea", **asked))
    several = texts(complete([tokens, tokens], **asked))
    assert several == texts(complete(["The sea"] * 2, **asked))


def test_our_own_model_completes_and_chats(client, complete):
    assert complete(model="tinygpt").model == "tinygpt"


@pytest.mark.parametrize(
    ("params", "param", "words"),
    [
        ({"model": "ada", "prompt": [1, 2]}, "prompt", "Send 'prompt' as text"),
        ({"prompt": [999_999]}, "prompt", "not of the encoding cl100k_base"),
        ({"prompt": [-1]}, "prompt", "not of the encoding cl100k_base"),
        ({"prompt": []}, "prompt", "empty array"),
        ({"prompt": {"a": 1}}, "prompt", "expected"),
        ({"prompt": "word " * 900}, "prompt", "maximum context length is 512"),
        ({"prompt": ["a"] * 200, "n": 2}, "prompt", "at most 256"),
        ({"suffix": "end"}, "suffix", "Leave 'suffix' out"),
        ({"best_of": 1, "n": 2}, "best_of", "best_of must be >= n"),
        ({"best_of": 2, "stream": True}, "best_of", "cannot be streamed"),
        ({"best_of": 21}, "best_of", "above maximum"),
        ({"logprobs": 6}, "logprobs", "above maximum"),
        ({"max_tokens": -1}, "max_tokens", "below minimum"),
        ({"temperature": 3}, "temperature", "above maximum"),
    ],
)
def test_a_wrong_request_is_refused_with_the_parameter(complete, params, param, words):
    with pytest.raises(openai.BadRequestError) as caught:
        complete(**params)
    assert caught.value.param == param
    assert words in str(caught.value)


def test_the_schemas_can_be_loaded_by_two_threads_at_once():
    """The warm-up and the first request; the SDK's modules import in circles."""
    loading = """
from concurrent.futures import ThreadPoolExecutor
from finetune_kit.localapi import chat, completions, jobs, sdk
sdk.import_late()
with ThreadPoolExecutor() as threads:
    modules = (chat, completions, jobs)
    for loaded in [threads.submit(module.parameters) for module in modules]:
        loaded.result()
"""
    subprocess.run([sys.executable, "-c", loading], check=True)


def test_a_chat_model_is_sent_to_the_other_endpoint(complete):
    with pytest.raises(openai.NotFoundError, match="v1/chat/completions"):
        complete(model="gpt-4o-mini")
