"""Looking at rows: who says what, and what the model learns to say."""

from __future__ import annotations

import json
from collections.abc import Mapping
from itertools import islice
from typing import Any

from finetune_kit.dataset.example_texts import text_of
from finetune_kit.dataset.read import Row, Source, name_of, read_rows, refuse_count
from finetune_kit.display.tables import Table

LEARNT = "The model is trained on what the assistant says; the rest is context."


def examples(source: Source, n: int = 3) -> Table:
    """The first ``n`` rows of any data: a column a role; without messages, a key."""
    refuse_count(n)
    rows = list(islice(read_rows(source), n))
    shown = [_fields(row) for row in rows]
    columns = list(dict.fromkeys(name for fields in shown for name in fields))
    return Table(
        ["line", *columns],
        [
            [row.line, *map(fields.get, columns)]
            for row, fields in zip(rows, shown, strict=True)
        ],
        caption=f"{name_of(source)}: {len(rows)} examples",
        note=LEARNT if "assistant" in columns else "",
    )


def _fields(row: Row) -> dict[str, str]:
    """Column -> text; what a role says more than once stands in lines of its own."""
    if not isinstance(row.value, dict):
        return {"no example": row.text}
    messages = row.value.get("messages")
    if not isinstance(messages, list):
        return {key: text_of(value) for key, value in row.value.items()}
    said: dict[str, list[str]] = {}
    for message in messages:
        if isinstance(message, dict):
            said.setdefault(str(message.get("role")), []).extend(_said(message))
    return {role: "\n".join(texts) for role, texts in said.items()}


def _said(message: Mapping[str, Any]) -> list[str]:
    """The text of a message and its calls: each one's name and arguments."""
    content, calls = message.get("content"), message.get("tool_calls")
    texts = [] if content is None else [text_of(content)]
    for call in calls if isinstance(calls, list) else []:
        called = call.get("function", call) if isinstance(call, dict) else call
        texts.append(json.dumps(called, ensure_ascii=False))
    return texts
