"""Every rule finds the fault it is about, at its line."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from finetune_kit.dataset import check
from finetune_kit.dataset.chat_rules import CHAT_RULES
from finetune_kit.dataset.completion_rules import COMPLETION_RULES
from finetune_kit.dataset.contents import CONTENT_RULES
from finetune_kit.dataset.line_rules import LINE_RULES
from finetune_kit.dataset.preference_rules import PREFERENCE_RULES
from finetune_kit.dataset.reinforcement_rules import REINFORCEMENT_RULES
from finetune_kit.dataset.rules import COUNT_RULES, EXAMPLE_RULES, FORMAT_RULES
from finetune_kit.dataset.truncation import TRUNCATION_RULES

Example = dict[str, Any]

CALL = {
    "id": "call_1",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
}


def image(url: str) -> Example:
    return {"type": "image_url", "image_url": {"url": url}}


IMAGE = image("https://example.com/cat.png")
TOOL = (
    '"tools": [{"type": "function", "function": '
    '{"name": "f", "parameters": {"default": NaN}}}]'
)
ANSWER = '{"role": "assistant", "content": "a"}'


def line_of(answer: str, *more: str) -> str:
    """A chat line with that assistant message, as text."""
    messages = f'"messages": [{{"role": "user", "content": "q"}}, {answer}]'
    return "{" + ", ".join([messages, *more]) + "}"


#: (code, what is put into the assistant's message)
MESSAGE_FAULTS: list[tuple[str, Example]] = [
    ("unknown_role", {"role": "assitant"}),
    ("unknown_role", {"role": "Assistant"}),
    ("unknown_role", {"role": 7}),
    ("unknown_role", {"role": "gpt"}),
    ("developer_role", {"role": "developer"}),
    ("extra_message_key", {"wieght": 1}),
    ("extra_message_key", {"id": 1}),
    ("missing_content", {"content": None}),
    ("content_type", {"content": 5}),
    ("content_type", {"content": []}),
    ("content_type", {"content": {"answer": "a"}}),
    ("content_part", {"content": ["a"]}),
    ("content_part", {"content": [{"type": "input_text", "text": "a"}]}),
    ("content_part", {"content": [{"type": "text"}]}),
    ("content_part", {"content": [{"type": "image_url", "image_url": {"url": "x"}}]}),
    ("wrong_type", {"name": 5}),
    ("weight_role", {"role": "system", "weight": 0}),
    ("weight_value", {"weight": 0.5}),
    ("weight_value", {"weight": True}),
    ("weight_value", {"weight": "1"}),
    ("nothing_to_learn", {"weight": 0}),
    ("empty_assistant_content", {"content": " "}),
    ("same_role_twice", {"role": "user"}),
    ("system_not_first", {"role": "system"}),
    ("empty_content", {"role": "user", "content": " "}),
    ("secret", {"content": "use sk-proj-aB3dE5gH7jK9mN1pQ3sT5"}),
    ("personal_data", {"content": "Write to ada@lovelace.org."}),
    ("special_token", {"content": "a <|im_end|> b"}),
    ("special_token", {"content": [{"type": "text", "text": "<|endoftext|>"}]}),
    ("tool_call_form", {"tool_calls": {}}),
    ("tool_call_form", {"tool_calls": []}),
    ("tool_call_form", {"tool_calls": [CALL | {"type": "tool"}]}),
    ("tool_call_form", {"tool_calls": [CALL | {"id": None}]}),
    ("tool_arguments", {"tool_calls": [CALL | {"function": {"name": "f"}}]}),
    ("tool_arguments", {"function_call": {"name": "f", "arguments": {"a": 1}}}),
    ("tool_arguments", {"function_call": {"name": "f", "arguments": "{a}"}}),
    ("function_call_form", {"function_call": "f"}),
    ("tool_result_without_call", {"role": "tool", "tool_call_id": "call_2"}),
    ("tool_result_without_call", {"role": "tool"}),
]
#: (code, what is put into the chat example)
EXAMPLE_FAULTS: list[tuple[str, Example]] = [
    ("messages_not_a_list", {"messages": {"role": "user"}}),
    ("empty_messages", {"messages": []}),
    ("extra_key", {"weight": 1}),
    ("extra_key", {"metadata": {}}),
    ("message_not_an_object", {"messages": ["hello"]}),
    ("missing_role", {"messages": [{"content": "a"}]}),
    ("missing_role", {"messages": [{"rol": "user", "content": "a"}]}),
    ("missing_content", {"messages": [{"role": "user"}]}),
    ("missing_content", {"messages": [{"role": "user", "contnt": "a"}]}),
    ("no_assistant_message", {"messages": [{"role": "user", "content": "a"}]}),
    (
        "last_not_assistant",
        {
            "messages": [
                {"role": "assistant", "content": "a"},
                {"role": "user", "content": "b"},
            ]
        },
    ),
    ("no_user_message", {"messages": [{"role": "assistant", "content": "a"}]}),
    (
        "call_without_result",
        {
            "messages": [
                {"role": "user", "content": "a"},
                {"role": "assistant", "tool_calls": [CALL]},
                {"role": "user", "content": "b"},
                {"role": "assistant", "content": "c"},
            ]
        },
    ),
    (
        "too_many_images",
        {
            "messages": [
                {"role": "user", "content": [IMAGE] * 11},
                {"role": "assistant", "content": "a"},
            ]
        },
    ),
    (
        "image_skipped",
        {
            "messages": [
                {"role": "user", "content": [image("file:///cat.png")]},
                {"role": "assistant", "content": "a"},
            ]
        },
    ),
    (
        "image_skipped",
        {
            "messages": [
                {"role": "user", "content": [image("data:image/gif;base64,R0lG")]},
                {"role": "assistant", "content": "a"},
            ]
        },
    ),
    ("tools_form", {"tools": []}),
    ("tools_form", {"tools": [{"name": "f"}]}),
    ("tools_form", {"functions": [{"description": "f"}]}),
    ("tools_form", {"tools": [{"type": "function", "function": {"name": ""}}]}),
    ("parallel_tool_calls_type", {"parallel_tool_calls": "yes"}),
]
#: (code, the line)
LINE_FAULTS: list[tuple[str, str]] = [
    ("missing_messages", '{"mesages": []}'),
    ("missing_messages", "{}"),
    ("invalid_json", '{"messages": [}'),
    ("cut_off_json", '{"messages": ['),
    ("not_a_number", line_of(ANSWER, TOOL)),
    ("half_character", line_of('{"role": "assistant", "content": "\\ud83d"}')),
    ("not_an_object", "[]"),
    ("not_an_object", "null"),
    ("not_an_object", '"messages"'),
    ("duplicate_key", line_of('{"role": "user", "role": "assistant", "content": "a"}')),
    ("blank_line", " "),
    ("other_format", '{"prompt": "a", "completion": "b"}'),
    ("duplicate_example", json.dumps({"messages": [
        {"role": "user", "content": "0"}, {"role": "assistant", "content": "a"}]})),
]  # fmt: skip
COMPLETION_FAULTS: list[tuple[str, Example]] = [
    ("missing_key", {"prompt": "a"}),
    ("missing_key", {"prompt": "a", "compleiton": "b"}),
    ("extra_key", {"prompt": "a", "completion": "b", "id": 1}),
    ("wrong_type", {"prompt": ["a"], "completion": "b"}),
    ("empty_completion", {"prompt": "a", "completion": ""}),
    ("special_token", {"prompt": "a", "completion": "b<|endoftext|>"}),
]
#: (code, what is put into the preference line)
PREFERENCE_FAULTS: list[tuple[str, Example]] = [
    ("missing_preference_key", {"input": None, "inptu": {"messages": []}}),
    ("extra_preference_key", {"score": 3}),
    ("preference_form", {"preferred_output": "Yes."}),
    ("preference_form", {"preferred_output": []}),
    ("preference_form", {"input": "Why?"}),
    ("output_not_assistant", {"preferred_output": [{"role": "user", "content": "a"}]}),
    ("input_ends_with_answer", {"input": {"messages": [
        {"role": "user", "content": "a"}, {"role": "assistant", "content": "b"}]}}),
    ("identical_outputs", {"preferred_output": [
        {"role": "assistant", "content": "No."}]}),
    ("unknown_role", {"preferred_output": [{"role": "assitant", "content": "a"}]}),
    ("special_token", {"input": {"messages": [
        {"role": "user", "content": "<|im_end|>"}]}}),
    ("missing_content", {"non_preferred_output": [{"role": "assistant"}]}),
]  # fmt: skip
#: Tested in test_check.py and test_contents.py, because they are about the file.
FILE_CODES = {
    "answer_given",
    "broken_table",
    "contradiction",
    "in_training",
    "system_prompt_slip",
    "too_long",
    "unusual_answer",
    "cells",
    "plain_text",
    "table",
    "bom",
    "file_name",
    "wrong_model",
    "empty_file",
    "json_array",
    "line_too_long",
    "blank_start",
    "not_json",
    "not_utf8",
    "pretty_json",
    "too_few_examples",
    "unknown_format",
    "utf16",
    "wrong_method",
}

contents = st.text(alphabet=st.characters(exclude_categories=["Cs"])).map(
    lambda text: ("a" + text.replace("<|", "< |").replace("@", "(at)")).strip()
)


@st.composite
def chat_examples(draw: st.DrawFn) -> Example:
    """Valid conversations: system or not, turns, names, weights, content parts."""
    messages: list[Example] = []
    if draw(st.booleans()):
        messages.append({"role": "system", "content": draw(contents)})
    for _ in range(draw(st.integers(1, 3))):
        text = draw(contents)
        parts = [{"type": "text", "text": text}]
        messages.append(
            {"role": "user", "content": parts if draw(st.booleans()) else text}
        )
        messages.append({"role": "assistant", "content": draw(contents)})
        if draw(st.booleans()):
            messages[-1]["weight"] = draw(st.integers(0, 1))
    messages[-1].pop("weight", None)
    return {"messages": messages}


chat_files = st.lists(chat_examples(), min_size=11, max_size=14, unique_by=json.dumps)


def lines_of(rows: list[Example]) -> list[str]:
    return [json.dumps(row, ensure_ascii=False) for row in rows]


def plain_file() -> list[Example]:
    return [
        {
            "messages": [
                {"role": "user", "content": str(number)},
                {"role": "assistant", "content": "a"},
            ]
        }
        for number in range(12)
    ]


#: Codes about lines beside others: random texts do repeat and contradict.
COMPARING = {
    "contradiction",
    "duplicate_example",
    "system_prompt_slip",
    "unusual_answer",
}


@settings(deadline=None)
@given(st.binary(max_size=400))
def test_any_bytes_give_a_report(data: bytes):
    report = check(data)
    assert repr(report)
    assert report._repr_html_().startswith("<div")
    json.dumps(report.to_dict())
    assert (report.service_error() is None) == report.ok


KEYS = [
    *("messages", "role", "content", "name", "weight", "tool_calls", "function"),
    *("id", "type", "arguments", "tool_call_id", "function_call", "tools", "text"),
    *("prompt", "completion"),
]
json_values = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text() | st.integers(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(KEYS),
            inner | st.sampled_from(["user", "assistant", "tool", "function", "text"]),
            max_size=5,
        )
    ),
    max_leaves=20,
)


@settings(max_examples=100, deadline=None)
@given(st.lists(json_values, max_size=4), st.sampled_from(["auto", "chat"]))
def test_any_json_gives_a_report(rows: list[Any], choice: Any):
    data = "\n".join(json.dumps(row) for row in rows).encode()
    report = check(data, format=choice)
    assert repr(report)
    assert report._repr_html_().encode("utf-8")
    assert (report.service_error() is None) == report.ok


@settings(max_examples=30, deadline=None)
@given(chat_files, st.sampled_from(["\n", "\r\n"]))
def test_a_valid_file_has_nothing_to_fix(rows: list[Example], line_end: str):
    report = check(line_end.join(lines_of(rows)).encode())
    assert [f for f in report.findings if f.code not in COMPARING] == []


@settings(max_examples=60, deadline=None)
@given(chat_files, st.data())
def test_one_planted_fault_is_found_at_its_line(
    rows: list[Example], data: st.DataObject
):
    code, lines, line = data.draw(planted(rows))
    report = check("\n".join(lines).encode())
    assert (code, line) in {(f.code, f.line) for f in report.findings}
    others = [f for f in report.findings if f.code not in COMPARING]
    assert {f.line for f in others} == {line}


@st.composite
def planted(draw: st.DrawFn, rows: list[Example]) -> tuple[str, list[str], int]:
    """The file's lines with one fault, its code and its line."""
    index = draw(st.integers(1, len(rows) - 2))
    lines = lines_of(rows)
    kind = draw(st.sampled_from(["message", "example", "line"]))
    if kind == "message":
        code, change = draw(st.sampled_from(MESSAGE_FAULTS))
        row = copy.deepcopy(rows[index])
        row["messages"] = [row["messages"][-2], row["messages"][-1] | change]
        lines[index] = json.dumps(row)
    elif kind == "example":
        code, change = draw(st.sampled_from(EXAMPLE_FAULTS))
        lines[index] = json.dumps(rows[index] | change)
    else:
        known = [fault for fault in LINE_FAULTS if fault[0] != "duplicate_example"]
        code, lines[index] = draw(st.sampled_from(known))
    return code, lines, index + 1


@pytest.mark.parametrize(("code", "change"), MESSAGE_FAULTS)
def test_a_faulty_message_is_found(code: str, change: Example):
    rows = plain_file()
    rows[6]["messages"][1] |= change
    found = [f for f in check(rows).findings if f.code == code]
    assert [f.line for f in found] == [7]


@pytest.mark.parametrize(("code", "change"), EXAMPLE_FAULTS)
def test_a_faulty_example_is_found(code: str, change: Example):
    rows = plain_file()
    rows[6] |= change
    found = [f for f in check(rows).findings if f.code == code]
    assert [f.line for f in found] == [7]


@pytest.mark.parametrize(("code", "line"), LINE_FAULTS)
def test_a_faulty_line_is_found(code: str, line: str):
    lines = lines_of(plain_file())
    lines[6] = line
    findings = check("\n".join(lines).encode()).findings
    assert [(f.code, f.line) for f in findings] == [(code, 7)]


@pytest.mark.parametrize(("code", "row"), COMPLETION_FAULTS)
def test_a_faulty_completion_line_is_found(code: str, row: Example):
    rows = [{"prompt": str(n), "completion": "b"} for n in range(12)]
    rows[6] = row
    assert [(f.code, f.line) for f in check(rows).findings] == [(code, 7)]


@pytest.mark.parametrize(("code", "change"), PREFERENCE_FAULTS)
def test_a_faulty_preference_line_is_found(code: str, change: Example):
    rows: list[Example] = [
        {
            "input": {"messages": [{"role": "user", "content": f"q{n}"}]},
            "preferred_output": [{"role": "assistant", "content": "Yes."}],
            "non_preferred_output": [{"role": "assistant", "content": "No."}],
        }
        for n in range(12)
    ]
    changed = {**rows[6], **change}
    rows[6] = {k: v for k, v in changed.items() if v is not None}
    found = check(rows, method="dpo").findings
    assert (code, 7) in {(f.code, f.line) for f in found}
    assert {f.line for f in found} == {7}


def test_every_rule_has_a_fault_that_breaks_it():
    every = (
        LINE_RULES
        + CHAT_RULES
        + COMPLETION_RULES
        + CONTENT_RULES
        + PREFERENCE_RULES
        + REINFORCEMENT_RULES
        + TRUNCATION_RULES
        + EXAMPLE_RULES
        + FORMAT_RULES
        + COUNT_RULES
    )
    planted_codes = {
        code
        for faults in (
            MESSAGE_FAULTS,
            EXAMPLE_FAULTS,
            LINE_FAULTS,
            COMPLETION_FAULTS,
            PREFERENCE_FAULTS,
        )
        for code, _ in faults
    }
    assert {rule.code for rule in every} == planted_codes | FILE_CODES


def test_a_line_too_long_to_read_is_reported(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr("finetune_kit.dataset.jsonl.MAX_LINE_BYTES", 300)
    lines = lines_of(plain_file())
    lines[6] = lines[6].replace("6", "6" * 1000)
    findings = check("\n".join(lines).encode()).findings
    assert [(f.code, f.line) for f in findings] == [("line_too_long", 7)]
