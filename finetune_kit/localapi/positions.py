"""Where a waiting job stands in the queue, told as an event whenever it changes."""

from finetune_kit.localapi import wording
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.story import OvertakenError, story


class Positions:
    """Remembers what each waiting job was told."""

    def __init__(self, kit: Kit) -> None:
        self._kit = kit
        self.told: dict[str, int] = {}  # job -> how many are served before it

    def tell(self, now: dict[str, int]) -> None:
        """`now`: the jobs that must wait, and how many are served before each."""
        for job_id, place in now.items():
            if self.told.get(job_id) != place:
                self._tell(job_id, place)
        self.told = now

    def _tell(self, job_id: str, place: int) -> None:
        try:
            with story(self._kit, job_id, "queued") as told:
                newest = told.db.execute(
                    "SELECT message FROM events WHERE job_id = ? ORDER BY seq DESC",
                    (job_id,),
                ).fetchone()
                # Told by an earlier server, or when it was enqueued.
                if not newest["message"].endswith(wording.queue_number(place)):
                    told.event(wording.waiting(job_id, place), data={})
        except OvertakenError:
            pass
