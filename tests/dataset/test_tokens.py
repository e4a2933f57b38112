"""Token counts: the shipped vocabularies give tiktoken's own tokens, offline."""

import socket

import pytest
import tiktoken_ext.openai_public as published
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.dataset import tokens

NAMES = ["o200k_base", "cl100k_base"]


@pytest.fixture(params=NAMES)
def name(request):
    return request.param


def tiktokens_own(name, monkeypatch):
    """tiktoken's parameters of the encoding, and the hash it would have asked for."""
    asked = {}

    def remember(url, expected_hash):
        asked["hash"] = expected_hash
        return {}

    monkeypatch.setattr(published, "load_tiktoken_bpe", remember)
    return getattr(published, name)(), asked["hash"]


@pytest.mark.parametrize("name", NAMES)
@settings(max_examples=150, deadline=None)
@given(text=st.text())
def test_every_text_survives_encoding_and_decoding(name, text):
    encoding = tokens.encoding(name)
    assert encoding.decode(encoding.encode_ordinary(text)) == text


def test_pattern_and_special_tokens_are_tiktokens_own(name, monkeypatch):
    own, _ = tiktokens_own(name, monkeypatch)
    encoding = tokens.encoding(name)
    assert encoding._pat_str == own["pat_str"]
    assert encoding._special_tokens == own["special_tokens"]


def test_the_checked_hash_is_the_one_that_tiktoken_expects(name, monkeypatch):
    _, expected = tiktokens_own(name, monkeypatch)
    assert tokens._SHA256[name] == expected


def test_known_texts_have_their_published_tokens():
    cl100k, o200k = tokens.encoding("cl100k_base"), tokens.encoding("o200k_base")
    assert cl100k.encode_ordinary("hello world") == [15339, 1917]
    assert o200k.encode_ordinary("hello world") == [24912, 2375]


def test_a_damaged_vocabulary_is_refused_with_what_to_do(monkeypatch):
    monkeypatch.setitem(tokens._SHA256, "cl100k_base", "0" * 64)
    tokens.encoding.cache_clear()
    with pytest.raises(ValueError, match=r"damaged.*Install the package again"):
        tokens.encoding("cl100k_base")


def test_an_encoding_that_is_not_shipped_is_refused_by_name():
    with pytest.raises(ValueError, match="r50k_base"):
        tokens.encoding("r50k_base")


def test_loading_opens_no_socket(monkeypatch):
    def refuse(*args, **kwargs):
        raise AssertionError("a socket was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    tokens.encoding.cache_clear()
    assert tokens.count("Festina lente.", "o200k_base") == 4


def test_the_text_of_a_special_token_is_counted_as_ordinary_text(name):
    assert tokens.count("<|endoftext|>", name) > 1


def test_a_message_costs_three_tokens_its_role_and_its_text():
    message = {"role": "user", "content": "hello world"}
    assert tokens.chat_tokens([message], "cl100k_base") == 3 + 1 + 2
    assert tokens.chat_tokens([message, message], "cl100k_base") == 12


def test_text_parts_count_like_the_same_text_in_one_string():
    parts = [{"type": "text", "text": "hello"}, {"type": "text", "text": " world"}]
    in_parts = tokens.chat_tokens([{"role": "user", "content": parts}], "cl100k_base")
    assert in_parts == 6


def test_tool_calls_count_their_name_and_arguments():
    call = {"function": {"name": "hello", "arguments": "hello world"}}
    message = {"role": "assistant", "content": None, "tool_calls": [call]}
    assert tokens.chat_tokens([message], "cl100k_base") == 3 + 1 + 1 + 2
