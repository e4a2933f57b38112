"""Examples that the service cuts, silently, and what of them is lost."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from .findings import Finding
from .jsonl import Row
from .rules import Example, Hit, Rule, rule

if TYPE_CHECKING:
    from finetune_kit.catalog import Base

#: (index in `messages`, field)
Place = tuple[int | None, str | None]

TRUNCATION_RULES: list[Rule[Example]] = []


@dataclass(frozen=True, slots=True)
class Limit:
    """The tokens of one example that are read, and the encoding they count in."""

    tokens: int
    encoding: str


#: OpenAI's guide (2025), for the models of 2024 and 2025.
_USUAL = Limit(65_536, "o200k_base")


def limit_of(base: Base | None) -> Limit:
    """The limit of a model, or of the usual ones."""
    return Limit(base.training_example_tokens, base.encoding) if base else _USUAL


def truncated(row: Row, kind: str | None, limit: Limit) -> Iterator[Finding]:
    """The finding about an example that is too long.

    A token is at least one byte, so only lines of more bytes are counted.
    """
    if len(row.text.encode("utf-8", "replace")) <= limit.tokens:
        return
    if hit := _cut(_pieces(row.value, limit.encoding), limit):
        example = Example(row, {"cut": hit}, [], kind, kind)
        for one in TRUNCATION_RULES:
            yield from one.findings(example)


def _pieces(value: dict[str, Any], encoding: str) -> Iterator[tuple[Place, int]]:
    """(place, tokens) of each message, or of prompt and completion, in order."""
    from .tokens import count, message_counter

    tokens_of = message_counter(encoding)
    given = value.get("input")
    for path, listed in (
        ("messages", value.get("messages")),
        ("input.messages", given.get("messages") if isinstance(given, dict) else None),
        ("preferred_output", value.get("preferred_output")),
        ("non_preferred_output", value.get("non_preferred_output")),
    ):
        for index, message in enumerate(listed if isinstance(listed, list) else ()):
            if isinstance(message, dict):
                place = (index, None) if path == "messages" else (None, path)
                yield place, tokens_of(message)
    for key in ("prompt", "completion"):
        if isinstance(text := value.get(key), str):
            yield (None, key), count(text, encoding)


def _cut(pieces: Iterable[tuple[Place, int]], limit: Limit) -> Hit | None:
    total, first = 0, None
    for place, tokens in pieces:
        total += tokens
        if total > limit.tokens and first is None:
            first = place
    if first is None:
        return None
    message, field = first
    where = field or f"messages[{message}]"
    what = (
        f"{total:,} tokens, {limit.tokens:,} are read: the last "
        f"{total - limit.tokens:,} are cut, from within {where} on"
    )
    return Hit(what, message=message, field=field)


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
