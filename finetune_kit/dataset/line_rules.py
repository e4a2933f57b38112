"""Rules about lines: is each one a JSON object in UTF-8?"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from .jsonl import Row
from .rules import Hit, Rule, json_type, rule

LINE_RULES: list[Rule[Row]] = []

_JSONL = "The service reads the file line by line, each line one JSON object (JSONL)."
_NOT_A_DICTIONARY = (
    "Expected file to have JSONL format, where every line is a JSON dictionary. "
    'Line {line} is not a dictionary (HINT: line starts with: "{hint}...").'
)
_CANNOT_BE_PARSED = (
    "Invalid file format. Example {example} cannot be parsed. Error: line contains "
    "invalid json: {error} (line {line})"
)


def _hits(
    row: Row, code: str, what: Callable[[str], str], fix: str | None = None
) -> Iterator[Hit]:
    """One hit for each fault of that code which reading noted."""
    for fault in row.faults:
        if fault.code == code:
            values: dict[str, object] = {
                "error": fault.as_json_says,
                "hint": row.text.lstrip()[:3],
            }
            yield Hit(what(fault.detail), column=fault.column, fix=fix, service=values)


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Save the file as UTF-8: open it in an editor and choose that encoding, or in "
    "Python read it with encoding='utf-16' and write it with encoding='utf-8'.",
    service="Invalid file format. The file is not encoded in UTF-8.",
)
def utf16(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "utf16", lambda _: "the file is encoded in UTF-16 or UTF-32")


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Write each element of the array on a line of its own, without the brackets "
    "and without commas between the lines.",
    service=_NOT_A_DICTIONARY,
    exact=True,
)
def json_array(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "json_array", lambda _: "the file is one JSON array")


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Turn the table into JSONL: `finetune-kit prepare-data FILE` does it.",
    service=_NOT_A_DICTIONARY,
)
def table(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "table", lambda kind: f"the file is a table ({kind})")


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Write each example as one JSON object; each line was read as a completion.",
    service=_NOT_A_DICTIONARY,
)
def plain_text(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "plain_text", lambda _: "the file is plain text")


@rule(
    LINE_RULES,
    "error",
    why="The table cannot be read any further.",
    fix="Open it in a spreadsheet program and save it as CSV in UTF-8.",
)
def broken_table(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "broken_table", lambda error: f"the table is broken: {error}")


@rule(
    LINE_RULES,
    "error",
    why="A cell without a heading would be lost; a text that holds the separator must "
    "stand in quotation marks.",
    fix="Put the cell's text in double quotation marks, or name the column.",
)
def cells(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "cells", lambda count: f"more cells than columns: {count}")


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Write each object on one line: json.dumps(example) without indent.",
    service="Invalid file format. Example 1 cannot be parsed. Error: line contains "
    "invalid json: {error} (line {line})",
)
def pretty_json(row: Row) -> Iterator[Hit]:
    yield from _hits(
        row, "pretty_json", lambda _: "the file's JSON is spread over several lines"
    )


@rule(
    LINE_RULES,
    "error",
    why="The three bytes EF BB BF at the start belong to no JSON text.",
    fix="Save the file as UTF-8 without BOM (in Python: read it with "
    "encoding='utf-8-sig', write it with encoding='utf-8').",
    service=_NOT_A_DICTIONARY,
    exact=True,
)
def bom(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "bom", lambda _: "the file starts with a byte order mark")


@rule(
    LINE_RULES,
    "error",
    why="Training files are UTF-8 text; other encodings spoil every accented letter.",
    fix="Save the file as UTF-8. If it came from Windows or a spreadsheet, its "
    "encoding is probably cp1252.",
    service="Invalid file format. Example {example} cannot be parsed. Error: line is "
    "not valid UTF-8 (line {line})",
)
def not_utf8(row: Row) -> Iterator[Hit]:
    yield from _hits(
        row, "not_utf8", lambda where: f"invalid UTF-8: {where} of the file"
    )


@rule(
    LINE_RULES,
    "error",
    why="A line that is no valid JSON cannot be read at all.",
    fix="Correct the JSON at that column; better, write the file with json.dumps.",
    service=_CANNOT_BE_PARSED,
    exact=True,
)
def invalid_json(row: Row) -> Iterator[Hit]:
    fix = _json_fix(row.text)
    yield from _hits(row, "invalid_json", lambda error: f"invalid JSON: {error}", fix)


@rule(
    LINE_RULES,
    "error",
    why="A line that is no valid JSON cannot be read at all.",
    fix="Close the text, list or object; a line break within a text is written \\n.",
    service=_CANNOT_BE_PARSED,
    exact=True,
)
def cut_off_json(row: Row) -> Iterator[Hit]:
    yield from _hits(
        row, "cut_off_json", lambda error: f"the line ends within its JSON: {error}"
    )


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix="Use only objects, lists, strings, numbers, booleans and None.",
)
def not_json(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "not_json", lambda error: f"cannot be written: {error}")


@rule(
    LINE_RULES,
    "error",
    why="NaN and Infinity are Python's, not JSON's; most readers refuse the line.",
    fix="Write null or leave the key out. In pandas, empty cells become NaN: drop or "
    "fill them before writing.",
    service=_CANNOT_BE_PARSED,
)
def not_a_number(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "not_a_number", lambda name: f"{name} is not JSON")


@rule(
    LINE_RULES,
    "error",
    why="A character beyond U+FFFF is written as two \\u escapes; one alone is no "
    "text and cannot be encoded.",
    fix="Write the character itself, or both halves of its escape.",
)
def half_character(row: Row) -> Iterator[Hit]:
    yield from _hits(
        row, "half_character", lambda _: "a \\u escape is half of a character"
    )


@rule(
    LINE_RULES,
    "error",
    why=_JSONL,
    fix='Wrap the value: a line looks like {"messages": [ … ]}.',
    service=_NOT_A_DICTIONARY,
    exact=True,
)
def not_an_object(row: Row) -> Iterator[Hit]:
    whole_file = row.number == 0
    unread = row.value is None and row.faults
    if not whole_file and not unread and not isinstance(row.value, dict):
        hint = row.text.lstrip()[:3]
        what = f"the line is {json_type(row.value)}, not an object"
        yield Hit(what, service={"hint": hint})


@rule(
    LINE_RULES,
    "error",
    why="So long a line is almost always a file whose line breaks were lost.",
    fix="Write one example a line.",
)
def line_too_long(row: Row) -> Iterator[Hit]:
    yield from _hits(
        row, "line_too_long", lambda _: "a line of more than 160 MB was not read"
    )


@rule(
    LINE_RULES,
    "warning",
    why="Only the last of them counts, silently.",
    fix="Keep one of them.",
)
def duplicate_key(row: Row) -> Iterator[Hit]:
    for fault in row.faults:
        if fault.code == "duplicate_key":
            yield Hit(f"the key {fault.detail!r} stands twice in one object")


@rule(
    LINE_RULES,
    "warning",
    why="An empty line is no JSON; some readers stop at it.",
    fix="Remove the empty line.",
)
def blank_line(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "blank_line", lambda _: "the line is empty")


@rule(
    LINE_RULES,
    "error",
    why="The service looks at the first line when the file is uploaded.",
    fix="Remove the empty lines before the first example.",
    service=_NOT_A_DICTIONARY,
)
def blank_start(row: Row) -> Iterator[Hit]:
    yield from _hits(row, "blank_start", lambda _: "the file begins with an empty line")


def _json_fix(text: str) -> str | None:
    """A more precise way to mend a line that does not parse, where one is plain."""
    start = text.lstrip()
    if "\r" in text:
        return "The lines end with CR alone (an old Mac format); write \\n instead."
    if re.match(r"[{\[]\s*'", start):
        return (
            "This is Python's way of writing a dict; json.dumps writes it with double "
            "quotes."
        )
    if re.search(r"}\s*,?\s*{\s*\"(messages|prompt)\"", text):
        return "Two examples stand on one line; write each on its own line."
    if re.search(r",\s*[}\]]", text):
        return "Remove the comma before the closing bracket; JSON allows none there."
    if re.search(r"[:,\[]\s*(True|False|None)\b", text):
        return "JSON writes true, false, null; json.dumps does so."
    if start[:2] == "//" or start[:1] == "#":
        return "Remove the comment; JSON has none."
    if re.search(r"}\s*,\s*$", text):
        return "Remove the comma at the end of the line."
    if re.search(r"[\x00-\x1f]", text):
        return "Write control characters as escapes: a tab is \\t, a line break \\n."
    return None
