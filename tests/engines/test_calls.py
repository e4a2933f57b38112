"""Tools and calls as the model reads and writes them."""

import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.engines.tinygpt.calls import Caller, calls_text, parse
from finetune_kit.engines.tinygpt.chat import encode_example, encode_prompt
from finetune_kit.engines.tinygpt.tokenizer import SPECIALS, load

NAMES = st.from_regex(r"[a-zA-Z0-9_-]{1,64}", fullmatch=True)
VALUES = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=8,
)
CALLS = st.tuples(NAMES, st.dictionaries(st.text(), VALUES))


def tool(name: str, *parameters: str) -> dict[str, Any]:
    properties = {each: {"type": "string"} for each in parameters}
    schema = {"type": "object", "properties": properties}
    return {"type": "function", "function": {"name": name, "parameters": schema}}


def call(name: str, arguments: str) -> dict[str, Any]:
    function = {"name": name, "arguments": arguments}
    return {"id": "call_1", "type": "function", "function": function}


WEATHER = tool("get_weather", "city")
ASKED = {"role": "user", "content": "Is it warm in Paris?"}
CALLED = {
    "role": "assistant",
    "tool_calls": [call("get_weather", '{"city":"Paris"}')],
}
END = "<|end|>"


def read(ids: list[int]) -> str:
    """The tokens as the template's docstring writes them."""
    tokenizer, text, words = load(), "", list[int]()
    for i in [*ids, -1]:
        if 0 <= i <= 5 or i == -1:
            text += tokenizer.decode(words) + (SPECIALS[i] if i >= 0 else "")
            words = []
        else:
            words.append(i)
    return text


def test_tools_stand_in_front_and_calls_in_the_assistants_message() -> None:
    row = {"messages": [ASKED, CALLED], "tools": [WEATHER, tool("stop")]}
    example = encode_example(load(), row, context=512)
    assert read(example.tokens) == (
        f"<|system|>Tools: get_weather(city), stop().{END}"
        f"<|user|>Is it warm in Paris?{END}"
        f'<|assistant|>call get_weather {{"city": "Paris"}}{END}'
    )


def test_a_call_is_learnt_and_the_tools_are_not() -> None:
    row = {"messages": [ASKED, CALLED], "tools": [WEATHER]}
    tokens, weights, *_ = encode_example(load(), row, context=512)
    learnt = [t for t, weight in zip(tokens, weights, strict=True) if weight]
    assert read(learnt) == f'call get_weather {{"city": "Paris"}}{END}'


def test_training_and_answering_read_the_same_tokens() -> None:
    row = {"messages": [ASKED, CALLED], "tools": [WEATHER]}
    prompt = encode_prompt(load(), [ASKED], [WEATHER])
    assert encode_example(load(), row, context=512).tokens[: len(prompt)] == prompt


def test_functions_of_the_older_kind_read_like_tools() -> None:
    older = {
        "messages": [
            ASKED,
            {"role": "assistant", "function_call": CALLED["tool_calls"][0]["function"]},
        ],
        "functions": [WEATHER["function"]],
    }
    row = {"messages": [ASKED, CALLED], "tools": [WEATHER]}
    assert encode_example(load(), older, 512) == encode_example(load(), row, 512)


def test_a_text_stands_above_the_calls() -> None:
    message = {**CALLED, "content": "I will look.", "role": "assistant"}
    row = {"messages": [ASKED, message], "tools": [WEATHER]}
    told = read(encode_example(load(), row, context=512).tokens)
    assert told.endswith(f'I will look.\ncall get_weather {{"city": "Paris"}}{END}')


def test_a_call_of_a_custom_tool_has_one_input() -> None:
    said = {"type": "custom", "custom": {"name": "sql", "input": 'a "b"\nc'}}
    assert calls_text({"tool_calls": [said]}) == r'call sql {"input": "a \"b\"\nc"}'


@settings(deadline=None)  # a busy computer
@given(calls=st.lists(CALLS, min_size=1, max_size=4), above=st.text(), pretty=...)
def test_calls_come_back_as_they_went_in(
    calls: list[tuple[str, dict[str, Any]]], above: str, pretty: bool
) -> None:
    given = [call(n, json.dumps(a, indent=2 if pretty else None)) for n, a in calls]
    tokenizer, text = load(), calls_text({"tool_calls": given})
    whole = tokenizer.decode(tokenizer.encode(f"{above}\n{text}"))
    found = parse(whole, {name for name, _ in calls})
    assert found is not None
    assert whole[: found.text_end] == above
    again = [(c.name, json.loads(whole[c.start : c.end])) for c in found.calls]
    assert again == calls


@settings(deadline=None)
@given(
    parts=st.lists(
        st.sampled_from(["", "\n", "call", " get_weather", " {", '"city"', ": 1", "}"])
        | st.just('call get_weather {"city": 1}')
        | st.text(max_size=3),
        max_size=12,
    )
)
def test_a_stream_says_what_the_whole_text_says(parts: list[str]) -> None:
    tokens = [
        {"event": "token", "text": part, "token": part, "bytes": list(part.encode())}
        for part in parts
    ]
    caller = Caller({"get_weather"}, parallel=True)
    *lines, end = caller.lines([*tokens, {"event": "end"}])
    said = "".join(line["text"] for line in lines if line["event"] == "token")
    called = [
        (line["name"], "".join(line["arguments"]))
        for line in lines
        if line["event"] == "call"
    ]
    for line in lines:
        if line["event"] == "token":
            assert line["token"] == line["text"] == bytes(line["bytes"]).decode()
    text = "".join(parts)
    found = parse(text, {"get_weather"})
    assert end == {"event": "end"}
    if found is None:
        assert (said, called) == (text, [])
    else:
        assert said == text[: found.text_end]
        assert called == [(c.name, text[c.start : c.end]) for c in found.calls]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "It is warm.",
        "call Mum",
        'get_weather {"city": "Paris"}',
        'call get_wether {"city": "Paris"}',
        'call get_weather {"city": "Paris"',
        "call get_weather {'city': 'Paris'}",
        'call get_weather ["Paris"]',
        'call get_weather {"city": NaN}',
        'call get_weather {"city": "Paris"} please',
        'call get_weather {"city": "Paris"}\nThere you are.',
        'Please call get_weather {"city": "Paris"}',
        "call get_weather " + '{"a":' * 100_000,
    ],
)
def test_what_has_not_the_form_is_no_call(text: str) -> None:
    assert parse(text, {"get_weather"}) is None
