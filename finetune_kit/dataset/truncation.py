"""Examples that the service cuts, silently, and what of them is lost."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from .findings import Finding
from .jsonl import Row
from .rules import Example, Hit, Rule, rule

TRUNCATION_RULES: list[Rule[Example]] = []


@dataclass(frozen=True, slots=True)
class Limit:
    """The tokens of one example that are read, and the encoding they count in."""

    tokens: int
    encoding: str


#: OpenAI's guide (2025), for the models of 2024 and 2025.
_USUAL = Limit(65_536, "o200k_base")


def limit_of(model: str | None) -> Limit:
    """The limit of a model; ValueError where the catalog does not know it."""
    if model is None:
        return _USUAL
    from finetune_kit import catalog

    base = catalog.base(model)
    if base is None:
        raise ValueError(f"model {model!r} is not in the catalog")
    return Limit(base.training_example_tokens, base.encoding)


def truncated(row: Row, kind: str | None, limit: Limit) -> Iterator[Finding]:
    """The finding about a chat example that is too long.

    A token is at least one byte, so only lines of more bytes are counted.
    """
    if kind != "chat" or len(row.text.encode("utf-8", "replace")) <= limit.tokens:
        return
    messages = row.value.get("messages")
    listed = messages if isinstance(messages, list) else []
    whole = [(n, message) for n, message in enumerate(listed) if _is_sound(message)]
    hit = _cut(whole, limit)
    if hit:
        example = Example(row, {"cut": hit}, whole, kind, kind)
        for one in TRUNCATION_RULES:
            yield from one.findings(example)


def _is_sound(message: Any) -> bool:
    calls = message.get("tool_calls") if isinstance(message, dict) else 0
    return calls is None or (
        isinstance(calls, list) and all(isinstance(call, dict) for call in calls)
    )


def _cut(messages: list[tuple[int, dict[str, Any]]], limit: Limit) -> Hit | None:
    from .tokens import chat_tokens

    total, first = 0, None
    for index, message in messages:
        total += chat_tokens([message], limit.encoding)
        if total > limit.tokens and first is None:
            first = index
    if first is None:
        return None
    lost = total - limit.tokens
    what = (
        f"{total:,} tokens, {limit.tokens:,} are read: the last {lost:,} are cut, "
        f"from within messages[{first}] on"
    )
    return Hit(what, message=first)


@rule(
    TRUNCATION_RULES,
    "warning",
    why="The service cuts a long example at its end, silently, and trains on the rest: "
    "what is cut is often the answer.",
    fix="Shorten the example or split it into several.",
)
def too_long(example: Example) -> Iterator[Hit]:
    if isinstance(hit := example.value.get("cut"), Hit):
        yield hit
