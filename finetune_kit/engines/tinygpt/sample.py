"""Generation: one token at a time with a KV cache.

Temperature and nucleus sampling (Holtzman et al. 2020), the penalties and the logit
bias of the OpenAI API. Log-probabilities are the model's own, before temperature.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.model import Array, Cache, Parameters, read
from finetune_kit.engines.tinygpt.tokenizer import (
    ASSISTANT,
    END,
    PAD,
    SYSTEM,
    TEXT,
    USER,
    WORD,
)

NEVER = [PAD, TEXT, SYSTEM, USER, ASSISTANT, WORD]  # tokens that no answer may hold


@dataclass(frozen=True)
class Sampling:
    """Settings of one answer; the names and ranges are the API's."""

    max_tokens: int | None = None
    temperature: float = 1.0
    top_p: float = 1.0
    seed: int | None = None
    top_logprobs: int = 0
    logit_bias: dict[int, float] = field(default_factory=dict)
    presence_penalty: float = 0.0
    frequency_penalty: float = 0.0


class Beginning(NamedTuple):
    """How an answer must begin: like one of these token sequences, unlike those."""

    one_of: Sequence[list[int]] = ()
    none_of: Sequence[list[int]] = ()

    def allow(self, logits: Array, said: list[int]) -> Array:
        """The logits (V,), with those of forbidden tokens at minus infinity."""
        n = len(said)
        forbidden = [each[-1] for each in self.none_of if each[:-1] == said]
        required = {each[n] for each in self.one_of if each[:n] == said != each}
        if required and not any(each == said[: len(each)] for each in self.one_of):
            forbidden = [i for i in range(len(logits)) if i not in required]
        if not forbidden:
            return logits
        allowed = logits.copy()
        allowed[forbidden] = -np.inf
        return allowed


class Step(NamedTuple):
    """One generated token; `top`: (token, log-probability), the likeliest first."""

    token: int
    logprob: float
    top: list[tuple[int, float]]


def generate(
    p: Parameters,
    prompt: list[int],
    sampling: Sampling,
    beginning: Beginning | None = None,
) -> Iterator[Step]:
    """Tokens after `prompt`, up to and without `END`, or until the room is used up."""
    cache, rng = Cache(p.config), np.random.default_rng(sampling.seed)
    room = p.config.context - len(prompt)
    limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
    counts = np.zeros(p.config.vocab_size, np.float32)  # of each token in the answer
    logits = read(p, np.array(prompt), cache)
    said: list[int] = []
    for _ in range(limit):
        if beginning:
            logits = beginning.allow(logits, said)
        step = choose(logits, counts, sampling, rng)
        yield step
        said.append(step.token)
        if step.token == END:
            return
        counts[step.token] += 1
        if cache.length < p.config.context:
            logits = read(p, np.array([step.token]), cache)


def choose(
    logits: Array, counts: Array, sampling: Sampling, rng: np.random.Generator
) -> Step:
    """Draw one token; `counts` (V,) says how often each was generated so far."""
    # A model that was trained to pieces computes NaN: it talks nonsense, and goes on.
    logits = np.nan_to_num(
        logits.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30
    )
    logits[NEVER] = -np.inf
    for token, bias in sampling.logit_bias.items():
        logits[token] += bias
    logits -= sampling.presence_penalty * (counts > 0)
    logits -= sampling.frequency_penalty * counts
    logprobs = logits - logits.max()
    logprobs -= np.log(np.exp(logprobs).sum())
    if sampling.temperature == 0:
        token = int(logprobs.argmax())
    else:
        token = draw(logprobs / sampling.temperature, sampling.top_p, rng)
    top = np.argsort(-logprobs, kind="stable")[: sampling.top_logprobs]
    return Step(
        token, float(logprobs[token]), [(int(i), float(logprobs[i])) for i in top]
    )


def draw(scaled: Array, top_p: float, rng: np.random.Generator) -> int:
    """A token from the smallest set of likely tokens that holds `top_p`."""
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    cumulative = np.cumsum(probabilities[order])
    kept = int(np.searchsorted(cumulative, top_p)) + 1
    spot = rng.random() * cumulative[min(kept, len(order)) - 1]
    return int(order[min(int(np.searchsorted(cumulative, spot)), len(order) - 1)])
