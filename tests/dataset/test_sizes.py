"""Token counts of files: by example and role, truncation, several processes."""

import json
import os
import sys

import pandas
import pytest
import tiktoken

from finetune_kit.dataset import tokens
from finetune_kit.dataset.sizes import TOKENS_PER_IMAGE, sizes
from tests.learner import PROVERBS

TRAIN = PROVERBS / "train.jsonl"


def chat(*messages):
    return {"messages": [{"role": r, "content": c} for r, c in messages]}


def test_every_example_counts_as_chat_tokens_does():
    found = sizes(TRAIN, "gpt-4.1")
    rows = [json.loads(line) for line in TRAIN.open(encoding="utf-8")]
    expected = [tokens.chat_tokens(row["messages"], "o200k_base") for row in rows]
    assert list(found.tokens) == expected
    assert list(found.lines) == list(range(1, 101))
    assert found.trained == sum(expected)


def test_roles_add_up_to_the_example():
    found = sizes(TRAIN, "gpt-4.1")
    assert set(found.roles) == {"system", "user", "assistant"}
    for place, total in enumerate(found.tokens):
        assert sum(counts[place] for counts in found.roles.values()) == total


def test_a_role_that_some_examples_lack_counts_nothing_in_them():
    rows = [
        chat(("user", "a"), ("assistant", "b")),
        chat(("system", "s"), ("user", "a"), ("assistant", "b")),
    ]
    found = sizes([*rows, rows[0]])
    assert [list(found.roles["user"]), list(found.roles["system"])] == [
        [5, 5, 5],
        [0, 5],
    ]


def test_prompt_and_completion_are_counted_bare_in_the_models_encoding():
    text = "Größe 12345 — naïve?"
    found = sizes([{"prompt": text, "completion": " no"}], "babbage-002")
    expected = len(tokens.encoding("cl100k_base").encode_ordinary(text))
    assert list(found.roles["prompt"]) == [expected]
    assert list(found.roles["completion"]) == [1]
    assert isinstance(tokens.encoding("cl100k_base"), tiktoken.Encoding)


def test_tools_and_images_are_counted_and_said_to_be_approximate():
    parts = [
        {"type": "text", "text": "What is it?"},
        {"type": "image_url", "image_url": {"url": "https://example.org/a.png"}},
    ]
    row = chat(("user", parts), ("assistant", "A cat."))
    found = sizes([row | {"tools": [{"type": "function", "function": {"name": "f"}}]}])
    assert found.images == 1
    words = tokens.count("What is it?", "o200k_base")
    assert found.roles["user"][0] == 3 + 1 + words + TOKENS_PER_IMAGE
    assert found.roles["tools"][0] > 0
    assert "images counted at 85" in repr(found)


def test_what_lies_over_the_limit_is_named_with_the_text_that_is_lost():
    words = " ".join(f"word{n}" for n in range(3000))
    rows = [
        chat(("user", "Hi"), ("assistant", "Ho")),
        chat(("user", "Count"), ("assistant", words)),
    ]
    found = sizes(rows, "gpt-3.5-turbo-0613")
    (over,) = found.truncated
    assert (over.line, over.role) == (2, "assistant")
    assert over.cut == over.tokens - 4096
    assert found.trained == found.tokens[0] + 4096
    encode = tokens.encoding("cl100k_base")
    kept = encode.decode(encode.encode_ordinary(words)[: 4096 - 5 - 4])
    assert words[len(kept) :].startswith(over.lost)
    assert "line 2" in repr(found)


def test_a_limit_in_a_completion_is_found_too():
    found = sizes([{"prompt": "Count", "completion": " one" * 3000}], "ada")
    assert found.truncated[0].role == "completion"


def test_preference_pairs_count_input_and_both_outputs():
    row = {
        "input": {"messages": [{"role": "user", "content": "Hi"}]},
        "preferred_output": [{"role": "assistant", "content": "Good day"}],
        "non_preferred_output": [{"role": "assistant", "content": "Yo"}],
    }
    found = sizes([row])
    assert list(found.roles) == ["user", "preferred_output", "non_preferred_output"]


def test_lines_that_hold_no_example_are_counted_apart(tmp_path):
    file = tmp_path / "some.jsonl"
    good = json.dumps(chat(("user", "a"), ("assistant", "b")))
    file.write_text(f"{good}\nnot json\n7\n{good}\n", encoding="utf-8")
    found = sizes(file)
    assert (found.examples, list(found.unread)) == (2, [2, 3])
    assert list(found.lines) == [1, 4]
    assert "(line 2, 3); `finetune-kit check` says why" in repr(found)


def test_rows_without_messages_or_texts_hold_no_example():
    labels = {"message": "Where is my parcel?", "team": "delivery"}
    rows = [labels, chat(("user", "a"), ("assistant", "b")), {"messages": []}]
    found = sizes(rows)
    assert (list(found.lines), list(found.unread)) == ([2], [1, 3])
    assert "None over the limit" not in repr(sizes([labels]))


@pytest.mark.parametrize(
    "odd",
    [
        {"messages": None},
        {"messages": ["a", 7, {"role": None, "content": 5}]},
        {"messages": [{"role": "assistant", "tool_calls": "f"}]},
        {"prompt": 7, "completion": None},
        {"input": [], "tools": "x"},
        {},
    ],
)
def test_odd_examples_are_counted_without_an_error(odd):
    found = sizes([odd])
    assert found.examples + len(found.unread) == 1


def test_a_data_frame_is_counted():
    frame = pandas.DataFrame({"prompt": ["a", "b"], "completion": ["c", "d"]})
    assert list(sizes(frame, "babbage-002").tokens) == [2, 2]


def test_two_processes_count_what_one_counts(tmp_path):
    file = tmp_path / "large.jsonl"
    file.write_text(TRAIN.read_text(encoding="utf-8") * 45, encoding="utf-8")
    one, two = sizes(file), sizes(file, workers=2)
    assert (one.tokens, one.roles, one.lines) == (two.tokens, two.roles, two.lines)


def test_an_unknown_model_is_refused_with_the_known_ones():
    with pytest.raises(ValueError, match=r"No model 'gpt-9'.*gpt-4\.1"):
        sizes(TRAIN, "gpt-9")


@pytest.mark.parametrize("workers", [0, 100])
def test_windows_has_no_more_processes_than_it_can_wait_for(workers, monkeypatch):
    monkeypatch.setattr(os, "cpu_count", lambda: 64)
    monkeypatch.setattr(sys, "platform", "win32")
    assert sizes([], workers=workers).tokens == sizes([]).tokens
