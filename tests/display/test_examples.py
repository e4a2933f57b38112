"""The table of a file's first examples, whatever the format."""

import json

import pytest
from pandas import DataFrame

from finetune_kit import example_browser, read_jsonl
from finetune_kit.display.examples import examples
from tests.learner import PROVERBS

DATA = PROVERBS.parent


def written(path, *rows):
    path.write_text("\n".join(map(json.dumps, rows)) + "\n", encoding="utf-8")
    return path


def test_examples_show_a_column_for_every_role():
    table = examples(PROVERBS / "train.jsonl", n=2)
    assert table.columns == ["line", "system", "user", "assistant"]
    assert len(table.rows) == 2
    assert "what the assistant says" in table.note


def test_what_a_role_says_twice_stands_in_two_lines(tmp_path):
    said = [("user", "a"), ("assistant", "b"), ("user", "c"), ("assistant", "d")]
    row = {"messages": [{"role": role, "content": text} for role, text in said]}
    table = examples(written(tmp_path / "turns.jsonl", row))
    assert table.rows == [[1, "a\nc", "b\nd"]]


def test_calls_of_tools_are_shown_by_name_and_arguments():
    path = DATA / "functions" / "train.jsonl"
    first = json.loads(path.read_text(encoding="utf-8").partition("\n")[0])
    (call,) = first["messages"][-1]["tool_calls"]
    (shown,) = examples(path, n=1).to_dicts()
    assert json.loads(shown["assistant"]) == call["function"]


@pytest.mark.parametrize(
    ("name", "columns"),
    [
        ("reviews/train.jsonl", ["prompt", "completion"]),
        ("tickets/train.jsonl", ["customer", "message", "team", "urgency", "tone"]),
        (
            "preferences/train.jsonl",
            ["input", "preferred_output", "non_preferred_output"],
        ),
    ],
)
def test_the_columns_of_another_format_are_its_keys(name, columns):
    table = examples(DATA / name, n=2)
    assert table.columns == ["line", *columns]
    assert "assistant says" not in table.note


def test_a_byte_order_mark_and_blank_lines_are_no_examples(tmp_path):
    path = tmp_path / "bom.jsonl"
    path.write_bytes(b'\xef\xbb\xbf{"prompt": "a"}\n\n{"prompt": "b"}\n\n')
    assert examples(path).rows == [[1, "a"], [3, "b"]]


def test_a_line_that_cannot_be_read_is_shown_as_it_is(tmp_path):
    path = tmp_path / "odd.jsonl"
    path.write_text('{"prompt": "a"}\n{"prompt": \n', encoding="utf-8")
    shown = examples(path).to_dicts()
    assert shown[1]["no example"] == '{"prompt": '


ROWS = [{"prompt": str(n)} for n in range(5)]


@pytest.mark.parametrize("source", [ROWS, iter(ROWS), DataFrame(ROWS)])
def test_rows_in_memory_are_shown_as_those_of_a_file(source):
    table = examples(source)
    assert table.rows == [[1, "0"], [2, "1"], [3, "2"]]
    assert table.caption == "rows: 3 examples"


@pytest.mark.parametrize("n", [-1, 1.5, "3"])
def test_a_count_that_is_none_is_refused(n):
    for show in (examples, example_browser, read_jsonl):
        with pytest.raises(ValueError, match="whole number of rows from 0 on"):
            show(PROVERBS / "train.jsonl", n)


@pytest.mark.parametrize("messages", [None, [], ["a"], [{"content": 5}], {"role": 1}])
def test_odd_messages_are_shown_without_an_error(messages, tmp_path):
    path = written(tmp_path / "odd.jsonl", {"messages": messages})
    assert len(examples(path).rows) == 1
    assert repr(examples(path))
