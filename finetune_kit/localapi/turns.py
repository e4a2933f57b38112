"""Whose turn it is, when more jobs wait than can be worked on: fair between users."""

from collections import Counter
from collections.abc import Iterable
from sqlite3 import Row


class Turns:
    """Remembers who had the latest turn, so that users alternate."""

    def __init__(self) -> None:
        self._given = 0
        self._latest: dict[str, int] = {}  # owner -> number of the latest turn

    def next(
        self, waiting: list[Row], at_work: Iterable[Row], places: int
    ) -> list[Row]:
        """Up to `places` of the waiting jobs: of who has least at work, then of who
        has waited longest for a turn, then the oldest."""
        busy = Counter(job["owner"] for job in at_work)
        waiting, chosen = list(waiting), list[Row]()
        while waiting and len(chosen) < places:
            job = min(
                waiting,
                key=lambda job: (
                    busy[job["owner"]],
                    self._latest.get(job["owner"], 0),
                    job["seq"],
                ),
            )
            waiting.remove(job)
            self._given += 1
            self._latest[job["owner"]] = self._given
            busy[job["owner"]] += 1
            chosen.append(job)
        return chosen
