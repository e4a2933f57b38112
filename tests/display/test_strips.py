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
    strips = kit.learnt(EXAMPLE)
    assert [one.learnt for one in strips.messages] == [False, False, False, False, True]
    assert strips.learnt == len(strips.messages[-1].pieces)
    assert "".join(strips.messages[-1].pieces) == "Carpe diem"


def test_tokens_that_are_learnt_are_told_in_words_as_well():
    strips = kit.learnt(EXAMPLE)
    assert repr(strips).count("LEARNT") == 1
    assert strips._repr_html_().count("<strong>learnt</strong>") == 1
    assert f"{strips.learnt} tokens are learnt, {strips.read} are only read" in repr(
        strips
    )


def test_html_is_escaped_and_styled_inline():
    html = kit.learnt(EXAMPLE)._repr_html_()
    assert "<today>" not in html
    assert not re.search(r"<(style|script|svg)|class=", html)


def test_a_call_of_a_tool_is_learnt():
    call = {"type": "function", "function": {"name": "find", "arguments": "{}"}}
    row = {"messages": [{"role": "assistant", "tool_calls": [call]}]}
    assert "".join(kit.learnt(row).messages[0].pieces) == "find({})"


def test_what_is_no_example_is_refused_in_words():
    with pytest.raises(ValueError, match="no list `messages`"):
        kit.learnt({"prompt": "Is it far?", "completion": " No."})
    with pytest.raises(ValueError, match="no list `messages`"):
        kit.learnt({"messages": ["Is it far?", "No."]})
    with pytest.raises(ValueError, match="not in the catalog"):
        kit.learnt(EXAMPLE, model="gpt-0")
