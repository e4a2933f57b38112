"""Valid examples that cover each feature of the formats, for other tests to break."""

from __future__ import annotations

import json
from typing import Any

Example = dict[str, Any]

SYSTEM = {"role": "system", "content": "You answer in one sentence."}
PARAMETERS = {
    "type": "object",
    "properties": {"role": {"type": "string"}, "messages": {"type": "null"}},
    "required": ["role"],
}
FUNCTION = {"name": "look_up", "description": "Find it.", "parameters": PARAMETERS}
PNG = "data:image/png;base64,iVBORw0KGgo="


def user(content: Any) -> Example:
    return {"role": "user", "content": content}


def answer(content: Any, **more: Any) -> Example:
    return {"role": "assistant", "content": content, **more}


def call(number: int) -> Example:
    arguments = json.dumps({"role": f"part {number}"})
    function = {"name": "look_up", "arguments": arguments}
    return {"id": f"call_{number}", "type": "function", "function": function}


def result(number: int) -> Example:
    return {"role": "tool", "tool_call_id": f"call_{number}", "content": "Found."}


def image(url: str, **detail: str) -> Example:
    return {"type": "image_url", "image_url": {"url": url, **detail}}


def chat(number: int) -> Example:
    return {"messages": [SYSTEM, user(f"Question {number}?"), answer("It is so.")]}


def chats() -> list[Example]:
    """One example for each feature of the chat format, behind twelve plain ones."""
    tools = [{"type": "function", "function": FUNCTION}]
    plain = [chat(number) for number in range(12)]
    return [
        *plain,
        {"messages": [user("No system prompt?"), answer("None.")]},
        {"messages": [SYSTEM, user("Hm?"), answer("Yes."), user("So?"), answer("No.")]},
        {
            "messages": [
                user("First try?"),
                answer("Wrong.", weight=0),
                user("Again?"),
                answer("Right.", weight=1),
            ]
        },
        {"messages": [user("Named?") | {"name": "ada"}, answer("Yes.", name="bot")]},
        {"messages": [user([{"type": "text", "text": "Parts?"}]), answer("Two.")]},
        {"messages": [user("In parts?"), answer([{"type": "text", "text": "Yes."}])]},
        {
            "messages": [
                user(
                    [
                        {"type": "text", "text": "What is on them?"},
                        image("https://example.org/a.jpg", detail="low"),
                        image(PNG),
                    ]
                ),
                answer("Two cats."),
            ]
        },
        {
            "messages": [
                SYSTEM,
                user("Look it up."),
                {"role": "assistant", "content": None, "tool_calls": [call(1)]},
                result(1),
                answer("There."),
            ],
            "tools": tools,
        },
        {
            "messages": [
                user("Look both up."),
                {"role": "assistant", "tool_calls": [call(1), call(2)], "weight": 1},
                result(2),
                result(1),
                answer("Both."),
            ],
            "tools": tools,
            "parallel_tool_calls": True,
        },
        {
            "messages": [user("Only call."), answer("", tool_calls=[call(7)])],
            "tools": tools,
            "parallel_tool_calls": False,
        },
        {
            "messages": [
                user("The older way."),
                {
                    "role": "assistant",
                    "function_call": {"name": "look_up", "arguments": "{}"},
                },
                {"role": "function", "name": "look_up", "content": "Found."},
                answer("Here."),
            ],
            "functions": [FUNCTION],
        },
        {"messages": [user("Do harm."), {"role": "assistant", "refusal": "No."}]},
        {
            "messages": [
                user('Say "role": "messages" \\ {"content": 1} é 漢字 😀 \u2028 NaN'),
                answer('Said: "weight": 2, \\"role\\": <b>|</b>\n\tEnd.'),
            ]
        },
    ]


def completions() -> list[Example]:
    return [{"prompt": f"{n} + 1 ->", "completion": f" {n + 1}\n"} for n in range(12)]


def preferences() -> list[Example]:
    return [
        {
            "input": {
                "messages": [SYSTEM, user(f"Question {n}?")],
                "tools": [],
                "parallel_tool_calls": True,
            },
            "preferred_output": [answer("Gladly.")],
            "non_preferred_output": [answer("No.")],
        }
        for n in range(12)
    ]


def reinforcements() -> list[Example]:
    return [
        {
            "messages": [
                {"role": "developer", "content": "Answer with a number."},
                user(f"{n} + 1?"),
            ],
            "reference": {"value": n + 1},
        }
        for n in range(12)
    ]


FILES: dict[str, tuple[list[Example], Any]] = {
    "chat": (chats(), "supervised"),
    "completion": (completions(), "supervised"),
    "preference": (preferences(), "dpo"),
    "reinforcement": (reinforcements(), "reinforcement"),
}
