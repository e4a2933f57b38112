"""Whatever people bring is read, and told by its content."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pandas
import pytest

import finetune_kit as kit
from finetune_kit.dataset import check
from finetune_kit.dataset.read import kind, read_rows

ROWS = [
    {"prompt": f'number {n}, "quoted"\nsecond line é', "completion": f"answer {n}"}
    for n in range(12)
]
LINES = "\n".join(json.dumps(row, ensure_ascii=False) for row in ROWS)
PRETTY = "\n".join(json.dumps(row, indent=2, ensure_ascii=False) for row in ROWS)


def table(separator: str = ",") -> str:
    text: str = pandas.DataFrame(ROWS).to_csv(index=False, sep=separator)
    return text


FILES: list[tuple[str, bytes, str, int]] = [
    ("rows.jsonl", LINES.encode(), "jsonl", 2),
    ("rows.txt", LINES.encode(), "jsonl", 2),
    ("crlf.jsonl", LINES.replace("\n", "\r\n").encode(), "jsonl", 2),
    ("bom.jsonl", LINES.encode("utf-8-sig"), "jsonl", 2),
    ("wide.jsonl", LINES.encode("utf-16"), "jsonl", 2),
    ("wider.jsonl", LINES.encode("utf-32"), "jsonl", 2),
    ("rows.json", json.dumps(ROWS).encode(), "json_array", 1),
    ("indent.json", json.dumps(ROWS, indent=1).encode("utf-16"), "json_array", 6),
    ("pretty.jsonl", PRETTY.encode(), "pretty_json", 5),
    ("rows.csv", table().encode(), "csv", 4),
    ("named.txt", table(";").encode(), "csv", 4),
    ("excel.csv", table(";").encode("utf-16"), "csv", 4),
    ("old.csv", table().encode("cp1252"), "csv", 4),
    ("bom.csv", table().encode("utf-8-sig"), "csv", 4),
    ("rows.tsv", table("\t").encode(), "tsv", 4),
]


@pytest.mark.parametrize(("name", "data", "found", "second"), FILES)
def test_the_same_rows_come_from_every_kind_of_file(
    tmp_path: Path, name: str, data: bytes, found: str, second: int
):
    path = tmp_path / name
    path.write_bytes(data)
    rows = list(read_rows(path))
    assert [row.value for row in rows] == ROWS
    assert [row.number for row in rows] == list(range(1, 13))
    assert rows[1].line == second
    assert kind(path) == found


def test_a_spreadsheet_is_read_with_its_own_line_numbers(tmp_path: Path):
    path = tmp_path / "sheet.data"  # the extension does not matter
    with path.open("wb") as out:
        pandas.DataFrame(ROWS).to_excel(out, index=False, engine="openpyxl")
    assert [row.value for row in read_rows(path)] == ROWS
    assert [row.line for row in read_rows(path)] == list(range(2, 14))
    assert [f.code for f in check(path).findings] == ["table"]


def test_a_broken_spreadsheet_is_reported():
    findings = check(b"PK\x03\x04 this is no archive").findings
    assert [f.code for f in findings] == ["table", "broken_table"]


def test_a_dataframe_is_read_like_a_list_of_dicts():
    assert [row.value for row in read_rows(pandas.DataFrame(ROWS))] == ROWS


def test_an_empty_cell_of_a_dataframe_is_found():
    frame = pandas.DataFrame([*ROWS, {"prompt": "p", "completion": None}])
    frame["completion"] = frame["completion"].astype("float", errors="ignore")
    assert {f.line for f in check(frame).findings} == {13}


def test_each_line_of_a_text_is_a_completion():
    rows = list(read_rows(b"First, a line.\nThen another one.\n\nEnd"))
    assert [row.value["completion"] for row in rows] == [
        "First, a line.",
        "Then another one.",
        "",
        "End",
    ]
    assert {row.value["prompt"] for row in rows} == {""}


def test_prose_with_a_comma_in_each_line_is_no_table():
    assert kind(b"Dear all, hello\nThank you, bye\nWell, yes\n") == "txt"


@pytest.mark.parametrize("separator", [",", ";", "\t", "|"])
def test_a_table_with_other_headings_is_a_table(separator: str):
    lines = ["name,city", *(f"person {n},town {n}" for n in range(3))]
    data = "\n".join(lines).replace(",", separator).encode()
    assert [row.value["city"] for row in read_rows(data)] == [
        "town 0",
        "town 1",
        "town 2",
    ]


@pytest.mark.parametrize("first", ["sep=;", "SEP=;", '"sep=;"', "\ufeffsep=;"])
def test_the_line_that_tells_excel_the_separator_is_no_row(first: str):
    lines = [first, "frage;antwort, kurz", *(f"q{n}, bitte;a{n}" for n in range(12))]
    data = "\r\n".join(lines).encode()
    assert kind(data) == "csv"
    rows = list(read_rows(data))
    assert rows[0].value == {"frage": "q0, bitte", "antwort, kurz": "a0"}
    assert [row.line for row in rows] == list(range(3, 15))
    template = {"user": "{frage}", "assistant": "{antwort, kurz}"}
    assert len(kit.convert(data, template=template).rows) == 12
    pairs = data.replace(b"frage;antwort, kurz", b"prompt;completion")
    assert len(kit.prepare_data(pairs).rows) == 12
    assert {found.code for found in check(pairs).findings} == {"table"}


def test_a_cell_too_many_is_found_at_its_line():
    data = (table() + "a,b,c\n").encode()
    found = [f for f in check(data).findings if f.code == "cells"]
    assert [f.line for f in found] == [data.count(b"\n")]


@pytest.mark.parametrize("broken", [0, 5, 11])
def test_reading_an_array_goes_on_behind_a_broken_element(broken: int):
    texts = [json.dumps(row, indent=2) for row in ROWS]
    texts[broken] = texts[broken].replace('"completion"', '"completion" oops')
    data = "[\n" + ",\n".join(texts) + "\n]"
    rows = list(read_rows(data.encode()))
    assert [row.value for row in rows if row.value] == [
        row for n, row in enumerate(ROWS) if n != broken
    ]
    fault = next(row for row in rows if row.faults)
    lines = data.splitlines()
    assert lines[fault.line - 1][fault.faults[0].column - 1 :].startswith("oops")  # type: ignore[operator]


def test_a_long_array_is_read_one_element_at_a_time(tmp_path: Path):
    path = tmp_path / "long.json"
    rows: list[dict[str, Any]] = [
        {"prompt": str(n), "completion": "x" * 50_000} for n in range(40)
    ]
    path.write_text(json.dumps(rows), encoding="utf-8")
    assert [row.value["prompt"] for row in read_rows(path)] == list(map(str, range(40)))


def test_faults_of_an_array_are_reported_beside_the_array_itself():
    rows = [{"messages": [{"role": "assitant", "content": "a"}]}] * 12
    codes = {f.code for f in check(json.dumps(rows).encode()).findings}
    assert {"json_array", "unknown_role"} <= codes


@pytest.mark.parametrize("tool", [kit.check, kit.repair, kit.duplicates])
@pytest.mark.parametrize("source", [None, 5])
def test_what_is_no_data_is_refused_with_what_would_be(tool, source):
    with pytest.raises(TypeError, match=r"Data is a path, bytes, a list of rows"):
        tool(source)


HEADINGS = [
    (",question,answer", "{n},q{n}?,a{n}", ["column 1", "question", "answer"]),
    ("question,answer,", "q{n}?,a{n},", ["question", "answer"]),
    ("question,answer", "q{n}?,a{n},", ["question", "answer"]),
    ("question,Rating (1-5)?", "q{n}?,{n}", ["question", "Rating (1-5)?"]),
    ("Q&A,customer's name", "q{n}?,c{n}", ["Q&A", "customer's name"]),
    ("answer,answer", "a{n},b{n}", ["answer", "answer 2"]),
    ("frage;50 %", "Was, {n}?;{n}", ["frage", "50 %"]),
]


@pytest.mark.parametrize(("heading", "line", "columns"), HEADINGS)
def test_a_csv_file_is_a_table_whatever_its_headings(
    tmp_path: Path, heading: str, line: str, columns: list[str]
):
    path = tmp_path / "mine.csv"
    lines = [heading, *(line.format(n=n) for n in range(12))]
    path.write_text("\n".join(lines) + "\n", "utf-8")
    assert kind(path) == "csv"
    rows = list(read_rows(path))
    assert len(rows) == 12
    assert all(list(row.value) == columns for row in rows)


def test_empty_cells_and_dates_of_a_dataframe_are_read_as_of_its_csv(tmp_path: Path):
    path = tmp_path / "d.csv"
    path.write_text("customer,question\na,q1\n,q2\nb,\n", "utf-8")
    rows = [row.value for row in read_rows(path)]
    frame = pandas.read_csv(path)
    assert [row.value for row in read_rows(frame)] == rows
    frame["day"] = pandas.to_datetime(["2026-01-01", "2026-01-02", None])
    days = [row.value["day"] for row in read_rows(frame)]
    assert days == ["2026-01-01 00:00:00", "2026-01-02 00:00:00", ""]
    with pytest.raises(ValueError, match="line 2 has nothing for by='customer'"):
        kit.split(frame, by="customer")


CUT = "prompt,completion\n" + "".join(
    f"q{n},First do {n}{', then rest' if n % 3 == 0 else ''}.\n" for n in range(12)
)


def test_a_row_with_a_cell_too_many_is_never_cut(tmp_path: Path):
    path = tmp_path / "cut.csv"
    path.write_text(CUT, "utf-8")
    lines = [2, 5, 8, 11]
    repaired = kit.repair(path)
    assert not repaired.ok
    errors = repaired.remaining.errors
    assert [f.line for f in errors if f.code == "cells"] == lines
    assert len(repaired.rows) == 8
    converted = kit.convert(path)
    why = "it cannot be read: 3 cells, 2 columns"
    assert converted.skipped == [(line, why) for line in lines]
    assert len(converted.rows) == 8
    for tool in (kit.split, kit.prepare_data):
        with pytest.raises(ValueError, match="line 2 cannot be read: 3 cells, 2 col"):
            tool(path)


def test_a_json_array_of_windows_is_read_as_its_table_would_be():
    data = json.dumps(ROWS, ensure_ascii=False, indent=1).encode("cp1252")
    assert [row.value for row in read_rows(data)] == ROWS


def test_arrays_behind_each_other_are_all_read():
    text = json.dumps(ROWS, indent=1)
    rows = list(read_rows(f"{text}\n{text}\n\n{text}".encode()))
    assert [row.value for row in rows] == ROWS * 3


def test_a_line_separator_within_a_text_ends_no_line_of_utf16():
    rows = [{"prompt": "a\u2028b\x85c", "completion": f"{n}"} for n in range(12)]
    lines = "\n".join(json.dumps(row, ensure_ascii=False) for row in rows)
    assert [row.value for row in read_rows(lines.encode("utf-16"))] == rows


def test_empty_lines_before_the_first_example_are_left_out_as_the_upload_refuses_them():
    data = b"\n \n" + LINES.encode()
    (found,) = check(data).errors
    assert (found.code, found.line) == ("blank_start", 1)
    repaired = kit.repair(data)
    assert repaired.ok
    assert repaired.rows == ROWS


@pytest.mark.parametrize("tool", [kit.check, kit.repair, kit.sizes, kit.prepare_data])
@pytest.mark.parametrize(
    ("source", "words"),
    [
        ({"messages": []}, r"one row, of messages; give a list: \[row\]"),
        (json.dumps(ROWS[0]), r"This is text, not a path: \{.*text\.encode\(\)"),
        (json.dumps(ROWS * 9), r"This is text, not a path: \["),
    ],
)
def test_one_row_and_the_text_of_a_file_are_told_from_data(tool, source, words):
    with pytest.raises((TypeError, ValueError), match=words):
        tool(source)


def test_a_file_may_be_called_like_a_list(tmp_path: Path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    Path("[old].jsonl").write_text(LINES, encoding="utf-8")
    assert [row.value for row in read_rows("[old].jsonl")] == ROWS
