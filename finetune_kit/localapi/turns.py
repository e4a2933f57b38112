"""Whose turn it is, when more jobs wait than can be worked on: fair between users."""

import copy
import math
from collections import Counter
from collections.abc import Iterable
from sqlite3 import Row


class Turns:
    """Remembers who had the latest turn, so that users alternate."""

    def __init__(self) -> None:
        self._given = 0
        self._latest: dict[str, int] = {}  # owner -> number of the latest turn

    def next(
        self,
        waiting: list[Row],
        at_work: Iterable[Row],
        places: int,
        each: float = math.inf,
    ) -> list[Row]:
        """Up to `places` of the waiting jobs: of who has least at work, then of who
        has waited longest for a turn, then the oldest. At most `each` of one owner
        are at work at once."""
        busy = Counter(job["owner"] for job in at_work)
        waiting, chosen = list(waiting), list[Row]()
        while len(chosen) < places:
            admitted = [job for job in waiting if busy[job["owner"]] < each]
            if not admitted:
                break
            job = min(
                admitted,
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

    def line(self, waiting: list[Row], at_work: Iterable[Row]) -> list[Row]:
        """The waiting jobs in the order in which they will have their turns, as it
        looks now; nobody's turn is taken by looking."""
        return copy.deepcopy(self).next(waiting, at_work, len(waiting))
