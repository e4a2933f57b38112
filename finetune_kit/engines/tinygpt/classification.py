"""How well a model tells classes apart: the metrics of the fine-tunes API of 2023.

A class is a completion. The model's choice is the completion that it finds likeliest
after the prompt; its score for a class is that completion's share of the probability
of all. Definitions as in scikit-learn; an undefined precision or recall counts 0.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array
from finetune_kit.engines.tinygpt.chat import batch, encode_example
from finetune_kit.engines.tinygpt.model import Parameters, loss_and_gradient
from finetune_kit.engines.tinygpt.tokenizer import Tokenizer


class Question(NamedTuple):
    """One validation prompt: its place among the classes."""

    prompt: str
    label: int


class Classification:
    """The validation file as questions; `rows` have `prompt` and `completion`."""

    def __init__(
        self,
        tokenizer: Tokenizer,
        training: Sequence[dict[str, Any]],
        validation: Sequence[dict[str, Any]],
        context: int,
        *,
        positive_class: str | None,
        betas: Sequence[float],
    ) -> None:
        spoken = {row["completion"].strip(): row["completion"] for row in training}
        for row in validation:
            spoken.setdefault(row["completion"].strip(), row["completion"])
        names = sorted(spoken)
        self.completions = [spoken[name] for name in names]
        self.questions = [
            Question(row["prompt"], names.index(row["completion"].strip()))
            for row in validation
        ]
        self.positive = names.index(positive_class.strip()) if positive_class else None
        self.betas = betas or [1.0]
        self.tokenizer, self.context = tokenizer, context

    def measure(self, p: Parameters) -> dict[str, float]:
        scores = np.array([self.scores(p, each.prompt) for each in self.questions])
        labels = np.array([each.label for each in self.questions])
        if self.positive is None:
            found = multiclass(labels, scores)
        else:
            truth = labels == self.positive
            found = binary(truth, scores[:, self.positive], self.betas)
        return {f"classification/{name}": value for name, value in found.items()}

    def scores(self, p: Parameters, prompt: str) -> Array:
        """The share of probability (classes,) of each class's completion."""
        logprobs = np.array([self.logprob(p, prompt, c) for c in self.completions])
        shares = np.exp(logprobs - logprobs.max())
        result: Array = shares / shares.sum()
        return result

    def logprob(self, p: Parameters, prompt: str, completion: str) -> float:
        row = {"prompt": prompt, "completion": completion}
        example = encode_example(self.tokenizer, row, self.context)
        if not example.teaches:  # cut off before the completion begins
            return 0.0
        loss = loss_and_gradient(p, *batch([example]))
        return -loss.loss * loss.tokens


def multiclass(labels: Array, scores: Array) -> dict[str, float]:
    """`labels` (N,) are indices of classes, `scores` (N, classes)."""
    chosen = scores.argmax(-1)
    present, counts = np.unique(labels, return_counts=True)
    each = [f_beta(labels == one, chosen == one, 1.0) for one in present]
    return {
        "accuracy": float((chosen == labels).mean()),
        "weighted_f1_score": float(np.average(each, weights=counts)),
    }


def binary(truth: Array, score: Array, betas: Sequence[float]) -> dict[str, float]:
    """`truth` (N,) says which are positive, `score` (N,) is that class's share."""
    chosen = score > 0.5
    precision, recall = precision_recall(truth, chosen)
    return {
        "accuracy": float((chosen == truth).mean()),
        "precision": precision,
        "recall": recall,
        "auroc": auroc(truth, score),
        "auprc": average_precision(truth, score),
        **{f"f{float(beta)}": f_beta(truth, chosen, beta) for beta in betas},
    }


def precision_recall(truth: Array, chosen: Array) -> tuple[float, float]:
    hits = int((truth & chosen).sum())
    return hits / max(1, int(chosen.sum())), hits / max(1, int(truth.sum()))


def f_beta(truth: Array, chosen: Array, beta: float) -> float:
    """The harmonic mean in which recall counts `beta` times as much as precision."""
    precision, recall = precision_recall(truth, chosen)
    below = beta**2 * precision + recall
    return (1 + beta**2) * precision * recall / below if below else 0.0


def auroc(truth: Array, score: Array) -> float:
    """How often a positive scores above a negative, ties one half (Mann-Whitney);
    0.5 where there is only one kind."""
    positive, negative = score[truth], score[~truth]
    if not (len(positive) and len(negative)):
        return 0.5
    above = (positive[:, None] > negative[None, :]).mean()
    equal = (positive[:, None] == negative[None, :]).mean()
    return float(above + equal / 2)


def average_precision(truth: Array, score: Array) -> float:
    """Precision at each threshold, weighted by the recall that it adds."""
    thresholds = np.unique(score)[::-1]
    found = [precision_recall(truth, score >= threshold) for threshold in thresholds]
    recalls = [0.0, *(recall for _, recall in found)]
    gains = np.diff(recalls)
    return float(sum(gains * [precision for precision, _ in found]))
