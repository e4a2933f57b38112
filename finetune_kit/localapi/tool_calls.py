"""Tools in a chat: what the engine is offered, and its calls as the service sends them.

`functions` and `function_call` are the form of 2023 of the same thing. Custom tools,
which take a text instead of JSON, are not offered.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

Event = dict[str, Any]


@dataclass(frozen=True)
class Offer:
    """The tools of a request, and what the model may do with them.

    `mode` is none, auto or required; `names` are those that it may call; `is_named`
    where it is told one of them.
    """

    tools: list[dict[str, Any]]
    mode: str
    names: list[str]
    is_named: bool
    is_parallel: bool
    is_of_2023: bool

    def for_engine(self) -> dict[str, Any]:
        """The fields of the answer process's protocol."""
        return {
            "tools": self.tools,
            "tool_choice": {"mode": self.mode, "names": self.names},
            "parallel_tool_calls": self.is_parallel,
        }

    def finish_reason(self) -> str:
        """Of an answer that called: `stop` where the tool was named (observed with
        the service by vllm-project/vllm, pull request 25054, 2025-09)."""
        if self.is_named:
            return "stop"
        return "function_call" if self.is_of_2023 else "tool_calls"

    def in_message(self, calls: Sequence[Event]) -> dict[str, Any]:
        """The key of a message that holds its calls; no key without calls."""
        if not calls:
            return {}
        functions = [
            {"name": call["name"], "arguments": "".join(call["arguments"])}
            for call in calls
        ]
        if self.is_of_2023:
            return {"function_call": functions[0]}
        found = [
            {"id": call["id"], "type": "function", "function": function}
            for call, function in zip(calls, functions, strict=True)
        ]
        return {"tool_calls": found}

    def deltas(self, call: Event) -> Iterator[dict[str, Any]]:
        """The pieces of a stream that make up a call: its name, then its arguments."""
        head = {"name": call["name"], "arguments": ""}
        pieces = [{"arguments": piece} for piece in call["arguments"]]
        if self.is_of_2023:
            yield from ({"function_call": part} for part in (head, *pieces))
            return
        index = call["index"]
        first = {"index": index, "id": call["id"], "type": "function", "function": head}
        rest = [{"index": index, "function": piece} for piece in pieces]
        yield from ({"tool_calls": [part]} for part in (first, *rest))


def offer(params: dict[str, Any]) -> Offer | None:
    """What a checked request offers to call; None where there is nothing."""
    is_of_2023 = not params.get("tools")
    if is_of_2023:
        functions = params.get("functions") or ()
        tools = [{"type": "function", "function": each} for each in functions]
        choice = params.get("function_call") or "auto"
    else:
        tools = [tool for tool in params["tools"] if tool["type"] == "function"]
        choice = params.get("tool_choice") or "auto"
    if not tools or (isinstance(choice, dict) and "custom" in choice):
        return None
    mode, names = _mode(choice, [tool["function"]["name"] for tool in tools])
    return Offer(
        tools,
        mode,
        names,
        is_named=isinstance(choice, dict) and "allowed_tools" not in choice,
        is_parallel=not is_of_2023 and params.get("parallel_tool_calls") is not False,
        is_of_2023=is_of_2023,
    )


def _mode(choice: str | dict[str, Any], names: list[str]) -> tuple[str, list[str]]:
    """The mode of a choice, and the names that it leaves of `names`."""
    if isinstance(choice, str):
        return choice, names
    if allowed := choice.get("allowed_tools"):
        return allowed["mode"], allowed_names(choice)
    return "required", [choice.get("function", choice)["name"]]


def allowed_names(choice: dict[str, Any]) -> list[str]:
    """The names in `allowed_tools`, whose tools the SDK's types leave open."""
    functions = [each.get("function") for each in choice["allowed_tools"]["tools"]]
    return [str(each.get("name")) for each in functions if isinstance(each, dict)]


def calls_of(events: Sequence[Event]) -> list[Event]:
    """The calls of one answer."""
    return [event for event in events if event["event"] == "call"]
