"""Learning from prompts and completions, as the API of 2023 did.

The loss counts the tokens of the completion, and those of the prompt as much as
`prompt_loss_weight` says. What is called accuracy looks at the completion alone.
"""

from collections.abc import Sequence
from typing import Any, cast

import numpy as np

from finetune_kit.engines.contract import Metrics
from finetune_kit.engines.tinygpt.arrays import Array
from finetune_kit.engines.tinygpt.chat import Example, batch
from finetune_kit.engines.tinygpt.classification import Classification
from finetune_kit.engines.tinygpt.model import Loss, Parameters, loss_and_gradient
from finetune_kit.engines.tinygpt.train import VALIDATION_BATCH, Settings, Training


class CompletionObjective:
    """Weighted cross-entropy; the items are examples that know their `answer`."""

    def __init__(self, p: Parameters) -> None:
        self.p = p

    def learn(self, items: Sequence[Example], g: Parameters) -> dict[str, float]:
        inputs, targets, weights = batch(items)
        loss = loss_and_gradient(self.p, inputs, targets, weights, g)
        return measured(items, [loss.loss], [weights], [loss])

    def measure(self, items: Sequence[Example]) -> dict[str, float]:
        parts = [
            batch(items[start : start + VALIDATION_BATCH])
            for start in range(0, len(items), VALIDATION_BATCH)
        ]
        found = [loss_and_gradient(self.p, *part) for part in parts]
        weights = [part[2] for part in parts]
        return measured(items, [loss.loss for loss in found], weights, found)


def measured(
    items: Sequence[Example],
    losses: Sequence[float],
    weights: Sequence[Array],
    found: Sequence[Loss],
) -> dict[str, float]:
    """Mean loss by weight; share of completions' tokens, and of whole completions,
    that the model would have said by itself. The lists go batch by batch."""
    right: list[bool] = []
    whole: list[bool] = []
    rest = list(items)
    for weight, loss in zip(weights, found, strict=True):
        part, rest = rest[: len(weight)], rest[len(weight) :]
        rows, columns = np.nonzero(weight > 0)
        for row, example in enumerate(part):
            # column t holds the target that follows token t
            own = loss.right[(rows == row) & (columns + 1 >= example.answer)]
            right += own.tolist()
            whole.append(bool(own.all()))
    totals = [float(weight.sum()) for weight in weights]
    return {
        "loss": float(np.average(losses, weights=totals)),
        "mean_token_accuracy": float(np.mean(right)),
        "sequence_accuracy": float(np.mean(whole)),
    }


class CompletionTraining(Training):
    """Training that also says how much data it has seen, and after each epoch how well
    the model tells classes apart."""

    def __init__(
        self,
        p: Parameters,
        examples: Sequence[Example],
        validation: Sequence[Example],
        settings: Settings,
        classification: Classification | None,
    ) -> None:
        super().__init__(p, examples, validation, settings, CompletionObjective(p))
        self.classification = classification

    def step(self) -> Metrics:
        metrics: dict[str, Any] = {**super().step(), **self.seen()}
        if self.at_epoch_end and self.classification:
            metrics |= self.classification.measure(self.p)
        return cast(Metrics, metrics)

    def seen(self) -> dict[str, int]:
        """Tokens and examples up to this step, each epoch counted anew."""
        epoch, index = divmod(self.step_number - 1, self.steps_per_epoch)
        sizes = np.array([len(example.tokens) for example in self.examples])
        read = self.order(epoch)[: (index + 1) * self.settings.batch_size]
        return {
            "elapsed_tokens": int(epoch * sizes.sum() + sizes[read].sum()),
            "elapsed_examples": epoch * len(sizes) + len(read),
        }
