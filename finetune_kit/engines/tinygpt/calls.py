"""Tools and calls as text: what the model reads of a tool, and how it writes a call.

    Tools: get_weather(city), set_timer(minutes).
    call get_weather {"city": "Paris"}

The first line is a system message in front of a conversation that has tools: names and
parameter names, no more, so that it stays short. An assistant's calls stand below its
text, a line each: `call`, the name, the arguments as one line of JSON. The form needs
no token of its own: it is a call where a tool of that name is given, else a text.
"""

import json
import re
from collections.abc import Collection, Iterable, Mapping
from typing import Any, NamedTuple, NoReturn

CALL = "call"
_BEGINNING = re.compile(rf"(?:^|\n)(?={CALL} )")
_HEAD = re.compile(rf"{CALL} (\S+) (?=\{{)")


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_json)


class Call(NamedTuple):
    """A call in a text: the name, and where the JSON of its arguments stands."""

    name: str
    start: int
    end: int


class Answer(NamedTuple):
    """An answer taken apart: where its calls begin, and the calls."""

    content_end: int
    calls: list[Call]


def tools_of(holder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools of a row or request, be it `tools` or the older `functions`."""
    functions = holder.get("functions") or ()
    older = [{"type": "function", "function": each} for each in functions]
    return [*(holder.get("tools") or ()), *older]


def tools_text(tools: Iterable[Mapping[str, Any]]) -> str:
    """`Tools: name(parameter, …), ….`; a custom tool takes one `input`."""
    return f"Tools: {', '.join(map(_signature, tools))}."


def _signature(tool: Mapping[str, Any]) -> str:
    if tool["type"] == "custom":
        return f"{tool['custom']['name']}(input)"
    return f"{tool['function']['name']}({', '.join(parameters(tool))})"


def parameters(tool: Mapping[str, Any]) -> list[str]:
    """The names of a tool's parameters."""
    if tool["type"] == "custom":
        return ["input"]
    schema = tool["function"].get("parameters")
    properties = schema.get("properties") if isinstance(schema, dict) else None
    return list(properties) if isinstance(properties, dict) else []


def calls_text(message: Mapping[str, Any]) -> str:
    """The calls of an assistant's message, a line each; "" where it has none."""
    calls = [_call(each) for each in message.get("tool_calls") or ()]
    if function := message.get("function_call"):
        calls.append((function["name"], function["arguments"]))
    return "\n".join(f"{CALL} {name} {_one_line(given)}" for name, given in calls)


def _call(call: Mapping[str, Any]) -> tuple[str, str]:
    if call.get("type") == "custom":
        return call["custom"]["name"], json.dumps({"input": call["custom"]["input"]})
    return call["function"]["name"], call["function"]["arguments"]


def _one_line(arguments: str) -> str:
    """The JSON in one spelling; what is no JSON stays as it is."""
    try:
        found = json.loads(arguments)
        return json.dumps(found, ensure_ascii=False, allow_nan=False)
    except (ValueError, RecursionError):
        return arguments


def parse(text: str, names: Collection[str]) -> Answer | None:
    """The calls that the text ends with, each of a tool in `names`.

    None where it has none: where a name is unknown, arguments are no JSON object, or
    more text stands behind them.
    """
    for beginning in _BEGINNING.finditer(text):
        calls = _lines(text, beginning.end(), names)
        if calls and not text[calls[-1].end :].strip():
            return Answer(beginning.start(), calls)
    return None


def _lines(text: str, position: int, names: Collection[str]) -> list[Call]:
    """The calls that stand one below the other from `position` on."""
    calls: list[Call] = []
    while head := _HEAD.match(text, position):
        try:
            _, end = _DECODER.raw_decode(text, head.end())
        except (ValueError, RecursionError):
            break
        if head[1] not in names or text[end : end + 1] not in ("", "\n"):
            break
        calls.append(Call(head[1], head.end(), end))
        position = end + 1
    return calls
