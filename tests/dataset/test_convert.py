"""Conversion from format to format says what it added, took away and left out."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

import finetune_kit as kit
from finetune_kit.dataset import check
from finetune_kit.dataset.convert import convert

Row = dict[str, Any]

PAIRS = [{"prompt": f"q{n}", "completion": f"a{n}"} for n in range(12)]
SIGNED = [{"prompt": f"q{n}\n\n###\n\n", "completion": f" a{n} END"} for n in range(12)]


def chat(question: str, answer: str, system: str | None = None) -> Row:
    told = [{"role": "system", "content": system}] if system else []
    said = [("user", question), ("assistant", answer)]
    return {"messages": [*told, *({"role": r, "content": c} for r, c in said)]}


CHAT = [chat(f"q{n}", f"a{n}") for n in range(12)]


def test_the_kit_hands_it_on():
    assert kit.convert is convert


@pytest.mark.parametrize("rows", [PAIRS, SIGNED])
def test_prompts_and_completions_become_questions_and_answers(rows: list[Row]):
    converted = convert(rows)
    assert converted.rows == CHAT
    assert converted.report.findings == []


def test_what_was_taken_away_is_said():
    said = " ".join(convert(SIGNED).notes)
    assert r"separator `\n\n###\n\n`" in said
    assert "ending ` END`" in said
    assert "leading space" in said
    assert convert(PAIRS).notes == []


def test_a_conversation_of_one_turn_becomes_prompt_and_completion():
    converted = convert(CHAT, to="completion")
    assert converted.rows[2] == {"prompt": "q2 ->", "completion": " a2\n"}
    assert "`stop`" in converted.notes[0]
    assert converted.report.ok


def test_rows_already_in_the_format_pass_as_they_are():
    assert convert(CHAT).rows == CHAT
    assert convert(PAIRS, to="completion").rows == PAIRS


def test_a_json_array_becomes_lines(tmp_path: Path):
    path = tmp_path / "rows.json"
    path.write_text(json.dumps(CHAT, indent=2), encoding="utf-8")
    written = convert(path).save(tmp_path / "rows.jsonl")
    assert check(written).findings == []
    assert [json.loads(line) for line in written.read_text().splitlines()] == CHAT


def test_a_system_prompt_is_put_before_each_conversation():
    rows = convert([*PAIRS, chat("q", "a", system="old")], system="Be kind.").rows
    assert rows[0] == chat("q0", "a0", system="Be kind.")
    assert rows[-1] == chat("q", "a", system="Be kind.")


TABLE = "Message text,team,urgency\nHello,it,high\n,it,low\nBye,hr,low\n"


def test_columns_of_a_table_are_put_where_the_template_says():
    template = {"user": "Ticket: {Message text}", "assistant": "{team}"}
    converted = convert(TABLE.encode(), template=template)
    assert converted.rows == [
        chat("Ticket: Hello", "it"),
        chat("Ticket: Bye", "hr"),
    ]
    assert converted.skipped == [(3, "its column 'Message text' is empty")]


def test_a_list_of_columns_becomes_an_answer_in_json():
    template = {"user": "{Message text}", "assistant": ["team", "urgency"]}
    rows = convert(TABLE.encode(), template=template, system="s").rows
    assert rows[0] == chat("Hello", '{"team": "it", "urgency": "high"}', system="s")


def test_a_template_for_prompt_and_completion_is_taken_word_by_word():
    template = {"prompt": "{Message text}\n->", "completion": " {team}"}
    rows = convert(TABLE.encode(), to="completion", template=template).rows
    assert rows[0] == {"prompt": "Hello\n->", "completion": " it"}


def test_a_template_reaches_columns_only():
    rows = [{"q.__class__": "a", "q": "b"}]
    template = {"user": "{q.__class__} {{q}}", "assistant": "{q}"}
    assert convert(rows, template=template).rows == [chat("a {q}", "b")]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (
            {},
            r'line 2 has the columns Message text, team, urgency; .*"\{Message text\}',
        ),
        ({"to": "csv"}, "to must be one of chat, completion"),
        ({"template": {"bot": "x", "assistant": "y"}}, "not 'bot'"),
        ({"template": {"user": "{team}"}}, "nothing for 'assistant'"),
        ({"template": {"user": "{x}", "assistant": "{team}"}}, "no column 'x'"),
        ({"to": "completion", "template": {"prompt": "a"}}, "for 'completion'"),
        ({"template": {"assitant": "x"}}, r"Did you mean 'assistant'\?"),
        ({"template": {"assistant": "{taem}"}}, r"no column 'taem'.*mean 'team'\?"),
        ({"template": {"assistant": ["urgancy"]}}, r"Did you mean 'urgency'\?"),
        (
            {"template": {"assistant": "{team"}},
            r"for 'assistant' has a bracket.*'\{team'",
        ),
    ],
)
def test_what_cannot_be_known_is_asked_for(arguments: dict[str, Any], words: str):
    with pytest.raises(ValueError, match=words):
        convert(TABLE.encode(), **arguments)


def test_a_template_that_is_one_text_is_refused_with_an_example():
    with pytest.raises(TypeError, match=r"a template is a dict .* not '\{team\}'; for"):
        convert(TABLE.encode(), template="{team}")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("row", "to", "why"),
    [
        ({"prompt": "q"}, "chat", "lacks"),
        ({"prompt": 1, "completion": "a"}, "chat", "must be texts"),
        ({"prompt": "q", "completion": " "}, "chat", "is empty"),
        (chat("q", "a") | {"tools": []}, "completion", "tools"),
        ({"messages": CHAT[0]["messages"] * 2}, "completion", "4 turns"),
        ({"messages": 3}, "completion", "repair it first"),
        (chat("q", None), "completion", "not plain text"),  # type: ignore[arg-type]
    ],
)
def test_rows_without_such_a_form_are_left_out_and_named(row: Row, to: Any, why: str):
    converted = convert([*CHAT[:2], row], to=to)
    assert len(converted.rows) == 2
    ((line, said),) = converted.skipped
    assert (line, why in said) == (3, True), said
    assert "line 3 left out" in repr(converted)
    assert "line 3 left out" in converted._repr_html_()


def test_where_no_line_can_be_read_the_lines_are_named():
    words = r"none of the lines.*line 1: it cannot be read.*line 3: .*and 2 more"
    with pytest.raises(ValueError, match=words):
        convert(b'{"prompt": 1,\n' * 5)


def test_the_original_is_never_written_over(tmp_path: Path):
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, PAIRS)), encoding="utf-8")
    with pytest.raises(ValueError, match="stays as it is"):
        convert(path).save(path)


texts = st.text(min_size=1).filter(lambda text: text.strip() == text)


@settings(max_examples=40, deadline=None)
@given(st.lists(st.tuples(texts, texts), min_size=2, unique=True))
def test_there_and_back_again_nothing_is_lost(turns: list[tuple[str, str]]):
    rows = [chat(*turn) for turn in turns]
    assume(check([*rows, *CHAT]).ok)
    older = convert(rows, to="completion")
    assert older.skipped == []
    assert convert(older.rows).rows == rows


def test_a_system_prompt_finds_no_place_where_there_are_no_turns():
    converted = convert([*CHAT, {"messages": "hi"}], system="Be short.")
    assert len(converted.rows) == 12
    why = "its messages are no list of objects; repair it first"
    assert converted.skipped == [(13, why)]
