"""What the tests of all data sets share: their rows, and texts as words."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

DATA = Path(__file__).parents[2] / "data"
TEST_TEXT = {
    "reviews": "review",
    "tickets": "message",
    "extraction": "sentence",
    "functions": "request",
    "tone": "question",
    "preferences": "question",
    "strange": "question",
}
Row = dict[str, Any]
Four = tuple[str, ...]


def rows(folder: str, name: str) -> list[Row]:
    text = (DATA / folder / f"{name}.jsonl").read_text(encoding="utf-8")
    return [json.loads(line) for line in text.splitlines()]


def text_of(folder: str, row: Row) -> str:
    """What the learner's model is asked, without system prompt and separator."""
    if "prompt" in row:
        return str(row["prompt"]).removesuffix("\n\n###\n\n")
    chat = row.get("messages") or row.get("input", {}).get("messages")
    if chat:
        return str(next(m["content"] for m in chat if m["role"] == "user"))
    return str(row[TEST_TEXT[folder]])


def words(text: str) -> tuple[str, ...]:
    return tuple(re.findall(r"[a-z0-9]+", text.lower().replace("'", "")))


def in_fours(text: str) -> set[Four]:
    found = words(text)
    return {found[i : i + 4] for i in range(len(found) - 3)}


def fours_of(texts: Iterable[str]) -> set[Four]:
    return {four for text in texts for four in in_fours(text)}
