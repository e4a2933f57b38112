"""Direct preference optimisation (Rafailov et al. 2023): learning from pairs.

Each pair is one prompt with a preferred and a non-preferred answer. With log p the
log-probability of an answer, summed over its tokens, the reward of an answer is

    r = beta (log p_model - log p_reference)

and the loss of a pair is -log sigmoid(r_preferred - r_non_preferred). The reference is
the model before training; its log-probabilities are computed once per pair.
"""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.chat import Example, batch, encode_example
from finetune_kit.engines.tinygpt.model import Parameters, loss_and_gradient
from finetune_kit.engines.tinygpt.tokenizer import Tokenizer


class Pair(NamedTuple):
    """Two answers to one prompt; in both, only the answer's tokens have weight.

    `reference` is log p(preferred) - log p(non-preferred) under the reference.
    """

    preferred: Example
    non_preferred: Example
    reference: float = 0.0

    @property
    def truncated(self) -> bool:
        return self.preferred.truncated or self.non_preferred.truncated

    @property
    def teaches(self) -> bool:
        return self.preferred.teaches and self.non_preferred.teaches


class Compared(NamedTuple):
    """A pair under the model: how much more it likes the preferred answer.

    `log_ratio` is log p(preferred) - log p(non-preferred); `accuracy` and `tokens` are
    those of the preferred answer.
    """

    log_ratio: float
    accuracy: float
    tokens: int


def encode_pair(tokenizer: Tokenizer, row: dict[str, Any], context: int) -> Pair:
    """A row of preference data: `input`, `preferred_output`, `non_preferred_output`."""
    given = row["input"]
    prompt = [{**message, "weight": 0} for message in given["messages"]]
    preferred, non_preferred = (
        encode_example(tokenizer, {**given, "messages": [*prompt, *row[key]]}, context)
        for key in ("preferred_output", "non_preferred_output")
    )
    return Pair(preferred, non_preferred)


def compare(p: Parameters, pair: Pair, g: Parameters | None = None) -> Compared:
    """The pair under `p`; with `g`, the gradient of -log_ratio is written into it."""
    losing = g.like() if g is not None else None
    preferred = loss_and_gradient(p, *batch([pair.preferred]), g)
    other = loss_and_gradient(p, *batch([pair.non_preferred]), losing)
    if g is not None and losing is not None:
        # Losses are means over tokens, log-probabilities are sums.
        g.flat *= preferred.tokens
        g.flat -= other.tokens * losing.flat
    ratio = other.loss * other.tokens - preferred.loss * preferred.tokens
    return Compared(ratio, preferred.accuracy, preferred.tokens)


class PreferenceObjective:
    """The loss of DPO; the items are pairs that know their reference."""

    def __init__(self, p: Parameters, beta: float) -> None:
        self.p, self.beta = p, beta
        self.of_pair = p.like()  # gradient of one pair

    def referred(self, pairs: Sequence[Pair]) -> list[Pair]:
        """The pairs with their reference; to be called before training."""
        return [pair._replace(reference=compare(self.p, pair)[0]) for pair in pairs]

    def learn(self, items: Sequence[Pair], g: Parameters) -> dict[str, float]:
        """d loss / d log_ratio is -beta sigmoid(-margin)."""
        g.flat[:] = 0.0
        compared = []
        for pair in items:
            found = compare(self.p, pair, self.of_pair)
            pull = self.beta * np.exp(-np.logaddexp(0.0, self.margin(pair, found)))
            self.of_pair.flat *= pull / len(items)
            g.flat += self.of_pair.flat
            compared.append(found)
        return self.measured(items, compared)

    def measure(self, items: Sequence[Pair]) -> dict[str, float]:
        return self.measured(items, [compare(self.p, pair) for pair in items])

    def margin(self, pair: Pair, found: Compared) -> float:
        """r_preferred - r_non_preferred"""
        return self.beta * (found.log_ratio - pair.reference)

    def measured(
        self, pairs: Sequence[Pair], compared: Sequence[Compared]
    ) -> dict[str, float]:
        """Mean loss and margin, share of pairs with a margin above zero; accuracy as
        in supervised fine-tuning on the preferred answers."""
        both = zip(pairs, compared, strict=True)
        margins = np.array([self.margin(pair, found) for pair, found in both])
        accuracies = [found.accuracy for found in compared]
        tokens = [found.tokens for found in compared]
        return {
            "loss": float(np.logaddexp(0.0, -margins).mean()),
            "mean_token_accuracy": float(np.average(accuracies, weights=tokens)),
            "reward_margin": float(margins.mean()),
            "reward_accuracy": float((margins > 0).mean()),
        }
