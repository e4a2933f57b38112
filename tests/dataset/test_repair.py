"""Repair mends what can be meant in one way, says so, and asks about the rest."""

from __future__ import annotations

import copy
import gc
import json
import re
import sys
from collections.abc import Callable
from pathlib import Path
from tempfile import TemporaryDirectory
from traceback import format_exception
from typing import Any

import pandas
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import finetune_kit as kit
from finetune_kit.dataset import check
from finetune_kit.dataset.edits import fixable
from finetune_kit.dataset.mending import mend
from finetune_kit.dataset.repair import repair

Row = dict[str, Any]


def chat(number: int = 0, **message: Any) -> Row:
    """A valid chat example; keywords change its assistant message."""
    answer = {"role": "assistant", "content": f"answer {number}"} | message
    return {"messages": [{"role": "user", "content": f"question {number}"}, answer]}


GOOD = [chat(number) for number in range(12)]


def jsonl(*lines: Row | str) -> bytes:
    texts = (line if isinstance(line, str) else json.dumps(line) for line in lines)
    return "".join(text + "\n" for text in texts).encode()


def test_the_kit_hands_it_on():
    assert kit.repair is repair


def test_a_good_file_stays_as_it_is(tmp_path: Path):
    mended = repair(jsonl(*GOOD))
    assert mended.edits == []
    assert mended.ok
    assert mended.save(tmp_path / "copy.jsonl").read_bytes() == jsonl(*GOOD)


def test_rows_that_come_once_are_repaired_like_a_list():
    rows = [chat(n, role="Assistant") for n in range(30)]
    once = repair(row for row in rows)
    assert once.rows == repair(rows).rows
    assert len(once.rows) == 30


CALL = {"id": "c1", "type": "function", "function": {"name": "f", "arguments": {}}}
UNTYPED = {"id": "c1", "function": {"name": "f", "arguments": "{}"}}
TOOLS = {"tools": [{"type": "function", "function": {"name": "f"}}]}
MENDED_CALL = {
    "id": "c1",
    "type": "function",
    "function": {"name": "f", "arguments": "{}"},
}
INPUT = {"type": "input_text", "text": "a"}
TEXT = {"type": "text", "text": "a"}

#: code, the broken example, the mended one
SAFE: list[tuple[str, Row, Row]] = [
    ("unknown_role", chat(role="assitant"), chat()),
    ("unknown_role", chat(role=" Assistant"), chat()),
    ("unknown_role", chat(role="ASISTANT"), chat()),
    ("developer_role", chat(role="developer"), chat(role="system")),
    ("missing_messages", {"mesages": chat()["messages"]}, chat()),
    ("missing_role", {"messages": [{"rol": "assistant", "content": "a"}]},
     {"messages": [{"role": "assistant", "content": "a"}]}),
    ("missing_content", {"messages": [{"role": "assistant", "contnet": "a"}]},
     {"messages": [{"role": "assistant", "content": "a"}]}),
    ("extra_key", chat() | {"id": 7}, chat()),
    ("extra_key", chat() | {"weight": 0}, chat(weight=0)),
    ("extra_key", chat() | {"parallel_tool_cals": True},
     chat() | {"parallel_tool_calls": True}),
    ("extra_message_key", chat(time="now"), chat()),
    ("extra_message_key", chat(wieght=0), chat(weight=0)),
    ("weight_role", chat(role="system", weight=1), chat(role="system")),
    ("weight_value", chat(weight=True), chat(weight=1)),
    ("weight_value", chat(weight="0"), chat(weight=0)),
    ("weight_value", chat(weight=1.0), chat(weight=1)),
    ("content_type", chat(content=5), chat(content="5")),
    ("content_part", chat(content=["a"]), chat(content=[TEXT])),
    ("content_part", chat(content=[INPUT]), chat(content=[TEXT])),
    ("tool_arguments", chat(tool_calls=[CALL]) | TOOLS,
     chat(tool_calls=[MENDED_CALL]) | TOOLS),
    ("tool_call_form", chat(tool_calls=[UNTYPED]) | TOOLS,
     chat(tool_calls=[MENDED_CALL]) | TOOLS),
    ("parallel_tool_calls_type", chat() | {"parallel_tool_calls": "False"},
     chat() | {"parallel_tool_calls": False}),
]  # fmt: skip


@pytest.mark.parametrize(("code", "broken", "whole"), SAFE)
def test_safe_fixes_mend_their_finding_and_nothing_else(
    code: str, broken: Row, whole: Row
):
    assert code in {found.code for found in check([*GOOD, broken]).findings}
    mended = repair([*GOOD, broken])
    assert mended.rows == [*GOOD, whole]
    assert {edit.code for edit in mended.edits} == {code}
    assert {edit.line for edit in mended.edits} == {13}
    assert code not in {found.code for found in mended.remaining.findings}


@pytest.mark.parametrize(
    "row",
    [
        chat(role="bot"),
        chat(role="human"),
        chat(role="gpt"),
        chat(role="ai assistant"),
        chat(role=3),
        chat(weight=0.5),
        chat(weight=None),
        chat(content={"a": 1}),
        chat(content="a <|endoftext|>"),
        chat(content=""),
        {"messages": [{"role": "user", "content": "q"}]},
        {"messages": [*chat()["messages"], {"role": "user", "content": "q"}]},
        {"messages": [*chat()["messages"], chat()["messages"][1]], "weight": 1},
        {"text": "a"},
    ],
)
def test_what_would_be_a_guess_is_not_touched(row: Row):
    mended = repair([*GOOD, row])
    assert mended.rows == [*GOOD, row]
    assert mended.edits == []
    assert {f.line for f in mended.remaining.findings} == {13}


def test_a_role_of_ones_own_is_asked_about_and_takes_an_answer():
    rows = [*GOOD, chat(role="bot")]
    (question,) = repair(rows).remaining.findings
    assert "Which role is meant" in question.fix
    mended = repair(rows, answers={"bot": "assistant"})
    assert mended.rows == [*GOOD, chat()]


@pytest.mark.parametrize(
    ("code", "row", "whole"),
    [
        ("special_token", chat(content="<|im_end|>"), chat(content="< |im_end|>")),
        ("content_type", chat(content={"a": "é"}), chat(content='{"a": "é"}')),
        ("duplicate_example", GOOD[3], None),
        ("empty_assistant_content", chat(content=" "), None),
        ("nothing_to_learn", chat(99, weight=0), None),
        ("no_assistant_message", chat(role="user"), None),
        (
            "last_not_assistant",
            {"messages": [*chat(99)["messages"], {"role": "user", "content": "q"}]},
            chat(99),
        ),
    ],
)
def test_other_fixes_are_offered_and_applied_when_asked(
    code: str, row: Row, whole: Row | None
):
    rows = [*GOOD, row]
    offered = repair(rows)
    assert (offered.rows, dict(offered.offered)) == (rows, {code: 1})
    mended = repair(rows, fixes=[code])
    assert mended.rows == [*GOOD, *([whole] if whole else [])]
    assert mended.ok


def test_only_the_codes_asked_for_are_fixed():
    rows = [*GOOD, chat(role="assitant", wieght=1)]
    mended = repair(rows, fixes=["extra_message_key"])
    assert mended.rows == [*GOOD, chat(role="assitant", weight=1)]
    assert dict(mended.offered) == {"unknown_role": 1}


LINE = json.dumps(chat(98))


@pytest.mark.parametrize(
    ("line", "rows"),
    [
        (LINE + ",", [chat(98)]),
        (LINE.replace("]", ",]"), [chat(98)]),
        (LINE.replace("}]", ",}, ]"), [chat(98)]),
        (repr(chat(98)), [chat(98)]),
        (repr(chat(98, content='it\'s "so"\n')), [chat(98, content='it\'s "so"\n')]),
        (LINE.replace("answer", "an\tswer"), [chat(98, content="an\tswer 98")]),
        (LINE + LINE.replace("98", "97"), [chat(98), chat(97)]),
        (LINE + ", " + LINE.replace("98", "97") + ",", [chat(98), chat(97)]),
        (LINE[:-1] + ', "parallel_tool_calls": True}',
         [chat(98) | {"parallel_tool_calls": True}]),
        ("\ufeff" + LINE, [chat(98)]),
        ("# a comment", []),
        ("", []),
    ],
)  # fmt: skip
def test_lines_that_are_almost_json_are_mended(line: str, rows: list[Row]):
    mended = repair(jsonl(*GOOD, line, chat(99)))
    assert mended.rows == [*GOOD, *rows, chat(99)]
    assert mended.ok


@pytest.mark.parametrize(
    "line",
    [
        LINE[:-5],
        LINE.replace("answer", 'an"swer'),
        LINE.replace("answer", 'say ",]" or'),
        repr(chat(98, content="it''s")).replace('"', "'"),
        "{'messages': __import__('os')}",
        "{'messages': {1, 2}}",
        "hello",
    ],
)
def test_lines_that_can_be_read_in_more_ways_stay(line: str, tmp_path: Path):
    mended = repair(jsonl(*GOOD, line))
    assert mended.edits == []
    assert not mended.ok
    assert mended.remaining.findings[0].line == 13
    with pytest.raises(ValueError, match="not written: 1 error"):
        mended.save(tmp_path / "copy.jsonl")
    written = mended.save(tmp_path / "copy.jsonl", partial=True)
    assert written.read_bytes() == jsonl(*GOOD, line)


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"\xef\xbb\xbf" + jsonl(*GOOD), "bom"),
        (jsonl(*GOOD).decode().encode("utf-16"), "utf16"),
        (json.dumps(GOOD).encode(), "json_array"),
        (json.dumps(GOOD, indent=2).encode(), "json_array"),
        ("\n".join(json.dumps(row, indent=2) for row in GOOD).encode(), "pretty_json"),
    ],
)
def test_what_is_wrong_with_the_whole_file_is_gone_once_written(
    data: bytes, code: str, tmp_path: Path
):
    mended = repair(data)
    assert dict(mended.counts) == {code: 1}
    assert mended.rows == GOOD
    path = mended.save(tmp_path / "copy.jsonl")
    assert check(path).findings == []


def test_windows_line_ends_become_plain_ones(tmp_path: Path):
    path = repair(jsonl(*GOOD).replace(b"\n", b"\r\n")).save(tmp_path / "copy.jsonl")
    assert path.read_bytes() == jsonl(*GOOD)


def test_a_key_that_stands_twice_alike_is_kept_once():
    line = '{"tools": 1, ' + LINE[1:-1] + ', "messages": ' + LINE.split(": ", 1)[1]
    same = line.replace('"tools": 1, ', "")
    assert repair(jsonl(*GOOD, same)).rows[-1] == chat(98)
    other = same.replace("answer 98", "another", 1)
    offered = repair(jsonl(*GOOD, other))
    assert dict(offered.offered) == {"duplicate_key": 1}
    asked = repair(jsonl(*GOOD, other), fixes=["duplicate_key"])
    assert asked.rows[-1] == chat(98)
    assert asked.counts["duplicate_key"] == 1


def test_nan_becomes_null_only_when_asked():
    line = LINE.replace('"answer 98"', '"a", "name": NaN')
    assert dict(repair(jsonl(*GOOD, line)).offered) == {"not_a_number": 1}
    asked = repair(jsonl(*GOOD, line), fixes=["not_a_number"])
    assert asked.rows[-1] == chat(98, content="a", name=None)


def test_lines_that_are_no_utf8_are_kept_back_until_asked_about(tmp_path: Path):
    data = jsonl(*GOOD, chat(98, content="caf_"), chat(99)).replace(b"_", b"\xe9")
    mended = repair(data)
    assert mended.rows == [*GOOD, chat(99)]
    assert [(f.code, f.line) for f in mended.remaining.findings] == [("not_utf8", 13)]
    with pytest.raises(ValueError, match="line 13"):
        mended.save(tmp_path / "copy.jsonl")
    asked = repair(data, fixes=["safe", "not_utf8"])
    assert asked.rows[-2] == chat(98, content="café")
    assert (asked.ok, asked.edits[0].line) == (True, 13)


def test_the_original_is_never_written_over(tmp_path: Path):
    path = tmp_path / "mein Ordner é.jsonl"
    data = jsonl(*GOOD, chat(role="assitant"))
    path.write_bytes(data)
    mended = repair(path)
    for same in (path, str(path), tmp_path / "." / path.name):
        with pytest.raises(ValueError, match="stays as it is"):
            mended.save(same)
    assert path.read_bytes() == data
    assert mended.save(tmp_path / "new" / "copy.jsonl").is_file()
    assert sorted(p.name for p in tmp_path.iterdir()) == [path.name, "new"]


def test_unknown_codes_and_roles_are_named():
    with pytest.raises(ValueError, match=r"no fix is called 'magic'; .*safe"):
        repair(GOOD, fixes=["magic"])
    with pytest.raises(
        ValueError, match=r"a list: fixes=\['safe', 'duplicate_example'"
    ):
        repair(GOOD, fixes="safe, duplicate_example")
    with pytest.raises(ValueError, match=r"Did you mean 'duplicate_example'\?"):
        repair(GOOD, fixes="duplicate_exmple")
    with pytest.raises(TypeError, match="answers say what your own roles mean"):
        repair(GOOD, answers="assistant")  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="'boss' is no role"):
        repair(GOOD, answers={"bot": "boss"})


def test_findings_that_remain_name_the_lines_of_the_original():
    data = jsonl(*GOOD, "", LINE + LINE.replace("98", "97"), chat(role="bot"))
    (found,) = repair(data).remaining.findings
    assert found.line == 15


def test_changed_lines_keep_their_spacing_and_escapes():
    rows = [chat(n, role="assitant", content="é") for n in range(12)]
    for style in ({"separators": (",", ":")}, {"ensure_ascii": False}):
        lines = [json.dumps(row, **style) for row in rows]
        mended = repair("\n".join(lines).encode())
        after = [edit.after for edit in mended.edits]
        assert after == [line.replace("assitant", "assistant") for line in lines]


def test_text_and_card_show_the_line_before_and_after():
    mended = repair([*GOOD, chat(role="assitant"), chat(role="bot")])
    text = repr(mended)
    assert "line 13, messages[1].role: role `assitant` is written" in text
    assert re.search(r'\n    - ….*"assitant"', text)
    assert re.search(r'\n    \+ ….*"assistant"', text)
    assert "unknown role 'bot'" in text
    html = mended._repr_html_()
    assert "role <code>assitant</code> is written <code>assistant</code>" in html
    assert re.search(r"<del [^>]*>assitant</del><ins [^>]*>assistant</ins>", html)
    assert not re.search(r"<(script|style|svg|link)|class=|on\w+=|var\(", html)


def test_the_card_escapes_what_comes_from_the_file():
    html = repair([*GOOD, chat(**{"<img src=x>": "<b>"})])._repr_html_()
    assert "<img" not in html
    assert "<b>" not in html


def test_every_fix_is_named_and_says_what_it_does():
    assert all(what.endswith(".") for what in fixable().values())
    assert {"unknown_role", "invalid_json"} <= fixable(safe=True).keys()


def test_a_table_becomes_lines_of_prompt_and_completion():
    table = "prompt,completion\n" + "".join(f"q{n},a{n}\n" for n in range(12))
    mended = repair(table.encode())
    assert mended.counts["table"] == 1
    assert mended.rows[3] == {"prompt": "q3", "completion": "a3"}
    assert mended.ok


def preference(number: int, better: str = "preferred_output", **message: Any) -> Row:
    answers = [{"role": "assistant", "content": f"{w} {number}"} for w in ("a", "b")]
    return {
        "input": {"messages": [{"role": "user", "content": f"question {number}"}]},
        better: [answers[0] | message],
        "non_preferred_output": [answers[1]],
    }


@pytest.mark.parametrize(
    ("broken", "whole", "field"),
    [
        (preference(1, role="assitant"), preference(1), "preferred_output[0].role"),
        (preference(1, "preferred_completion"), preference(1), "preferred_output"),
        (preference(1) | {"id": 7}, preference(1), "id"),
        (
            preference(1) | {"input": {"messages": [{"rol": "user", "content": "q"}]}},
            preference(1) | {"input": {"messages": [{"role": "user", "content": "q"}]}},
            "input.messages[0].role",
        ),
    ],
)
def test_preference_lines_are_mended_too(broken: Row, whole: Row, field: str):
    rows = [preference(number) for number in range(2, 14)]
    mended = repair([*rows, broken], method="dpo")
    assert mended.rows == [*rows, whole]
    assert [edit.field for edit in mended.edits] == [field]
    assert mended.ok


def test_fields_for_graders_stay_in_reinforcement_lines():
    rows = [
        {"messages": [{"role": "user", "content": f"q {n}"}], "reference": n}
        for n in range(12)
    ]
    mended = repair(rows, method="reinforcement")
    assert (mended.rows, mended.edits, mended.ok) == (rows, [], True)


words = st.text(min_size=1).filter(str.strip)
examples = st.builds(
    lambda question, answer, system: {
        "messages": [
            *([{"role": "system", "content": system}] if system else []),
            {"role": "user", "content": question},
            {"role": "assistant", "content": answer},
        ]
    },
    words,
    words,
    st.none() | words,
)


def _break_role(row: Row) -> None:
    row["messages"][-1]["role"] = "assitant"


def _break_key(row: Row) -> None:
    row["messages"][-1]["contnet"] = row["messages"][-1].pop("content")


def _add_key(row: Row) -> None:
    row["messages"][0]["timestamp"] = 7


def _add_weight(row: Row) -> None:
    row["messages"][0]["weight"] = 1


BREAKS: list[Callable[[Row], None]] = [_break_role, _break_key, _add_key, _add_weight]


@settings(max_examples=25, deadline=None)
@given(
    rows=st.lists(examples, min_size=10, max_size=14, unique_by=repr),
    breaks=st.lists(
        st.tuples(st.integers(0, 9), st.sampled_from(BREAKS)), max_size=6, unique=True
    ),
    ascii_only=st.booleans(),
)
def test_a_repaired_file_passes_and_differs_only_where_it_says_so(
    rows: list[Row],
    breaks: list[tuple[int, Callable[[Row], None]]],
    ascii_only: bool,
):
    broken = copy.deepcopy(rows)
    for number, change in breaks:
        change(broken[number])
    special = [f for f in check(rows).findings if f.severity == "error"]
    if special:  # e.g. a special token in the made-up text
        return
    lines = [json.dumps(row, ensure_ascii=ascii_only) for row in broken]
    mended = repair("\n".join(lines).encode())
    assert mended.ok, mended
    assert mended.rows == rows
    touched = {edit.line for edit in mended.edits}
    assert touched == {number + 1 for number, _ in breaks}
    written = mended._copy.read_text(encoding="utf-8").split("\n")[:-1]
    kept = [n for n in range(len(lines)) if n + 1 not in touched]
    assert [written[n] for n in kept] == [lines[n] for n in kept]


def test_a_longer_mark_is_replaced_whole():
    text = "Write to ann@mail.de or joann@mail.de; hosts 8.8.8.8 and 8.8.8.81"
    rows = [*GOOD, chat(content=text)]
    repaired = repair(rows, fixes=["safe", "personal_data"])
    assert repaired.rows[-1]["messages"][-1]["content"] == (
        "Write to [e-mail address] or [e-mail address]; "
        "hosts [IP address] and [IP address]"
    )


def test_no_answer_is_cut_off_where_a_message_is_no_object():
    asked, answer = chat(99)["messages"]
    row = {"messages": ["hello", asked, answer, asked]}
    repaired = repair([*GOOD, row], fixes=["safe", "last_not_assistant"])
    assert repaired.rows[-1]["messages"] == ["hello", asked, answer]


def test_of_two_equal_keys_of_a_python_dict_none_is_chosen():
    lines = [json.dumps(row) for row in GOOD]
    line = repr(chat(99))[:-1] + ", 'messages': []}"
    repaired = repair("\n".join([*lines, line]).encode())
    assert not repaired.ok
    assert [f.line for f in repaired.remaining.errors] == [13]


def test_a_spreadsheet_keeps_its_rows_when_another_code_is_asked_for(tmp_path: Path):
    path = tmp_path / "x.xlsx"
    pairs = [{"prompt": f"q{n}", "completion": f"a{n}"} for n in range(12)]
    pandas.DataFrame(pairs).to_excel(path, index=False, engine="openpyxl")
    assert repair(path, fixes=["safe", "not_utf8"]).rows == pairs


def test_garbage_that_is_collected_meanwhile_does_not_disturb_the_parser(monkeypatch):
    """A temporary folder that warns then; telling of a warning as an error, Python
    parses its own source, and the parser under way would break off."""
    monkeypatch.setattr(sys, "unraisablehook", lambda told: format_exception(told[1]))
    text = repr(chat(content="word " * 9))
    turns = repr({"messages": [chat()["messages"][0]] * 60})
    before = gc.get_threshold()
    try:
        for threshold in range(5, 65, 3):
            garbage: list[Any] = [TemporaryDirectory()]
            garbage.append(garbage)
            del garbage
            gc.set_threshold(threshold, 1, 1)
            assert mend(text)
            assert mend(turns)
    finally:
        gc.set_threshold(*before)
