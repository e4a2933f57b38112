"""The server's clock, in whole Unix seconds, as the API shows time."""

import threading
import time

# 2026-01-05 09:00:00 UTC: what a deterministic server believes it is at first.
DETERMINISTIC_START = 1_767_603_600
DETERMINISTIC_STEP = 1


class Clock:
    """The time of day; never before `not_before` (a restart keeps the order)."""

    def __init__(self, not_before: int = 0) -> None:
        self._not_before = not_before
        self._ahead = 0  # seconds

    def now(self) -> int:
        """The time to stamp on something new."""
        return max(int(time.time()) + self._ahead, self._not_before)

    def reading(self) -> int:
        """The time to compare with; stamps nothing."""
        return self.now()

    def after(self, previous: int, observed: float | None = None) -> int:
        """The next time stamp in one job's story, not before `previous`.

        `observed` is when it happened by the worker's own clock, if known.
        """
        seen = self.now() if observed is None else int(observed) + self._ahead
        return max(previous, seen)

    def catch_up(self, moment: int) -> None:
        """From now on, do not answer with a time before `moment`."""
        self._not_before = max(self._not_before, moment)

    def advance(self, seconds: int) -> None:
        """Go on as if so much time had gone by."""
        self._ahead += seconds


class DeterministicClock(Clock):
    """Starts at a fixed time and advances by a fixed step with each reading.

    Each job's story runs on its own (`after`), so that how often somebody polls,
    or how fast the worker is, does not change any time stamp.
    """

    def __init__(self, not_before: int = 0) -> None:
        super().__init__(not_before)
        self._next = max(DETERMINISTIC_START, not_before)
        self._lock = threading.Lock()

    def now(self) -> int:
        with self._lock:
            self._next += DETERMINISTIC_STEP
            return self._next - DETERMINISTIC_STEP

    def reading(self) -> int:
        return self._next

    def after(self, previous: int, observed: float | None = None) -> int:
        return previous + DETERMINISTIC_STEP

    def advance(self, seconds: int) -> None:
        with self._lock:
            self._next += seconds

    def catch_up(self, moment: int) -> None:
        with self._lock:
            self._next = max(self._next, moment + DETERMINISTIC_STEP)
