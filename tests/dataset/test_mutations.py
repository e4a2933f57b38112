"""Valid files, broken in named ways at random places: every fault is found there."""

from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from dataclasses import dataclass
from importlib.util import module_from_spec, spec_from_file_location
from pathlib import Path
from typing import Any

import pytest

from finetune_kit.dataset import check

_spec = spec_from_file_location("valid", Path(__file__).with_name("valid.py"))
assert _spec
assert _spec.loader
valid = module_from_spec(_spec)
_spec.loader.exec_module(valid)

Example = dict[str, Any]
Random = random.Random


@dataclass(frozen=True)
class Broken:
    """What was planted: the line's new text, and where the finding must point."""

    text: str
    message: int | None
    field: str | None
    column: int | None = None


def dumps(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)


def _messages(row: Example, dice: Random, role: str | None = None) -> int:
    fitting = [
        index
        for index, message in enumerate(row["messages"])
        if role in (None, message["role"]) and "content" in message
    ]
    return dice.choice(fitting)


def in_message(
    change: Callable[[Example, Random], str], role: str | None = None
) -> Callable[[Example, Random], Broken]:
    """Breaks one message; `change` gives the field it broke."""

    def breaks(row: Example, dice: Random) -> Broken:
        index = _messages(row, dice, role)
        field = change(row["messages"][index], dice)
        return Broken(dumps(row), index, field)

    return breaks


def put(field: str, *values: Any) -> Callable[[Example, Random], str]:
    def change(message: Example, dice: Random) -> str:
        message[field] = dice.choice(values)
        return field

    return change


def rename(old: str, *new: str) -> Callable[[Example, Random], str]:
    def change(message: Example, dice: Random) -> str:
        name = dice.choice(new)
        items = [(name if k == old else k, v) for k, v in message.items()]
        message.clear()
        message.update(items)
        return name

    return change


def drop(field: str) -> Callable[[Example, Random], str]:
    def change(message: Example, dice: Random) -> str:
        del message[field]
        return field

    return change


def token(message: Example, dice: Random) -> str:
    sign = dice.choice(["<|endoftext|>", "<|im_start|>", "<|fim_suffix|>"])
    text = "Some words to break. "
    at = dice.randrange(len(text))
    message["content"] = text[:at] + sign + text[at:]
    return "content"


def on_top(
    change: Callable[[Example, Random], str | None],
) -> Callable[[Example, Random], Broken]:
    """Breaks the example itself."""

    def breaks(row: Example, dice: Random) -> Broken:
        field = change(row, dice)
        return Broken(dumps(row), None, field)

    return breaks


def last_user(row: Example, dice: Random) -> Broken:
    row["messages"].append({"role": "user", "content": "And then?"})
    return Broken(dumps(row), len(row["messages"]) - 1, "role")


def no_answer(row: Example, dice: Random) -> str:
    kept = [m for m in row["messages"] if m["role"] in ("system", "user")]
    row["messages"] = kept
    return "messages"


def no_object(row: Example, dice: Random) -> Broken:
    index = dice.randrange(len(row["messages"]))
    row["messages"][index] = dice.choice(["Hello", 7, None, ["user", "Hello"]])
    return Broken(dumps(row), index, None)


def part(*parts: Any) -> Callable[[Example, Random], Broken]:
    def breaks(row: Example, dice: Random) -> Broken:
        index = _messages(row, dice, "user")
        before = [{"type": "text", "text": "So."}] * dice.randrange(3)
        row["messages"][index]["content"] = [*before, dice.choice(parts)]
        return Broken(dumps(row), index, f"content[{len(before)}]")

    return breaks


def tool_call(
    change: Callable[[Example, Random], None], field: str
) -> Callable[[Example, Random], Broken]:
    def breaks(row: Example, dice: Random) -> Broken:
        calls = [valid.call(n) for n in range(dice.randrange(1, 4))]
        number = dice.randrange(len(calls))
        change(calls[number], dice)
        message = {"role": "assistant", "tool_calls": calls}
        row["messages"] = [valid.user("Call."), message]
        return Broken(dumps(row), 1, field.format(number))

    return breaks


def stray_result(row: Example, dice: Random) -> Broken:
    at = dice.randrange(1, len(row["messages"]))
    row["messages"] = row["messages"][:at]
    row["messages"] += [valid.result(99), valid.answer("Well.")]
    return Broken(dumps(row), at, "tool_call_id")


def as_text(
    change: Callable[[str, Random], tuple[str, int | None]],
) -> Callable[[Example, Random], Broken]:
    """Breaks the line's text; `change` gives it with the column."""

    def breaks(row: Example, dice: Random) -> Broken:
        text, column = change(dumps(row), dice)
        return Broken(text, None, None, column)

    return breaks


def cut(text: str, dice: Random) -> tuple[str, int | None]:
    return text[: dice.randrange(1, len(text) - 1)], None


def comma(text: str, dice: Random) -> tuple[str, int | None]:
    return text[:-1] + ",}", len(text)


def inserted(text: str, dice: Random) -> tuple[str, int | None]:
    places = [n for n in range(1, len(text) - 1) if text[n - 1 : n + 1] == ', "'[:2]]
    at = dice.choice(places)
    return text[:at] + "oops " + text[at:], None


def nan(text: str, dice: Random) -> tuple[str, int | None]:
    word = dice.choice(["NaN", "Infinity", "-Infinity"])
    text = text[:-1] + f', "parallel_tool_calls": {word}' + "}"
    return text, text.rindex(word) + 1


def half(text: str, dice: Random) -> tuple[str, int | None]:
    at = text.index('"content": "') + len('"content": "')
    return text[:at] + "\\ud83d" + text[at:], None


def control(text: str, dice: Random) -> tuple[str, int | None]:
    at = text.index('"content": "') + len('"content": "')
    return text[:at] + "\t" + text[at:], at + 1


def twice(text: str, dice: Random) -> tuple[str, int | None]:
    return text + " " + text, len(text) + 2


def other(value: Any) -> Callable[[str, Random], tuple[str, int | None]]:
    return lambda text, dice: (dumps(value), None)


def set_(key: str, *values: Any) -> Callable[[Example, Random], str]:
    return put(key, *values)


def bad_id(call: Example, dice: Random) -> None:
    call["id"] = dice.choice([None, 7, ""])


def bad_type(call: Example, dice: Random) -> None:
    call["type"] = dice.choice(["tool", None])


def bad_function(call: Example, dice: Random) -> None:
    call["function"] = dice.choice(["look_up", None, []])


def object_arguments(call: Example, dice: Random) -> None:
    call["function"]["arguments"] = dice.choice([{"role": "a"}, None, 3])


def broken_arguments(call: Example, dice: Random) -> None:
    call["function"]["arguments"] = dice.choice(["{role}", "", "[1]", '{"a": 1'])


#: name -> (code, how the example is broken). All of these are errors.
MUTATIONS: dict[str, tuple[str, Callable[[Example, Random], Broken]]] = {
    "misspelt role": (
        "unknown_role",
        in_message(put("role", "assitant", "usr", "sistem")),
    ),
    "role of another tool": (
        "unknown_role",
        in_message(put("role", "bot", "human", "gpt", "")),
    ),
    "role in capitals": ("unknown_role", in_message(put("role", "User", "ASSISTANT"))),
    "role is no text": ("unknown_role", in_message(put("role", 1, None, [], {}))),
    "role missing": ("missing_role", in_message(drop("role"))),
    "role's key misspelt": ("missing_role", in_message(rename("role", "rol", "Role"))),
    "content missing": ("missing_content", in_message(drop("content"), "user")),
    "content's key misspelt": (
        "missing_content",
        in_message(rename("content", "contnt", "contents"), "user"),
    ),
    "content null": ("missing_content", in_message(put("content", None), "user")),
    "content a number": ("content_type", in_message(put("content", 0, 1.5, True))),
    "content an object": ("content_type", in_message(put("content", {}, {"a": 1}))),
    "content an empty list": ("content_type", in_message(put("content", []))),
    "part of unknown type": ("content_part", part({"type": "input_text", "text": "a"})),
    "part without its text": ("content_part", part({"type": "text"}, "text", None)),
    "image without url": (
        "content_part",
        part({"type": "image_url"}, {"type": "image_url", "image_url": "a.png"}),
    ),
    "unknown key in a message": (
        "extra_message_key",
        in_message(put("id", 1, "x", None)),
    ),
    "weight's key misspelt": (
        "extra_message_key",
        in_message(put("wieght", 1), "assistant"),
    ),
    "weight of a half": (
        "weight_value",
        in_message(put("weight", 0.5, 2, -1), "assistant"),
    ),
    "weight of another type": (
        "weight_value",
        in_message(put("weight", True, "1", None, 1.0), "assistant"),
    ),
    "weight on a user": ("weight_role", in_message(put("weight", 0, 1), "user")),
    "name no text": ("wrong_type", in_message(put("name", 5, []), "user")),
    "special token": ("special_token", in_message(token)),
    "no answer": ("no_assistant_message", on_top(no_answer)),
    "ends with a question": ("last_not_assistant", last_user),
    "a message is no object": ("message_not_an_object", no_object),
    "messages empty": ("empty_messages", on_top(set_("messages", []))),
    "messages no list": ("messages_not_a_list", on_top(set_("messages", {}, "a", 1))),
    "messages missing": (
        "missing_messages",
        on_top(rename("messages", "mesages", "message")),
    ),
    "unknown key": ("extra_key", on_top(set_("metadata", {}, None))),
    "weight at the top": ("extra_key", on_top(set_("weight", 0, 1))),
    "tools no list": ("tools_form", on_top(set_("tools", {}, [], "f", None))),
    "parallel_tool_calls no boolean": (
        "parallel_tool_calls_type",
        on_top(set_("parallel_tool_calls", "yes", 1, None)),
    ),
    "call without id": ("tool_call_form", tool_call(bad_id, "tool_calls[{}]")),
    "call of another type": ("tool_call_form", tool_call(bad_type, "tool_calls[{}]")),
    "call without function": (
        "tool_call_form",
        tool_call(bad_function, "tool_calls[{}]"),
    ),
    "arguments no string": (
        "tool_arguments",
        tool_call(object_arguments, "tool_calls[{}].function.arguments"),
    ),
    "arguments no JSON": (
        "tool_arguments",
        tool_call(broken_arguments, "tool_calls[{}].function.arguments"),
    ),
    "result without call": ("tool_result_without_call", stray_result),
    "line cut off": ("cut_off_json", as_text(cut)),
    "comma too many": ("invalid_json", as_text(comma)),
    "word between": ("invalid_json", as_text(inserted)),
    "NaN": ("not_a_number", as_text(nan)),
    "half a character": ("half_character", as_text(half)),
    "control character": ("invalid_json", as_text(control)),
    "two examples on a line": ("invalid_json", as_text(twice)),
    "line a list": ("not_an_object", as_text(other([1]))),
    "line a number": ("not_an_object", as_text(other(5))),
    "another format": (
        "other_format",
        as_text(other({"prompt": "a", "completion": "b"})),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", valid.FILES)
def test_valid_files_have_no_finding_at_all(name: str, tmp_path: Path):
    rows, method = valid.FILES[name]
    path = tmp_path / "valid.jsonl"
    for ascii_only in (True, False):
        lines = [json.dumps(row, ensure_ascii=ascii_only) for row in rows]
        path.write_text("\n".join(lines), encoding="utf-8")
        report = check(path, method=method)
        assert report.findings == []
        assert report.format == name


@pytest.mark.parametrize("separators", [(",", ":"), (", ", ": "), (" ,\t", "  : ")])
def test_spaces_between_json_do_not_matter(separators: tuple[str, str]):
    lines = [json.dumps(row, separators=separators) for row in valid.chats()]
    assert check("\n".join(lines).encode()).findings == []


@pytest.mark.parametrize("name", MUTATIONS)
def test_a_broken_example_is_found_where_it_is_broken(name: str):
    code, breaks = MUTATIONS[name]
    dice = random.Random(name)
    lines = [dumps(row) for row in valid.chats()]
    for _ in range(12):
        row = copy.deepcopy(valid.chats()[dice.randrange(15)])
        broken = breaks(row, dice)
        at = dice.randrange(1, len(lines))
        data = "\n".join([*lines[:at], broken.text, *lines[at:]])
        found = check(data.encode()).errors
        assert {f.line for f in found} == {at + 1}, broken
        hits = [f for f in found if f.code == code]
        assert (broken.message, broken.field) in {(f.message, f.field) for f in hits}
        if broken.column:
            assert broken.column in {f.column for f in hits}
        assert all(f.column is None or f.column <= len(broken.text) + 1 for f in hits)


def test_the_column_is_that_of_the_value_or_of_its_holder():
    dice = random.Random(4)
    for name, (code, breaks) in MUTATIONS.items():
        broken = breaks(copy.deepcopy(valid.chats()[dice.randrange(15)]), dice)
        if broken.field is None:
            continue
        lines = [*map(dumps, valid.chats()), broken.text]
        hits = [f for f in check("\n".join(lines).encode()).errors if f.code == code]
        for hit in hits:
            assert hit.column, name
            rest = broken.text[hit.column - 1 :]
            assert rest[0] in '"{[-0123456789tfn<', (name, rest)
            assert hit.excerpt is not None
            assert hit.excerpt.marked == rest[: len(hit.excerpt.marked)]


@pytest.mark.parametrize("key", ["role", "content", "messages", "weight"])
def test_a_key_that_stands_twice_is_found_among_plain_lines(key: str):
    lines = [dumps(valid.chat(number)) for number in range(400)]
    plain = '{"messages": [{"role": "user", "content": "q"}, %s]}'
    message = '{"role": "assistant", "content": "a", "weight": 1}'
    value = {"messages": None, "weight": "1"}.get(key, '"assistant"')
    lines[250] = plain % (message[:-1] + f', "{key}": {value}}}')
    if key == "messages":
        lines[250] = '{"messages": [], ' + (plain % message)[1:]
    found = check("\n".join(lines).encode()).findings
    assert [(f.code, f.line) for f in found if f.code == "duplicate_key"] == [
        ("duplicate_key", 251)
    ]


@pytest.mark.parametrize(
    "message",
    [
        r'{"r\u006fle": "user", "role": "assistant", "content": "a"}',
        r'{"role" : "user", "role": "assistant", "content": "role"}',
        r'{"role": "user", "role": "assistant", "content": "r\u006Fle"}',
    ],
)
def test_a_key_that_hides_behind_an_escape_is_found(message: str):
    lines = [dumps(valid.chat(number)) for number in range(100)]
    lines[50] = '{"messages": [{"role": "user", "content": "q"}, ' + message + "]}"
    found = check("\n".join(lines).encode()).findings
    assert ("duplicate_key", 51) in {(f.code, f.line) for f in found}


def test_a_token_that_hides_behind_an_escape_is_found():
    lines = [dumps(valid.chat(number)) for number in range(100)]
    lines[50] = lines[50].replace("It is so.", r"It \u003c\u007cim_end\u007c> so.")
    found = check("\n".join(lines).encode()).errors
    assert [(f.code, f.line) for f in found] == [("special_token", 51)]
