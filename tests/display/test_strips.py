"""An example as strips of tokens: what is read, what is learnt."""

import re

import pytest

import finetune_kit as kit

EXAMPLE = {
    "messages": [
        {"role": "system", "content": "Answer in Latin."},
        {"role": "user", "content": "Should I start <today>?"},
        {"role": "assistant", "content": "No.", "weight": 0},
        {"role": "user", "content": "Are you sure?"},
        {"role": "assistant", "content": "Carpe diem"},
    ]
}


def test_what_the_assistant_says_is_learnt_unless_its_weight_is_0():
    lines = repr(kit.learnt(EXAMPLE)).splitlines()
    marked = [i for i, line in enumerate(lines) if "· learnt ·" in line]
    assert len(marked) == 1
    assert lines[marked[0] + 1].replace("|", "").strip() == "Carpe diem"


def test_tokens_that_are_learnt_are_told_in_words_and_by_weight_as_well():
    html = kit.learnt(EXAMPLE)._repr_html_()
    assert html.count("· learnt ·") == 1
    assert "font-weight:bold" in html


def test_html_is_escaped_and_styled_inline():
    html = kit.learnt(EXAMPLE)._repr_html_()
    assert "<today>" not in html
    assert not re.search(r"<(style|script|svg)|class=", html)


def test_a_call_of_a_tool_is_learnt():
    call = {"type": "function", "function": {"name": "find", "arguments": "{}"}}
    row = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    assert "learnt" in repr(kit.learnt(row))
    assert "find" in repr(kit.learnt(row))


@pytest.mark.parametrize("example", [[EXAMPLE], "train.jsonl", None])
def test_what_is_not_one_row_is_refused_with_what_to_do(example):
    with pytest.raises(TypeError, match=r"takes one row, such as rows\[0\]"):
        kit.learnt(example)


def test_a_model_that_is_not_known_is_refused_in_words():
    with pytest.raises(ValueError, match="not in the catalog"):
        kit.learnt(EXAMPLE, model="gpt-0")
