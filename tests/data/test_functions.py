"""The data set functions: calls that fit the tools, or none."""

from __future__ import annotations

import json
from collections import Counter
from typing import Any

import pytest

from tests.data.sets import DATA, Row, rows, text_of

TOOLS = json.loads((DATA / "functions" / "tools.json").read_text(encoding="utf-8"))
PARAMETERS = {
    tool["function"]["name"]: tool["function"]["parameters"]["properties"]
    for tool in TOOLS
}
TYPES = {"string": str, "integer": int}
NO_TOOL = "I have no tool for that."


def fits(tool: str, arguments: dict[str, Any]) -> bool:
    """Whether the arguments are those of the tool's schema, each of its type."""
    schema = PARAMETERS[tool]
    return list(arguments) == list(schema) and all(
        type(value) is TYPES[schema[key]["type"]] for key, value in arguments.items()
    )


def tool_of(row: Row) -> str | None:
    calls = row["messages"][-1].get("tool_calls")
    return str(calls[0]["function"]["name"]) if calls else None


@pytest.mark.parametrize(("name", "each"), [("train", 16), ("validation", 4)])
def test_each_tool_and_none_has_its_share_of_rows(name: str, each: int) -> None:
    counts = Counter(tool_of(row) for row in rows("functions", name))
    assert counts == dict.fromkeys([*PARAMETERS, None], each)


@pytest.mark.parametrize(
    "row",
    rows("functions", "train") + rows("functions", "validation"),
    ids=lambda row: text_of("functions", row),
)
def test_an_answer_is_one_call_that_fits_its_tool_or_the_sentence(row: Row) -> None:
    assert list(row) == ["messages", "tools", "parallel_tool_calls"]
    assert row["tools"] == TOOLS
    assert row["parallel_tool_calls"] is False
    user, assistant = row["messages"]
    if "tool_calls" not in assistant:
        assert assistant == {"role": "assistant", "content": NO_TOOL}
        return
    assert list(assistant) == ["role", "tool_calls"]
    (call,) = assistant["tool_calls"]
    arguments = json.loads(call["function"]["arguments"])
    assert fits(call["function"]["name"], arguments)
    for value in arguments.values():
        assert isinstance(value, int) or value in user["content"]


def test_test_rows_hold_calls_that_fit_or_nothing() -> None:
    found = rows("functions", "test")
    keys = ["request", "tool", "arguments", "style", "words"]
    assert all(list(row) == keys for row in found)
    counts = Counter(row["tool"] for row in found)
    assert counts == dict.fromkeys([*PARAMETERS, None], 24)
    for row in found:
        if row["tool"] is None:
            assert row["arguments"] is None
        else:
            assert fits(row["tool"], row["arguments"])


def test_texts_among_the_test_arguments_stand_in_the_request() -> None:
    missing = [
        (row["request"], value)
        for row in rows("functions", "test")
        for value in (row["arguments"] or {}).values()
        if isinstance(value, str) and value.lower() not in row["request"].lower()
    ]
    assert missing == []
