"""Which checkpoint is the best? Its losses on the curve, and what it answers."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from finetune_kit.display.cards import Card
from finetune_kit.display.charts import Chart, loss_chart
from finetune_kit.display.tables import Table
from finetune_kit.display.widgets.panel import Panel, Stack
from finetune_kit.evaluate import side_by_side
from finetune_kit.jobs.results import results

if TYPE_CHECKING:
    import ipywidgets
    from openai import OpenAI
    from openai.types.fine_tuning import FineTuningJob
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

DELETED = "If a clean-up has deleted the model: run the job's cell again."


def checkpoint_picker(
    client: OpenAI,
    job: FineTuningJob | str,
    questions: Sequence[str] = (),
    system: str | None = None,
) -> CheckpointPicker:
    """Choose a checkpoint of a finished job on its loss curve and see it answer.

    Where controls do not live, the curve in words, and tables of all checkpoints and of
    their answers. Raises NotFinishedError where the job did not succeed (yet).
    """
    return CheckpointPicker(client, job, questions, system)


class CheckpointPicker(Panel):
    """A job's curve and checkpoints; answers are asked for once each."""

    def __init__(
        self,
        client: OpenAI,
        job: FineTuningJob | str,
        questions: Sequence[str],
        system: str | None,
    ) -> None:
        id_ = job if isinstance(job, str) else job.id
        self.client, self.questions, self.system = client, questions, system
        self.curve = results(client, id_)
        listed = client.fine_tuning.jobs.checkpoints.list(id_)
        found = sorted(listed, key=lambda one: one.step_number)
        self.checkpoints = {one.step_number: one for one in found}
        if not found:
            raise ValueError(f"{id_} has no checkpoints left to choose from.")
        self.step = found[-1].step_number
        self._answers: dict[int, Table | Card] = {}

    def twin(self) -> Stack:
        parts: list[Any] = [
            Card(self._chart().alt),
            _table(list(self.checkpoints.values())),
        ]
        if self.questions:
            steps = self.checkpoints.items()
            models = {
                _name(step): one.fine_tuned_model_checkpoint for step, one in steps
            }
            parts.append(side_by_side(self.client, models, self.questions, self.system))
        return Stack(parts)

    def controls(self) -> ipywidgets.Widget:
        from ipywidgets import ToggleButtons

        options = [(_name(step), step) for step in self.checkpoints]
        choice = ToggleButtons(
            options=options, value=self.step, description="Checkpoint"
        )
        choice.observe(lambda change: self.choose(change.new), "value")
        return choice

    def choose(self, step: int) -> None:
        """Show the checkpoint of this step: its losses at once, then its answers."""
        self.step = step
        self.refresh()
        if self.questions and step not in self._answers:
            self._ask()
            self.refresh()

    def result(self) -> Stack:
        checkpoint = self.checkpoints[self.step]
        parts: list[Any] = [self._chart(self.step), _table([checkpoint])]
        if self.questions:
            asking = Card(f"Asking the checkpoint of {_name(self.step)} …")
            parts.append(self._answers.get(self.step, asking))
        return Stack(parts)

    def _ipython_display_(self) -> None:
        super()._ipython_display_()
        if self._handle is not None:
            self.choose(self.step)

    def _ask(self) -> None:
        """The answers; where there are none, such as from a deleted model, why."""
        from openai import OpenAIError

        model = self.checkpoints[self.step].fine_tuned_model_checkpoint
        try:
            self._answers[self.step] = side_by_side(
                self.client, {_name(self.step): model}, self.questions, self.system
            )
        except OpenAIError as error:
            title = f"{_name(self.step)}: no answer"
            self._answers[self.step] = Card(title, [f"{error}", DELETED], "bad")

    def _chart(self, chosen: int | None = None) -> Chart:
        chart = loss_chart(self.curve, self.checkpoints.values())
        if chosen is not None:
            chart.axes[0].axvline(chosen, color="black", lw=3, zorder=0)
            chart.alt += f" Chosen: {_name(chosen)}."
        return chart


def _name(step: int) -> str:
    return f"step {step}"


def _table(checkpoints: Sequence[FineTuningJobCheckpoint]) -> Table:
    columns = ["step", "training loss", "validation loss, all", "model"]
    rows = [
        [
            one.step_number,
            one.metrics.train_loss,
            one.metrics.full_valid_loss,
            one.fine_tuned_model_checkpoint,
        ]
        for one in checkpoints
    ]
    return Table(columns, rows)
