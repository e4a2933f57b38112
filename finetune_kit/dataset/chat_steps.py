"""The steps of `prepare-data` for chat rows: what the old steps come to for them.

A chat needs no separator, no ending and no leading space, because the format marks
the turns itself. What is left of them from older data is recommended to be taken out.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

from .affixes import (
    ENDINGS,
    LAST_ENDING,
    LAST_SEPARATOR,
    SEPARATORS,
    common_prefix,
    common_suffix,
    instruction,
    visible,
)
from .completion_steps import (
    LONG_COMPLETION_PREFIX,
    LONG_PREFIX,
    Step,
    column,
    columns,
    long_examples,
    some_rows,
)
from .remedies import (
    Remedy,
    Row,
    hint_for,
    lines,
    listing,
    removal_of_copies,
    task_of,
    upper_case_rules,
    without,
)

KEYS = ("messages", "tools", "parallel_tool_calls", "functions")
LEAST, GOOD = 10, 50  # examples, OpenAI's guide
_LEFT_OVER = {
    sign.strip() for sign in (*SEPARATORS, LAST_SEPARATOR, *ENDINGS, LAST_ENDING)
} - {"", "."}


def count(rows: list[Row]) -> Remedy:
    said = f"Your file contains {len(rows)} chats"
    if len(rows) < LEAST:
        said += f". WARNING: training needs at least {LEAST}"
    elif len(rows) < GOOD:
        said += f". {GOOD} to 100 good ones are a start"
    return Remedy("num_examples", said=said)


def extra_keys(rows: list[Row]) -> Remedy | None:
    extra = [name for name in columns(rows) if name not in KEYS]
    if not extra:
        return None
    return Remedy(
        "additional_column",
        said=f"A chat row has no other keys than {', '.join(KEYS)}. Additional keys "
        f"present are: {extra}",
        needed=f"Remove additional columns/keys: {extra}",
        change=lambda rows: [
            row.of({key: row[key] for key in row if key in KEYS}) for row in rows
        ],
    )


def empty_replies(rows: list[Row]) -> Remedy | None:
    found = lines(rows, _is_mute)
    if not found:
        return None
    return Remedy(
        "empty_completion",
        said="The assistant should say something. It says nothing in lines: "
        f"{listing(found)}",
        needed=f"Remove {len(found)} rows with empty replies",
        change=partial(without, unwanted=_is_mute),
    )


def task(rows: list[Row]) -> Remedy | None:
    return hint_for(infer_task(rows))


def duplicates(rows: list[Row]) -> Remedy | None:
    return removal_of_copies(rows, "chats", _without_duplicates)


def upper_case(role: str, rows: list[Row]) -> Remedy | None:
    """Said only: lower-casing whole chats would spoil names and sentences."""
    if not upper_case_rules(texts(rows, role)):
        return None
    return Remedy(
        "upper_case",
        said=f"More than a third of the letters of role `{role}` are upper case; "
        "models do better with the mixture of cases in normal language",
    )


def left_over(role: str, rows: list[Row]) -> Remedy | None:
    """A separator or ending of 2023 at the end of every message of a role."""
    end = common_suffix(texts(rows, role))
    if end.strip() not in _LEFT_OVER:
        return None
    return Remedy(
        "left_over_suffix",
        said=f"All messages of role `{role}` end with `{visible(end)}`. Chat rows mark "
        "the end of a turn themselves",
        advised=f"Remove suffix `{visible(end)}` from all messages of role `{role}`",
        change=lambda rows: edited(rows, role, lambda text: text.removesuffix(end)),
    )


def repeated_instruction(rows: list[Row]) -> Remedy | None:
    """An instruction at the head of each question belongs into a system message."""
    asked = texts(rows, "user")
    prefix = instruction(asked) if len(asked) > 1 else ""
    lone = len(asked) == len(rows) and not texts(rows, "system", "developer")
    if len(prefix) <= LONG_PREFIX or not lone:
        return None
    system = {"role": "system", "content": prefix.strip()}

    def moved(rows: list[Row]) -> list[Row]:
        bare = edited(rows, "user", lambda text: text.removeprefix(prefix))
        return [row.of(row | {"messages": [system, *row["messages"]]}) for row in bare]

    return Remedy(
        "common_prompt_prefix",
        said=f"All questions start with `{visible(prefix)}`. What is always the same "
        "is said once, by a system message",
        advised=f"Move prefix `{visible(prefix)}` into a system message",
        change=moved,
    )


def reply_prefix(rows: list[Row]) -> Remedy | None:
    replies = texts(rows, "assistant")
    shared = common_prefix(replies)
    if len(shared) < LONG_COMPLETION_PREFIX or len(set(replies)) == 1:
        return None
    said = (
        f"All replies start with prefix `{visible(shared)}`. A reply is best the "
        "output alone, without any prefix"
    )
    prefix = instruction(replies)
    if len(prefix) < LONG_COMPLETION_PREFIX:
        said += ". This one runs on into the text after it and stays"
        return Remedy("common_completion_prefix", said=said)
    return Remedy(
        "common_completion_prefix",
        said=said,
        advised=f"Remove prefix `{visible(prefix)}` from all replies",
        change=lambda rows: edited(
            rows, "assistant", lambda text: text.removeprefix(prefix)
        ),
    )


def leading_space(rows: list[Row]) -> Remedy | None:
    replies = texts(rows, "assistant")
    if not replies or not all(reply.startswith(" ") for reply in replies):
        return None
    return Remedy(
        "completion_space_start",
        said="All replies start with a whitespace character (` `), as completions of "
        "2023 did; in a chat it is only repeated by the model",
        advised="Remove the whitespace character from the beginning of the replies",
        change=lambda rows: edited(rows, "assistant", str.lstrip),
    )


def chat_steps(measure: Callable[[Row], int], limit: int) -> list[Step]:
    """The steps in their order; chats of more than ``limit`` tokens count as long."""
    return [
        count,
        partial(column, "messages"),
        extra_keys,
        empty_replies,
        some_rows,
        task,
        duplicates,
        partial(_long, measure, limit),
        partial(upper_case, "user"),
        partial(upper_case, "assistant"),
        partial(left_over, "user"),
        repeated_instruction,
        reply_prefix,
        partial(left_over, "assistant"),
        leading_space,
    ]


def _long(measure: Callable[[Row], int], limit: int, rows: list[Row]) -> Remedy | None:
    return long_examples(measure, limit, "tokens", rows, infer_task)


def infer_task(rows: list[Row]) -> str:
    return task_of(texts(rows, "user"), (last_reply(row) for row in rows))


def messages(row: Row) -> Iterator[dict[str, Any]]:
    """The row's messages that are objects."""
    found = row.get("messages")
    listed = found if isinstance(found, list) else []
    return (message for message in listed if isinstance(message, dict))


def texts(rows: list[Row], *roles: str) -> list[str]:
    """The texts of all messages of some roles; parts and calls are left out."""
    return [
        message["content"]
        for row in rows
        for message in messages(row)
        if message.get("role") in roles and isinstance(message.get("content"), str)
    ]


def last_reply(row: Row) -> str:
    """The content of the last message of the assistant, or its calls, as text."""
    said = [m for m in messages(row) if m.get("role") == "assistant"]
    if not said:
        return ""
    content = said[-1].get("content") or said[-1].get("tool_calls")
    content = content or said[-1].get("function_call") or said[-1].get("refusal") or ""
    return content if isinstance(content, str) else json.dumps(content)


def edited(rows: list[Row], role: str, edit: Callable[[str], str]) -> list[Row]:
    """The rows with ``edit`` done to the texts of a role; what was given stays."""

    def one(message: Any) -> Any:
        if not isinstance(message, dict) or message.get("role") != role:
            return message
        content = message.get("content")
        return (
            message | {"content": edit(content)}
            if isinstance(content, str)
            else message
        )

    return [
        row.of(row | {"messages": [one(message) for message in row["messages"]]})
        if isinstance(row.get("messages"), list)
        else row
        for row in rows
    ]


def _is_mute(row: Row) -> bool:
    return not last_reply(row).strip()


def _without_duplicates(rows: list[Row]) -> list[Row]:
    seen: set[str] = set()
    kept = []
    for row in rows:
        text = json.dumps(row, sort_keys=True)
        if text not in seen:
            kept.append(row)
        seen.add(text)
    return kept
