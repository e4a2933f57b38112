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
from collections import deque
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import accumulate
from typing import Any, NamedTuple, NoReturn

from finetune_kit.engines.tinygpt.pieces import Line, cut

CALL = "call"
_BEGINNING = re.compile(rf"(?:^|\n)(?={CALL} )")
_HEAD = re.compile(rf"{CALL} (\S+) (?=\{{)")


def _no_json(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


_DECODER = json.JSONDecoder(parse_constant=_no_json)


# ------------------------------------------------------------------------ as text


def tools_of(holder: Mapping[str, Any]) -> list[dict[str, Any]]:
    """The tools of a row or request, be it `tools` or the older `functions`."""
    functions = holder.get("functions") or ()
    older = [{"type": "function", "function": each} for each in functions]
    return [*(holder.get("tools") or ()), *older]


def tools_text(tools: Iterable[Mapping[str, Any]]) -> str:
    """`Tools: name(parameter, …), ….`"""
    signatures = (
        f"{tool['function']['name']}({', '.join(parameters(tool))})" for tool in tools
    )
    return f"Tools: {', '.join(signatures)}."


def parameters(tool: Mapping[str, Any]) -> list[str]:
    """The names of a tool's parameters."""
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


def beginnings(tool: Mapping[str, Any]) -> list[str]:
    """How a call of the tool may begin: with a first argument, or with none."""
    required = (tool["function"].get("parameters") or {}).get("required")
    head = f"{CALL} {tool['function']['name']}"
    some = [f'{head} {{"'] if parameters(tool) else []
    return some if some and required else [*some, f"{head} {{}}"]


# ---------------------------------------------------------------------- from text


class Call(NamedTuple):
    """A call in a text: the name, and where the JSON of its arguments stands."""

    name: str
    start: int
    end: int


class Answer(NamedTuple):
    """An answer taken apart: where its text ends, and the calls below."""

    text_end: int
    calls: list[Call]


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


class Caller:
    """Makes calls of an answer's tokens, where they have the form.

    Text that may be the beginning of a call is held back until the answer's end says
    what it is; all other text goes through as it comes.
    """

    def __init__(self, names: Collection[str], *, parallel: bool) -> None:
        self.heads = [f"{CALL} {name} {{" for name in names]
        self.names, self.parallel = names, parallel
        self.held: deque[Line] = deque()
        self.at_start = True

    def lines(self, lines: Iterable[Line]) -> Iterator[Line]:
        """The lines of an answer, its calls as lines of their own before the end."""
        for line in lines:
            if line["event"] == "token":
                self.held.append(line)
                yield from self._release(self._possible())
            else:
                yield from self._close()
                yield line

    @property
    def text(self) -> str:
        return "".join(line["text"] for line in self.held)

    def _possible(self) -> int | None:
        """Where in the held text calls may begin; None where they cannot."""
        text = self.text
        for line_start in re.finditer(r"\A|\n", text):
            rest = text[line_start.end() :]
            may_begin = line_start[0] or self.at_start
            if may_begin and any(
                rest.startswith(head) or head.startswith(rest) for head in self.heads
            ):
                return line_start.start()
        return None

    def _release(self, end: int | None) -> Iterator[Line]:
        """The held lines before the character `end` of the held text; None: all."""
        while self.held and (end is None or len(self.held[0]["text"]) <= end > 0):
            line = self.held.popleft()
            end = None if end is None else end - len(line["text"])
            self.at_start = self.at_start and not line["text"]
            yield line

    def _close(self) -> Iterator[Line]:
        """At the answer's end: the text that is left, then the calls that it held."""
        found = parse(self.text, self.names)
        if found is None:
            yield from self.held
            return
        placed = list(zip(self.held, self._starts(), strict=True))
        for line, start in placed:
            if start < found.text_end:
                yield cut(line, found.text_end - start)
        for index, call in enumerate(found.calls if self.parallel else found.calls[:1]):
            parts = (
                line["text"][max(0, call.start - start) : max(0, call.end - start)]
                for line, start in placed
            )
            yield {
                "event": "call",
                "index": index,
                "name": call.name,
                "arguments": list(filter(None, parts)),
            }

    def _starts(self) -> list[int]:
        """Where the text of each held line begins in the held text."""
        ends = accumulate(len(line["text"]) for line in self.held)
        return [0, *ends][:-1]
