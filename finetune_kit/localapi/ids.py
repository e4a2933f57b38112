"""Identifiers in the service's spelling: a prefix and random base62."""

import hashlib
import secrets
import string
import threading
from collections import Counter

BASE62 = string.ascii_uppercase + string.ascii_lowercase + string.digits

# Lengths as observed in replies of the service (contract 1.1, 1.3).
_LENGTHS = {"file-": 22, "chatcmpl-": 29, "cmpl-": 29, "req_": 32}
_DEFAULT_LENGTH = 24


FINE_TUNE = "ft-"  # begins the id of a job that came by the API of 2023


def is_fine_tune(job_id: str) -> bool:
    """Is the job a `fine-tune` of 2023, or else one of today's `fine_tuning.job`?

    Both are rows of the same table; each API sees its own.
    """
    return job_id.startswith(FINE_TUNE)


def _base62(random_bytes: bytes) -> str:
    return "".join(BASE62[byte % 62] for byte in random_bytes)


class Ids:
    """Random identifiers.

    `scope` (a job's id, say) changes nothing here; see `DeterministicIds`.
    """

    def new(self, prefix: str, scope: str = "") -> str:
        return prefix + _base62(
            self._random(_LENGTHS.get(prefix, _DEFAULT_LENGTH), prefix, scope)
        )

    def snapshot(self, scope: str) -> str:
        """The eight random characters that end a fine-tuned model's name."""
        return _base62(self._random(8, "snapshot", scope))

    def seed(self) -> int:
        """A seed for a job that brings none: 0 .. 2**31 - 1."""
        return secrets.randbelow(2**31)

    def _random(self, length: int, prefix: str, scope: str) -> bytes:
        return secrets.token_bytes(length)


class DeterministicIds(Ids):
    """The same identifiers in each run on a fresh workspace.

    A counter runs for each prefix and scope, so that requests and jobs that
    happen at the same time do not take each other's numbers. `generation` counts
    the server's starts on a workspace: a restart must not give out an id twice.
    """

    def __init__(self, generation: int) -> None:
        self._generation = generation
        self._counts: Counter[tuple[str, str]] = Counter()
        self._lock = threading.Lock()

    def seed(self) -> int:
        return 42

    def _random(self, length: int, prefix: str, scope: str) -> bytes:
        with self._lock:
            self._counts[prefix, scope] += 1
            count = self._counts[prefix, scope]
        text = f"{self._generation}|{prefix}|{scope}|{count}"
        return hashlib.shake_256(text.encode()).digest(length)
