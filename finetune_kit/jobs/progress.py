"""What is known of a job at a moment, and the card that shows it."""

from __future__ import annotations

import html
import os
import time
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from finetune_kit.disk import LEAST_ROOM
from finetune_kit.display.cards import TONES, Card

if TYPE_CHECKING:
    from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

TONE = {"succeeded": "good", "failed": "bad", "cancelled": "warn", "paused": "warn"}
LOSSES = {
    "train_loss": "training loss",
    "valid_loss": "validation loss",
    "full_valid_loss": "full validation loss",
}
WHAT_TO_DO = {
    "training_file": "Run `check(path)` on the training file: it names each fault with "
    "its line and the repair. Then upload the file again and create a new job.",
    "validation_file": "Run `check(path)` on the validation file: it names each fault "
    "with its line and the repair. Then upload it again and create a new job.",
}
NO_ROOM = (
    f"Less than {LEAST_ROOM >> 20} MB are left on the workspace's disk, or it cannot "
    "be written, so the job may have to wait. Mend that, and it goes on by itself."
)
ELSE_TO_DO = (
    "Read the events above, change what they name, and create the job again. "
    "`finetune-kit doctor` tells whether this computer is in order."
)


@dataclass
class Progress:
    """A job with its events so far, oldest first."""

    job: FineTuningJob
    events: list[FineTuningJobEvent] = field(default_factory=list)
    interrupted: bool = False
    no_room: bool = False  # on this computer's disk
    last: dict[str, Any] = field(default_factory=dict)  # newest value of each metric

    def add(self, events: list[FineTuningJobEvent]) -> None:
        self.events += events
        for event in events:
            self.last.update(_metrics(event))

    @property
    def log(self) -> list[FineTuningJobEvent]:
        """The events worth a line: all messages, and the last step of each epoch."""
        return [event for event in self.events if _is_told(event)]


def _metrics(event: FineTuningJobEvent) -> dict[str, Any]:
    data = event.data if isinstance(event.data, dict) else {}
    return data if event.type == "metrics" else {}


def _is_told(event: FineTuningJobEvent) -> bool:
    return event.type != "metrics" or "full_valid_loss" in _metrics(event)


def line(event: FineTuningJobEvent) -> str:
    """The event's message, with its level where that is not `info`."""
    return event.message if event.level == "info" else f"{event.level}: {event.message}"


def card(progress: Progress, log: bool = True) -> Card:
    """State, step, losses, time and events of the job; what to do where it failed."""
    job = progress.job
    step, total = progress.last.get("step", 0), progress.last.get("total_steps", 0)
    parts = [f"step {step} of {total}"] if total else []
    parts += [
        f"{name} {progress.last[key]:.3f}"
        for key, name in LOSSES.items()
        if progress.last.get(key) is not None  # null: the loss has left the numbers
    ]
    parts += [] if os.environ.get("FINETUNE_KIT_DETERMINISTIC") else [_elapsed(job)]
    return _JobCard(
        f"Fine-tuning {job.model}: {job.status}",
        _advice(progress),
        TONE.get(job.status, "warn" if progress.interrupted else "plain"),
        figures=" · ".join(parts),
        fraction=step / total if total else 0.0,
        log=[line(event) for event in progress.log] if log else [],
    )


def _elapsed(job: FineTuningJob) -> str:
    return f"{max(0, (job.finished_at or int(time.time())) - job.created_at)} s"


def _advice(progress: Progress) -> list[str]:
    job = progress.job
    status: str = job.status  # the SDK's type does not list `paused`
    if status == "paused":
        return [
            "The job is paused and waits. To go on, run "
            f'`client.fine_tuning.jobs.resume("{job.id}")`, then '
            f'`follow(client, "{job.id}")`; in a terminal, '
            f"`finetune-kit jobs resume {job.id}` and "
            f"`finetune-kit jobs follow {job.id}`."
        ]
    if progress.interrupted:
        return [
            "You stopped watching; the job goes on. Run this cell again, or "
            f'`follow(client, "{job.id}")`, and it continues from here; in a '
            f"terminal, `finetune-kit jobs follow {job.id}`."
        ]
    if progress.no_room and not job.finished_at:
        return [NO_ROOM]
    if job.status == "failed" and job.error:
        do = WHAT_TO_DO.get(job.error.param or "", ELSE_TO_DO)
        return [f"Why: {job.error.message} (`{job.error.code}`)", f"What to do: {do}"]
    if job.status == "cancelled":
        return ["The job was cancelled; no model was made. Create it again to go on."]
    if job.fine_tuned_model:
        return [f"The tuned model is called `{job.fine_tuned_model}`."]
    return []


@dataclass
class _JobCard(Card):
    """A card with figures, bar and the list of events between title and advice."""

    figures: str = ""
    fraction: float = 0.0
    log: list[str] = field(default_factory=list)

    def _repr_html_(self) -> str:
        events = "".join(f"<li>{html.escape(event)}</li>" for event in self.log)
        list_style = "margin:.3em 0;padding-left:1.4em;font-size:.92em;opacity:.85"
        self.extra = (
            f"<div>{self.figures}</div>"
            '<div style="height:8px;border-radius:4px;margin:.4em 0;'
            'background:rgba(128,128,128,.25)">'
            f'<div style="height:8px;border-radius:4px;width:{self.fraction:.0%};'
            f'background:{TONES[self.tone]}"></div></div>'
            f'<ul style="{list_style}">{events}</ul>'
        )
        return super()._repr_html_()

    def __repr__(self) -> str:
        return "\n".join([self.title, self.figures, *self.log, *self.lines])
