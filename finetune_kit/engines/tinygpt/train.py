"""Supervised fine-tuning: the loop that a job runs.

Adam on the loss of the assistant's tokens, 5 % warm-up, linear decay to zero, examples
in a new random order each epoch. The state after any step can be saved and continued
from; the result is equal, bit by bit, to a run that was never interrupted.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from finetune_kit.engines.contract import Metrics
from finetune_kit.engines.tinygpt.adam import Adam, schedule
from finetune_kit.engines.tinygpt.chat import Example, batch
from finetune_kit.engines.tinygpt.model import Loss, Parameters, loss_and_gradient

WARMUP = 0.05  # share of the steps
MINI_VALIDATION = 10  # steps between looks at a few validation examples
MINI_VALIDATION_EXAMPLES = 4
VALIDATION_BATCH = 8


@dataclass(frozen=True)
class Settings:
    """Hyperparameters of one job; `learning_rate` is the peak."""

    n_epochs: int
    batch_size: int
    learning_rate: float
    seed: int


class Training:
    """A job under way: weights, optimiser, and the position in the data.

    A step raises FloatingPointError where training has left the numbers.
    """

    def __init__(
        self,
        p: Parameters,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: Settings,
    ) -> None:
        self.p, self.g, self.adam = p, p.like(), Adam(p)
        self.examples, self.validation = examples, validation
        self.settings = settings
        self.steps_per_epoch = math.ceil(len(examples) / settings.batch_size)
        self.total_steps = self.steps_per_epoch * settings.n_epochs
        self.step_number = 0

    @property
    def at_epoch_end(self) -> bool:
        return self.step_number > 0 and self.step_number % self.steps_per_epoch == 0

    def __iter__(self) -> Iterator[Metrics]:
        """Train to the end, one step at a time."""
        while self.step_number < self.total_steps:
            yield self.step()

    def step(self) -> Metrics:
        """One batch forward, backward and update; what was measured on the way."""
        self.step_number += 1
        loss = loss_and_gradient(self.p, *batch(self.next_examples()), self.g)
        self.adam.step(self.g, self.learning_rate())
        self.refuse_divergence(loss.loss)
        metrics: Metrics = {
            "step": self.step_number,
            "total_steps": self.total_steps,
            "train_loss": loss.loss,
            "train_mean_token_accuracy": loss.accuracy,
        }
        if self.validation:
            self.validate(metrics)
        return metrics

    def refuse_divergence(self, loss: float) -> None:
        """A model of NaN has no answers; the weights are looked at once an epoch."""
        whole = not self.at_epoch_end or np.isfinite(self.p.flat.sum())
        if not (math.isfinite(loss) and whole):
            raise FloatingPointError(
                f"At step {self.step_number} the loss is not a number any more: the "
                "learning rate is far too high. Create the job again with a lower "
                "learning_rate_multiplier, or with 'auto'."
            )

    def next_examples(self) -> list[Example]:
        """The batch of the current step; the order depends on seed and epoch alone."""
        epoch, index = divmod(self.step_number - 1, self.steps_per_epoch)
        rng = np.random.default_rng([self.settings.seed, epoch])
        order = rng.permutation(len(self.examples))
        start = index * self.settings.batch_size
        chosen = order[start : start + self.settings.batch_size]
        return [self.examples[i] for i in chosen]

    def learning_rate(self) -> float:
        warmup = max(1, round(WARMUP * self.total_steps))
        peak = self.settings.learning_rate
        return schedule(self.step_number, self.total_steps + 1, peak, warmup, 0.0)

    def validate(self, metrics: Metrics) -> None:
        """A few validation examples now and then, all of them after each epoch."""
        if self.step_number % MINI_VALIDATION == 0 or self.at_epoch_end:
            start = self.step_number // MINI_VALIDATION * MINI_VALIDATION_EXAMPLES
            n = len(self.validation)
            some = [
                self.validation[(start + i) % n]
                for i in range(min(MINI_VALIDATION_EXAMPLES, n))
            ]
            mini = evaluate(self.p, some)
            metrics["valid_loss"] = mini.loss
            metrics["valid_mean_token_accuracy"] = mini.accuracy
        if self.at_epoch_end:
            full = evaluate(self.p, self.validation)
            metrics["full_valid_loss"] = full.loss
            metrics["full_valid_mean_token_accuracy"] = full.accuracy

    # ------------------------------------------------------------- save and continue

    def save_state(self, folder: Path) -> None:
        """Adam's state and the position, next to the weights of a checkpoint."""
        state = {"step": self.step_number, "adam_step": self.adam.step_number}
        (folder / "state.json").write_text(json.dumps(state), "utf-8")
        np.savez(folder / "state.npz", m=self.adam.m, v=self.adam.v, theta=self.p.flat)

    def load_state(self, folder: Path) -> None:
        state = json.loads((folder / "state.json").read_text("utf-8"))
        with np.load(folder / "state.npz", allow_pickle=False) as arrays:
            self.adam.m[:], self.adam.v[:] = arrays["m"], arrays["v"]
            self.p.flat[:] = arrays["theta"]
        self.step_number, self.adam.step_number = state["step"], state["adam_step"]


def evaluate(p: Parameters, examples: Sequence[Example]) -> Loss:
    """Mean loss and accuracy per learnt token over all examples."""
    total = correct = 0.0
    tokens = 0
    for start in range(0, len(examples), VALIDATION_BATCH):
        part = loss_and_gradient(p, *batch(examples[start : start + VALIDATION_BATCH]))
        total += part.loss * part.tokens
        correct += part.accuracy * part.tokens
        tokens += part.tokens
    return Loss(total / tokens, correct / tokens, tokens)
