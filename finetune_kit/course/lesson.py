"""What a lesson needs: its data, a folder for its files, and what earlier ones made.

A lesson can be opened alone: what an earlier lesson would have left (uploaded files, a
tuned model) is made on the spot, and a card says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_kit
from finetune_kit import workspace
from finetune_kit.course import alone
from finetune_kit.display.cards import Card, show

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob

SYSTEM = "You are a smart assistant that replies with Latin proverbs."
# What notebook 00 trains; the other lessons look at the same job.
SETTINGS: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "method": {
        "type": "supervised",
        "supervised": {"hyperparameters": {"n_epochs": 3}},
    },
    "suffix": "proverbs",
    "seed": 7,
}


@dataclass(frozen=True)
class Lesson:
    """One lesson under way; ``client`` is what its cells call."""

    number: str
    client: OpenAI

    @property
    def data(self) -> Path:
        """The folder of the data sets, as seen from here where that can be said.

        Outputs that name a file are then the same on every computer.
        """
        data = Path(finetune_kit.__file__).parents[1] / "data"
        try:
            return Path(os.path.relpath(data))
        except ValueError:  # on another drive of Windows
            return data

    @property
    def folder(self) -> Path:
        """Where this lesson writes its files; made if absent."""
        folder = workspace.home() / "lessons" / self.number
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, name: str) -> Path:
        """A data set's file, such as ``lesson.path("proverbs/train.jsonl")``."""
        return self.data / name

    def alone(self) -> Card:
        """Let the next cell run as in a learner's project: without the kit."""
        return alone.for_the_next_cell(self.client, self.folder, self.path("proverbs"))

    def files(self) -> tuple[FileObject, FileObject]:
        """The uploaded training and validation file of the proverbs."""
        train, validation = (self._file(name) for name in ("train", "validation"))
        return train, validation

    def job(self) -> FineTuningJob:
        """A finished job on the proverbs: an earlier lesson's, else one made now."""
        noted = workspace.facts().get("proverbs_job")
        return self._finished(noted) or self._train()

    def _file(self, name: str) -> FileObject:
        path = self.path(f"proverbs/{name}.jsonl")
        with workspace.step(f"upload-{name}", path) as done:
            found: FileObject | None = done.get(self.client.files, quietly=True)
            made = found or self.client.files.create(file=path, purpose="fine-tune")
            done.keep(made)
        return made

    def _finished(self, job_id: str | None) -> FineTuningJob | None:
        """The job, if this API knows it and it has succeeded."""
        from openai import NotFoundError

        try:
            job = self.client.fine_tuning.jobs.retrieve(job_id) if job_id else None
        except NotFoundError:
            return None
        return job if job and job.status == "succeeded" else None

    def _train(self) -> FineTuningJob:
        files = [self.path(f"proverbs/{n}.jsonl") for n in ("train", "validation")]
        with workspace.step("train", *files, **SETTINGS) as done:
            job: FineTuningJob | None = done.get(
                self.client.fine_tuning.jobs, quietly=True
            )
            if job is None:
                show(_CATCHING_UP)
                train, validation = self.files()
                job = self.client.fine_tuning.jobs.create(
                    training_file=train.id, validation_file=validation.id, **SETTINGS
                )
                done.keep(job)
            job = finetune_kit.follow(self.client, job)
        workspace.remember(proverbs_job=job.id, proverbs_model=job.fine_tuned_model)
        return job


_CATCHING_UP = Card(
    "A tuned model is needed here, and this workspace has none yet",
    [
        "The job of notebook 00 is run for you now: 100 proverbs, 3 epochs. "
        "Later lessons use the same model."
    ],
)


def lesson(number: str, client: OpenAI) -> Lesson:
    """Open lesson ``number``, such as "07", on the API behind ``client``."""
    return Lesson(number, client)
