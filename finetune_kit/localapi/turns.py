"""Whose turn it is, when more jobs wait than can be worked on: fair between users."""

import math
from collections import Counter, deque
from collections.abc import Iterable
from heapq import heapify, heappop, heappush
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
        queues: dict[str, deque[Row]] = {}  # owner -> jobs, the oldest first
        for job in sorted(waiting, key=lambda job: job["seq"]):
            queues.setdefault(job["owner"], deque()).append(job)

        def rank(owner: str) -> tuple[int, int, int, str]:
            latest = self._latest.get(owner, 0)
            return busy[owner], latest, queues[owner][0]["seq"], owner

        line = [rank(owner) for owner in queues]
        heapify(line)
        chosen = list[Row]()
        while line and len(chosen) < places:
            *_, owner = heappop(line)
            if busy[owner] >= each:
                continue
            chosen.append(queues[owner].popleft())
            self._given += 1
            self._latest[owner] = self._given
            busy[owner] += 1
            if queues[owner]:
                heappush(line, rank(owner))
        return chosen

    def line(self, waiting: list[Row], at_work: Iterable[Row]) -> list[Row]:
        """The waiting jobs in the order in which they will have their turns, as it
        looks now; nobody's turn is taken by looking."""
        ahead = Turns()
        ahead._given, ahead._latest = self._given, dict(self._latest)
        return ahead.next(waiting, at_work, len(waiting))
