"""Which examples repeat an earlier one, or ask the same and answer otherwise.

The index holds 24 bytes an example: 16 for what repeats (a hash and a line), 8 for
what is asked. Hashes have 64 bits: among a million examples two differing ones are
taken for equal once in 37 million files.
"""

from __future__ import annotations

import json
from array import array
from collections.abc import Iterator
from hashlib import blake2b
from typing import Any


def _hash(text: str) -> int:
    data = text.encode("utf-8", "surrogatepass")
    return int.from_bytes(blake2b(data, digest_size=8).digest(), "little")


def fingerprint(asked: list[tuple[str, str]], answer: str) -> tuple[int, int]:
    """Hashes of what is asked, (role, text) by message, and of the whole example."""
    given = "\x1e".join([f"{role}\x1f{text}" for role, text in asked])
    return _hash(given), _hash(f"{given}\x1d{answer}")


def fingerprint_of(value: dict[str, Any], format: str | None) -> tuple[int, int]:
    """The same for an example that was read as JSON."""
    if format == "chat":
        turns = value.get("messages")
        if isinstance(turns, list) and len(value) == 1 and all(map(_is_plain, turns)):
            told = [(turn["role"], turn["content"]) for turn in turns]
            if told and told[-1][0] == "assistant":
                return fingerprint(told[:-1], told[-1][1])
    if format == "completion":
        prompt, completion = value.get("prompt"), value.get("completion")
        if isinstance(prompt, str) and isinstance(completion, str) and prompt:
            return fingerprint([("prompt", prompt)], completion)
    whole = _hash(json.dumps(value, sort_keys=True))
    turns = value.get("messages")
    if format != "chat" or not isinstance(turns, list):
        return whole, whole
    given = json.dumps({**value, "messages": turns[:-1]}, sort_keys=True)
    return _hash(given), whole


def _is_plain(turn: Any) -> bool:
    return (
        isinstance(turn, dict)
        and set(turn) == {"role", "content"}
        and isinstance(turn["role"], str)
        and isinstance(turn["content"], str)
    )


class Repeats:
    """Collects fingerprints, then tells which repeat and which contradict."""

    def __init__(self) -> None:
        self._asked = array("Q")
        self._whole = array("Q")
        self._lines = array("Q")

    def add(self, line: int, asked: int, whole: int) -> None:
        self._asked.append(asked)
        self._whole.append(whole)
        self._lines.append(line)

    def repeated(self) -> Iterator[tuple[int, int]]:
        """(line, the first line that is equal to it), in the order of lines."""
        return (
            (self._lines[later], self._lines[first])
            for later, first in self._pairs(self._whole)
        )

    def contradicting(self) -> Iterator[tuple[int, int]]:
        """(line, the first line that asks the same) where the answers differ."""
        return (
            (self._lines[later], self._lines[first])
            for later, first in self._pairs(self._asked)
            if self._whole[later] != self._whole[first]
        )

    def _pairs(self, hashes: array[int]) -> list[tuple[int, int]]:
        """Each position whose hash stood before, with the first position of it."""
        import numpy as np

        values = np.frombuffer(hashes, dtype=np.uint64)
        order = np.argsort(values, kind="stable").astype(np.uint32)
        equal = values[order[1:]] == values[order[:-1]]
        starts = np.flatnonzero(np.concatenate([[True], ~equal]))
        later = np.flatnonzero(equal) + 1
        firsts = order[starts[np.searchsorted(starts, later, side="right") - 1]]
        pairs = zip(order[later].tolist(), firsts.tolist(), strict=True)
        return sorted(pairs)
