"""The loop that a job runs, and the objective of supervised fine-tuning.

Adam on the objective's loss, 5 % warm-up, linear decay to zero, examples
in a new random order each epoch. The state after any step can be saved and continued
from; the result is equal, bit by bit, to a run that was never interrupted.
"""

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol, cast

import numpy as np

from finetune_kit.engines.contract import Metrics
from finetune_kit.engines.tinygpt.adam import Adam, schedule
from finetune_kit.engines.tinygpt.arrays import IntArray
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


class Objective(Protocol):
    """What a method of fine-tuning learns from its items, and how it measures.

    Both return at least `loss` and `mean_token_accuracy`.
    """

    def learn(self, items: Sequence[Any], g: Parameters) -> dict[str, float]:
        """Write the gradient of the items' mean loss into g."""

    def measure(self, items: Sequence[Any]) -> dict[str, float]: ...


class Supervised:
    """Cross-entropy of the assistant's tokens; the items are examples."""

    def __init__(self, p: Parameters) -> None:
        self.p = p

    def learn(self, items: Sequence[Example], g: Parameters) -> dict[str, float]:
        return _named(loss_and_gradient(self.p, *batch(items), g))

    def measure(self, items: Sequence[Example]) -> dict[str, float]:
        return _named(evaluate(self.p, items))


def _named(loss: Loss) -> dict[str, float]:
    return {"loss": loss.loss, "mean_token_accuracy": loss.accuracy}


class Training:
    """A job under way: weights, optimiser, and the position in the data.

    A step raises FloatingPointError where training has left the numbers.
    """

    def __init__(
        self,
        p: Parameters,
        examples: Sequence[Any],
        validation: Sequence[Any],
        settings: Settings,
        objective: Objective | None = None,
    ) -> None:
        self.objective = objective or Supervised(p)
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
        try:
            # Apple's M4 reports overflows of every product or of none (numpy#28687).
            with np.errstate(all="ignore"):
                metrics = self.learn() | self.validate()
        except FloatingPointError:
            raise FloatingPointError(
                f"At step {self.step_number} the loss is not a number any more: the "
                "learning rate is far too high. Create the job again with a lower "
                "learning_rate_multiplier, or with 'auto'."
            ) from None
        at = {"step": self.step_number, "total_steps": self.total_steps}
        return cast(Metrics, at | metrics)

    def learn(self) -> dict[str, float]:
        learnt = self.objective.learn(self.next_examples(), self.g)
        self.adam.step(self.g, self.learning_rate())
        # A model of NaN has no answers; the weights are looked at once an epoch.
        whole = not self.at_epoch_end or np.isfinite(self.p.flat.sum())
        if not (math.isfinite(learnt["loss"]) and whole):
            raise FloatingPointError
        return _prefixed("train", learnt)

    def next_examples(self) -> list[Any]:
        """The batch of the current step; the order depends on seed and epoch alone."""
        epoch, index = divmod(self.step_number - 1, self.steps_per_epoch)
        start = index * self.settings.batch_size
        chosen = self.order(epoch)[start : start + self.settings.batch_size]
        return [self.examples[i] for i in chosen]

    def order(self, epoch: int) -> IntArray:
        rng = np.random.default_rng([self.settings.seed, epoch])
        return rng.permutation(len(self.examples))

    def learning_rate(self) -> float:
        warmup = max(1, round(WARMUP * self.total_steps))
        peak = self.settings.learning_rate
        return schedule(self.step_number, self.total_steps + 1, peak, warmup, 0.0)

    def validate(self) -> dict[str, float]:
        """A few validation examples now and then, all of them after each epoch."""
        measured: dict[str, float] = {}
        if not self.validation:
            return measured
        if self.step_number % MINI_VALIDATION == 0 or self.at_epoch_end:
            start = self.step_number // MINI_VALIDATION * MINI_VALIDATION_EXAMPLES
            n = len(self.validation)
            some = [
                self.validation[(start + i) % n]
                for i in range(min(MINI_VALIDATION_EXAMPLES, n))
            ]
            measured |= _prefixed("valid", self.objective.measure(some))
        if self.at_epoch_end:
            full = self.objective.measure(self.validation)
            measured |= _prefixed("full_valid", full)
        return measured

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


def _prefixed(kind: str, measured: dict[str, float]) -> dict[str, float]:
    return {f"{kind}_{name}": value for name, value in measured.items()}


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
