"""The checker's verdict on files as learners write them."""

from __future__ import annotations

import json
import tracemalloc
from importlib import import_module
from pathlib import Path
from typing import Any

import pytest

from finetune_kit.dataset import Finding, Report, check


def chat(number: int = 0, **message: Any) -> dict[str, Any]:
    """A valid chat example; keywords change its assistant message."""
    answer = {"role": "assistant", "content": f"answer {number}"} | message
    return {"messages": [{"role": "user", "content": f"question {number}"}, answer]}


def jsonl(rows: list[Any]) -> bytes:
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


GOOD = [chat(number) for number in range(12)]


def only(report: Report) -> Finding:
    """The one finding of a report."""
    assert len(report.findings) == 1, report
    return report.findings[0]


def test_a_good_file_has_nothing_to_fix():
    report = check(jsonl(GOOD))
    assert report.ok
    assert report.findings == []
    assert (report.format, report.examples) == ("chat", 12)
    assert report.service_error() is None


def test_path_bytes_and_list_of_dicts_give_the_same_findings(tmp_path: Path):
    rows = [*GOOD, chat(content=3)]
    path = tmp_path / "mit Leerzeichen é.jsonl"
    path.write_bytes(jsonl(rows))
    found = [check(source).findings for source in (path, str(path), jsonl(rows), rows)]
    assert found[0]
    assert all(findings == found[0] for findings in found)


def test_rows_that_come_once_are_checked_like_a_list():
    rows = [
        chat(role="assitant"),
        *[chat(n) for n in range(30)],
        chat(3),
        chat(content=3),
    ]
    once = check(row for row in rows)
    assert once.to_dict() == check(rows).to_dict()
    assert {found.line for found in once.findings} >= {1, 32, 33}
    told = check(iter(GOOD), training=iter(GOOD))
    assert [found.code for found in told.findings] == ["in_training"] * 12


def test_a_missing_file_raises_the_usual_error(tmp_path: Path):
    with pytest.raises(FileNotFoundError):
        check(tmp_path / "nowhere.jsonl")


@pytest.mark.parametrize("wrong", [{"format": "csv"}, {"method": "magic"}])
def test_an_unknown_choice_is_named_with_the_known_ones(wrong: dict[str, Any]):
    with pytest.raises(ValueError, match="must be one of"):
        check(GOOD, **wrong)


def test_all_problems_of_all_lines_are_found_in_order():
    rows = [chat(role="assitant"), *GOOD, chat(role="bot", content=None, wight=1)]
    report = check(jsonl(rows))
    assert [(f.line, f.message, f.code) for f in report.findings] == [
        (1, 1, "unknown_role"),
        (14, 1, "unknown_role"),
        (14, 1, "extra_message_key"),
        (14, 1, "missing_content"),
    ]


def test_a_misspelt_role_is_recognised():
    found = only(check([*GOOD, chat(role="assitant")]))
    assert found.fix == "Did you mean `assistant`?"
    assert found.where == "line 13, messages[1].role"


@pytest.mark.parametrize("role", ["bot", "human", "AI", "model"])
def test_other_words_for_roles_are_asked_about_not_guessed(role: str):
    found = only(check([*GOOD, chat(role=role)]))
    assert found.code == "unknown_role"
    assert "Which role is meant" in found.fix


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "empty_file"),
        (b"\n\n  \n", "empty_file"),
        (b"\xef\xbb\xbf" + jsonl(GOOD), "bom"),
        (jsonl(GOOD).decode().encode("utf-16"), "utf16"),
        (jsonl(GOOD).decode().encode("utf-16-be"), "utf16"),
        (json.dumps(GOOD).encode(), "json_array"),
        (json.dumps(GOOD, indent=2).encode(), "json_array"),
        ("\n".join(json.dumps(row, indent=2) for row in GOOD).encode(), "pretty_json"),
        (jsonl(GOOD[:9]), "too_few_examples"),
        (jsonl([{"text": "a"}] * 1 + [{"text": str(n)} for n in range(9)]),
         "unknown_format"),
    ],
)  # fmt: skip
def test_a_file_wrong_as_a_whole_gets_one_finding(data: bytes, code: str):
    assert only(check(data)).code == code


def test_invalid_utf8_is_found_with_its_byte_and_reading_goes_on():
    lines = jsonl([*GOOD, chat(role="assitant")]).split(b"\n")
    lines[3] = lines[3].replace(b"question", b"qu\xe9stion")
    encoding, role = check(b"\n".join(lines)).findings
    offset = b"\n".join(lines).index(b"\xe9")
    assert (encoding.code, encoding.line) == ("not_utf8", 4)
    assert encoding.column == lines[3].index(b"\xe9") + 1
    assert f"byte 0xe9 at byte {offset} " in encoding.what
    assert (role.code, role.line) == ("unknown_role", 13)


def test_windows_line_ends_and_a_missing_last_one_are_fine():
    assert check(jsonl(GOOD).replace(b"\n", b"\r\n").rstrip()).findings == []


def test_only_blank_lines_between_examples_are_warned_of():
    lines = jsonl(GOOD).splitlines()
    data = b"\n".join([*lines[:2], b"", *lines[2:]]) + b"\n\n\n"
    found = only(check(data))
    assert (found.code, found.severity, found.line) == ("blank_line", "warning", 3)


@pytest.mark.parametrize(
    ("line", "fix"),
    [
        ("{'messages': []}", "json.dumps writes it with double"),
        ('{"messages": [1,]}', "Remove the comma before"),
        ('{"messages": [], "a": True}', "JSON writes true"),
        ('{"messages": []},', "comma at the end of the line"),
        ('{"messages": []}{"messages": []}', "Two examples stand on one line"),
        ('{"messages": "a\tb"}', "a tab is \\t"),
        ("# a comment", "Remove the comment"),
        ('{"messages": [', "Close the text, list or object"),
    ],
)
def test_broken_json_says_where_and_how_to_mend_it(line: str, fix: str):
    data = jsonl(GOOD) + line.encode() + b"\n" + jsonl([chat(99)])
    found = only(check(data))
    assert (found.severity, found.line) == ("error", 13)
    assert found.column is not None
    assert fix in found.fix


def test_a_number_that_is_no_json_is_found_at_its_column():
    line = '{"messages": "NaN \\" NaN", "tools": NaN}'
    report = check(jsonl(GOOD) + line.encode())
    found = next(f for f in report.findings if f.code == "not_a_number")
    assert found.column == line.rindex("NaN") + 1


def test_examples_nested_without_end_are_survived():
    deep = b'{"messages": ' + b"[" * 200_000
    huge = b'{"messages": ' + b"1" * 10_000 + b"}"
    codes = {f.code for f in check(jsonl(GOOD) + deep + b"\n" + huge).findings}
    assert codes <= {"invalid_json", "cut_off_json"}
    assert codes


def test_a_list_of_dicts_that_json_cannot_write_is_reported():
    found = only(check([*GOOD, {"messages": {1, 2}}]))
    assert (found.code, found.line) == ("not_json", 13)


def test_duplicates_name_the_line_they_repeat():
    found = only(check(jsonl([*GOOD, GOOD[4]])))
    assert (found.code, found.line, found.what) == (
        "duplicate_example",
        13,
        "the same as line 5",
    )


def test_a_line_of_another_format_is_one_finding():
    found = only(check([*GOOD, {"prompt": "a", "completion": "b"}]))
    assert (found.code, found.line) == ("other_format", 13)


def test_tools_with_calls_and_results_are_valid():
    call = {
        "id": "call_1",
        "type": "function",
        "function": {"name": "f", "arguments": '{"a": 1}'},
    }
    example = {
        "messages": [
            {"role": "system", "content": "s"},
            {"role": "user", "content": [{"type": "text", "text": "u"}]},
            {"role": "assistant", "tool_calls": [call], "weight": 0},
            {"role": "tool", "tool_call_id": "call_1", "content": "r"},
            {"role": "assistant", "content": "a", "weight": 1},
        ],
        "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
        "parallel_tool_calls": False,
    }
    assert check([*GOOD, example]).findings == []


def test_preference_lines_need_method_dpo():
    rows = [
        {
            "input": {"messages": [{"role": "user", "content": f"q{n}"}]},
            "preferred_output": [{"role": "assistant", "content": "Yes."}],
            "non_preferred_output": [{"role": "assistant", "content": "No."}],
        }
        for n in range(12)
    ]
    assert only(check(rows, method="supervised")).code == "wrong_method"
    assert check(rows).findings == []


def test_reinforcement_lines_need_their_method():
    rows = [
        {"messages": [{"role": "user", "content": f"{n}+1?"}], "answer": n + 1}
        for n in range(12)
    ]
    assert only(check(rows, method="supervised")).code == "wrong_method"
    assert check(rows).findings == []


def test_thousands_of_equal_problems_are_listed_up_to_a_number(
    monkeypatch: pytest.MonkeyPatch,
):
    module = import_module("finetune_kit.dataset.check")  # the name is the function's
    monkeypatch.setattr(module, "LISTED_PER_CODE", 5)
    report = check([chat(number, role="bot") for number in range(20)])
    assert len(report.findings) == 6
    assert report.findings[-1].what.startswith("15 more like the 5 listed")


def test_a_long_file_is_read_in_little_memory(tmp_path: Path):
    path = tmp_path / "long.jsonl"
    text = "x" * 4_000
    with path.open("w", encoding="utf-8") as out:
        for number in range(2_000):
            out.write(json.dumps(chat(content=f"{number} {text}")) + "\n")
    size = path.stat().st_size
    tracemalloc.start()
    assert check(path).ok
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < size / 5


def test_a_file_is_held_to_the_method_that_its_format_is_made_for():
    preferences = Path(__file__).parents[2] / "data" / "preferences" / "train.jsonl"
    assert check(preferences).method == "dpo"
    assert check(preferences).ok
    codes = {found.code for found in check(preferences, method="supervised").errors}
    assert codes == {"wrong_method"}


def test_a_message_of_a_preferences_input_must_be_an_object_too():
    path = Path(__file__).parents[2] / "data" / "preferences" / "train.jsonl"
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    rows[4]["input"]["messages"].insert(0, None)
    found = only(check(rows))
    assert (found.code, found.line) == ("message_not_an_object", 5)
    assert found.path == "input.messages[0]"
