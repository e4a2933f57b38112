"""Watch a job until it ends or is paused; live in a notebook, in lines elsewhere."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, TypeVar

from finetune_kit import disk, local_server, workspace
from finetune_kit.connect import is_near
from finetune_kit.display.cards import in_notebook
from finetune_kit.jobs.job_ids import id_of
from finetune_kit.jobs.progress import NO_ROOM, Progress, card, line

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

T = TypeVar("T")

RESTING = {"succeeded", "failed", "cancelled", "paused"}
PAGE = 100  # events a request
# Between two looks at the job: on this computer, at a class's server, far away.
LOCAL_SECONDS, NEAR_SECONDS, REMOTE_SECONDS = 0.2, 1.0, 5.0

_told: dict[str, set[str]] = {}  # API and job -> events printed by this process


def follow(client: OpenAI, job: FineTuningJob | str, log: bool = True) -> FineTuningJob:
    """Show the job's progress until it ends or is paused; return it as it is then.

    An interrupt (Ctrl-C, the notebook's stop button) ends only the watching and
    returns the unfinished job. Call it again, now or after a restart, to go on; no
    event is told twice. A failed or paused job is shown with what to do, not raised.
    In a notebook, ``log`` says whether the card lists the events.
    """
    id_ = id_of(job, "follow")
    screen = _screen(f"{client.base_url} {id_}", log)
    watch = _Watch(client, id_)
    try:
        while watch.look().job.status not in RESTING:
            screen.update(watch.progress)
            time.sleep(watch.seconds)
    except KeyboardInterrupt:
        watch.progress.interrupted = True
    screen.finish(watch.progress)
    return watch.progress.job


class _Watch:
    """Reads the job and its new events; bridges a restart of the local server."""

    def __init__(self, client: OpenAI, id_: str) -> None:
        self.client, self.id = client, id_
        url = str(client.base_url)
        self.local = local_server.listens_at(url)
        self.seconds = NEAR_SECONDS if is_near(url) else REMOTE_SECONDS
        if self.local:
            self.seconds = LOCAL_SECONDS
        self.progress = Progress(self._reach(self._job))

    def look(self) -> Progress:
        self.progress.no_room = self.local and not disk.has_room(workspace.home())
        # the job first: when it has ended, its last event is there as well
        self.progress.job = self._reach(self._job)
        self.progress.add(self._reach(self._new_events))
        return self.progress

    def _reach(self, call: Callable[[], T]) -> T:
        from openai import APIConnectionError

        try:
            return call()
        except APIConnectionError:
            if not self.local:
                raise
            self._start_server()
            return call()

    def _start_server(self) -> None:
        """It was killed: the job went on, and its port stays if it can."""
        server = local_server.running()
        if not local_server.listens_at(str(self.client.base_url)):
            raise local_server.ServerError(
                f"The local API was started anew, at {server.base_url}: its port was "
                f"taken, or the workspace {server.folder.parent} was moved or deleted. "
                "Run the cell with kit.connect() again, then this one. A job that is "
                "not found then went with the workspace: move it back, or run the "
                "notebook from its first cell."
            )

    def _job(self) -> FineTuningJob:
        return self.client.fine_tuning.jobs.retrieve(self.id)

    def _new_events(self) -> list[FineTuningJobEvent]:
        """Events that were not read before, oldest first."""
        known = {event.id for event in self.progress.events}
        pages = self.client.fine_tuning.jobs.list_events(self.id, limit=PAGE)
        new = []
        for event in pages:  # newest first; further pages are fetched as needed
            if event.id in known:
                break
            new.append(event)
        return new[::-1]


class _Lines:
    """Outside Jupyter: one line an event, each printed once by this process."""

    def __init__(self, id_: str) -> None:
        self.told = _told.setdefault(id_, set())

    def update(self, progress: Progress) -> None:
        if progress.no_room and NO_ROOM not in self.told:
            self.told.add(NO_ROOM)
            print(NO_ROOM, flush=True)
        for event in progress.log:
            if event.id not in self.told:
                self.told.add(event.id)
                print(line(event), flush=True)

    def finish(self, progress: Progress) -> None:
        self.update(progress)
        if progress.interrupted or progress.job.status in ("failed", "paused"):
            print(card(progress, log=False))


class _Live:
    """In Jupyter: one card, updated in place; its last state stays in the file."""

    def __init__(self, log: bool) -> None:
        from IPython.display import DisplayHandle

        self.log = log
        self.handle: DisplayHandle | None = None

    def update(self, progress: Progress) -> None:
        from IPython.display import display

        shown = card(progress, self.log)
        if self.handle is None:
            self.handle = display(shown, display_id=True)  # type: ignore[no-untyped-call]
        else:
            self.handle.update(shown)  # type: ignore[no-untyped-call]

    finish = update


class _Quiet(_Live):
    """In deterministic runs: the last state only, without times."""

    def update(self, progress: Progress) -> None: ...

    finish = _Live.update


def _screen(id_: str, log: bool) -> _Lines | _Live:
    if not in_notebook():
        return _Lines(id_)
    quiet = os.environ.get("FINETUNE_KIT_DETERMINISTIC")
    return _Quiet(log) if quiet else _Live(log)
