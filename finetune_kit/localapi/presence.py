"""Who was here lately, and what was refused: for the instructor's page.

Kept in memory, counted from the server's start. Which notebook a learner is in is what
`finetune_kit.connect` says in a header; other clients do not say it.
"""

import time
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, replace
from urllib.parse import unquote

NOTEBOOK_HEADER = "x-finetune-kit-notebook"
_LONGEST_NAME = 80  # characters of a notebook's name that are shown
_LONGEST_MESSAGE = 400
_LONGEST_CALL = 120
_KEPT = 200  # refusals


@dataclass(frozen=True)
class Refusal:
    """A request that was not served; `at` in Unix seconds."""

    at: float
    owner: str
    call: str  # method and path
    status: int
    message: str


@dataclass
class Seen:
    """One key's traffic; `latest_at` in Unix seconds, 0 before the first request."""

    requests: int = 0
    latest_at: float = 0
    notebook: str = ""
    refused: Refusal | None = None  # the latest


@dataclass(frozen=True)
class Strangers:
    """Calls with a key that this server does not know, or with none."""

    calls: int = 0
    latest_at: float = 0
    latest_from: str = ""


class Presence:
    """What was seen since the start. Used by the event loop alone."""

    def __init__(self) -> None:
        self.since = time.time()
        self.strangers = Strangers()
        self._seen: dict[str, Seen] = {}
        self._refusals = deque[Refusal](maxlen=_KEPT)

    def note(self, owner: str, headers: Mapping[str, str]) -> None:
        seen = self._seen.setdefault(owner, Seen())
        seen.requests += 1
        seen.latest_at = time.time()
        if notebook := headers.get(NOTEBOOK_HEADER):
            seen.notebook = _shown(notebook)

    def note_refusal(self, owner: str, call: str, status: int, message: str) -> None:
        if len(call) > _LONGEST_CALL:
            call = f"{call[:_LONGEST_CALL]}…"
        short = message[:_LONGEST_MESSAGE]
        refusal = Refusal(time.time(), owner, call, status, short)
        self._refusals.append(refusal)
        self._seen.setdefault(owner, Seen()).refused = refusal

    def note_stranger(self, address: str) -> None:
        calls = self.strangers.calls + 1
        self.strangers = Strangers(calls, time.time(), address)

    def of(self, owner: str) -> Seen:
        return replace(self._seen.get(owner, Seen()))

    def refusals(self) -> list[Refusal]:
        """Newest first."""
        return list(reversed(self._refusals))

    def forget(self, owner: str) -> None:
        """Of one key: where it was, and what it was refused."""
        self._seen.pop(owner, None)
        kept = [refusal for refusal in self._refusals if refusal.owner != owner]
        self._refusals = deque(kept, maxlen=_KEPT)


def _shown(notebook: str) -> str:
    name = unquote(notebook)[:_LONGEST_NAME]
    return "".join(letter if letter.isprintable() else "?" for letter in name)
