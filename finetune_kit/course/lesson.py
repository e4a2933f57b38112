"""What a lesson needs: its data, a folder for its files, and what earlier ones made.

A lesson can be opened alone: what an earlier lesson would have left (uploaded files, a
tuned model) is made on the spot, and a card says so.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

import finetune_kit
from finetune_kit import workspace
from finetune_kit.course import alone, mistakes
from finetune_kit.display.cards import Card, show
from finetune_kit.jobs.results import NotFinishedError

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types import FileObject
    from openai.types.fine_tuning import FineTuningJob


def _method(n_epochs: int) -> dict[str, Any]:
    hyperparameters = {"n_epochs": n_epochs}
    return {
        "type": "supervised",
        "supervised": {"hyperparameters": hyperparameters},
    }


SYSTEM = "You are a smart assistant that replies with Latin proverbs."
# What notebook 00 trains; the other lessons look at the same job.
SETTINGS: dict[str, Any] = {
    "model": "gpt-4.1-mini",
    "method": _method(n_epochs=3),
    "suffix": "proverbs",
    "seed": 7,
}


def data_folder() -> Path:
    """The folder of the data sets, as seen from here where that can be said.

    Outputs that name a file are then the same on every computer.
    """
    data = Path(finetune_kit.__file__).parents[1] / "data"
    try:
        return Path(os.path.relpath(data))
    except ValueError:  # on another drive of Windows
        return data


@dataclass(frozen=True)
class Lesson:
    """One lesson under way; ``client`` is what its cells call."""

    number: str
    client: OpenAI

    @property
    def data(self) -> Path:
        """The folder of the data sets."""
        return data_folder()

    @property
    def folder(self) -> Path:
        """Where this lesson writes its files; made if absent."""
        folder = workspace.home() / "lessons" / self.number
        folder.mkdir(parents=True, exist_ok=True)
        return folder

    def path(self, name: str) -> Path:
        """A data set's file, such as ``lesson.path("proverbs/train.jsonl")``."""
        return self.data / name

    def first_rows(self, n: int, name: str) -> Path:
        """A file ``name``.jsonl of this lesson with the first training rows."""
        with self._proverbs("train").open(encoding="utf-8") as rows:
            found = "".join(islice(rows, n))
        path = self.folder / f"{name}.jsonl"
        path.write_text(found, encoding="utf-8", newline="\n")
        return path

    def alone(self) -> Card:
        """Let the next cell run as in a learner's project: without the kit."""
        return alone.for_the_next_cell(self.client, self.folder, self.path("proverbs"))

    def files(self) -> tuple[FileObject, FileObject]:
        """The uploaded training and validation file of the proverbs."""
        return self._file(self._proverbs("train")), self._validation()

    def job(self) -> FineTuningJob:
        """A finished job on the proverbs: an earlier lesson's, else one made now."""
        noted = workspace.facts().get("proverbs_job")
        return self._finished(noted) or self._train()

    def job_on(self, training: Path, n_epochs: int = 3) -> FineTuningJob:
        """A finished job like `job`, but trained on another file; made once.

        The model bears the file's name.
        """
        name = training.stem
        return self._trained(
            f"train-{name}", training, suffix=name, method=_method(n_epochs)
        )

    def _proverbs(self, name: str) -> Path:
        return self.path(f"proverbs/{name}.jsonl")

    def _validation(self) -> FileObject:
        return self._file(self._proverbs("validation"))

    def _file(self, path: Path) -> FileObject:
        with workspace.step(f"upload-{path.stem}", path) as done:
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
        if job is None or job.status != "succeeded" or self._lost(job):
            return None
        return job

    def _train(self) -> FineTuningJob:
        job = self._trained("train", self._proverbs("train"), _CATCHING_UP)
        workspace.remember(proverbs_job=job.id, proverbs_model=job.fine_tuned_model)
        return job

    def _trained(
        self, name: str, training: Path, card: Card | None = None, **changes: Any
    ) -> FineTuningJob:
        """A job with the settings of all lessons, followed to its end; made once."""
        settings = SETTINGS | changes
        with workspace.step(
            name, training, self._proverbs("validation"), **settings
        ) as done:
            job: FineTuningJob | None = done.get(
                self.client.fine_tuning.jobs, quietly=True
            )
            if job is None or self._lost(job):
                if card:
                    show(card)
                job = self.client.fine_tuning.jobs.create(
                    training_file=self._file(training).id,
                    validation_file=self._validation().id,
                    **settings,
                )
                done.keep(job)
            job = finetune_kit.follow(self.client, job, log=card is None)
        if job.status != "succeeded":  # the watching was stopped, say
            raise NotFinishedError.of(job, "has made no model", "Run this cell again.")
        return job

    def _lost(self, job: FineTuningJob) -> bool:
        """Whether the model that the job made was deleted."""
        from openai import NotFoundError

        try:
            if job.fine_tuned_model:
                self.client.models.retrieve(job.fine_tuned_model)
        except NotFoundError:
            return True
        return False


_CATCHING_UP = Card(
    "A tuned model is needed here, and this workspace has none yet",
    [
        "The job of notebook 00 is run for you now: 100 proverbs, 3 epochs. "
        "Later lessons use the same model."
    ],
)


def lesson(number: str, client: OpenAI) -> Lesson:
    """Open lesson ``number``, such as "07", on the API behind ``client``."""
    mistakes.explain_in(number)
    return Lesson(number, client)
