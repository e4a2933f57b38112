"""Generation: one token at a time with a KV cache, several answers side by side.

Temperature and nucleus sampling (Holtzman et al. 2020), the penalties and the logit
bias of the OpenAI API. Log-probabilities are the model's own, before temperature.
"""

from collections import OrderedDict
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt.arrays import Array
from finetune_kit.engines.tinygpt.model import Parameters
from finetune_kit.engines.tinygpt.reading import Cache, read, read_next
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
BEGINNINGS = 8  # that are remembered of a model's prompts


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


class Reader:
    """Reads for all answers that one model is giving.

    Their next tokens are read together, and a beginning that prompts share (a system
    prompt, examples) is read once. Neither changes a number in any answer.
    """

    def __init__(self, p: Parameters) -> None:
        self.p = p
        self._waiting: list[Waiting] = []
        self._beginnings: OrderedDict[tuple[int, ...], Cache] = OrderedDict()
        self._last: tuple[list[int], Array, Cache] | None = None

    def begin(self, prompt: list[int]) -> tuple[Array, Cache]:
        """Logits after the prompt, and the cache to go on with.

        The last prompt is remembered: `n` answers to one are asked for in a row.
        """
        if self._last is None or self._last[0] != prompt:
            turns = [at for at, token in enumerate(prompt) if token in (SYSTEM, USER)]
            last = turns[-1] if turns else 0
            cache = self._beginning(tuple(prompt[:last])).copy()
            logits = read(self.p, np.array(prompt[last:]), cache)
            self._last = prompt, logits, cache
        _, logits, cache = self._last
        return logits.copy(), cache.copy()

    def _beginning(self, prompt: tuple[int, ...]) -> Cache:
        if prompt not in self._beginnings:
            cache = self._beginnings[prompt] = Cache(self.p.config)
            if prompt:
                read(self.p, np.array(prompt), cache)
        self._beginnings.move_to_end(prompt)
        if len(self._beginnings) > BEGINNINGS:
            self._beginnings.popitem(last=False)
        return self._beginnings[prompt]

    def put(self, token: int, cache: Cache) -> "Waiting":
        """A token to be read with the others, when the first of them is needed."""
        self._waiting.append(Waiting(token, cache))
        return self._waiting[-1]

    def logits(self, wanted: "Waiting") -> Array:
        if wanted.logits is None:
            tokens = [each.token for each in self._waiting]
            caches = [each.cache for each in self._waiting]
            found = read_next(self.p, tokens, caches)
            for each, logits in zip(self._waiting, found, strict=True):
                each.logits = logits
            self._waiting.clear()
        assert wanted.logits is not None
        return wanted.logits


@dataclass
class Waiting:
    """A token that was chosen, and once it was read, the logits after it."""

    token: int
    cache: Cache
    logits: Array | None = None


def generate(
    reader: Reader,
    prompt: list[int],
    sampling: Sampling,
    beginning: Beginning | None = None,
) -> Iterator[Step]:
    """Tokens after `prompt`, up to and without `END`, or until the room is used up."""
    config, rng = reader.p.config, np.random.default_rng(sampling.seed)
    room = config.context - len(prompt)
    limit = room if sampling.max_tokens is None else min(room, sampling.max_tokens)
    counts = np.zeros(config.vocab_size, np.float32)  # of each token in the answer
    logits, cache = reader.begin(prompt)
    said: list[int] = []
    for number in range(1, limit + 1):
        if beginning:
            logits = beginning.allow(logits, said)
        step = choose(logits, counts, sampling, rng)
        said.append(step.token)
        if step.token == END or number == limit:
            yield step
            return
        counts[step.token] += 1
        waiting = reader.put(step.token, cache)
        yield step
        logits = reader.logits(waiting)


def choose(
    logits: Array, counts: Array, sampling: Sampling, rng: np.random.Generator
) -> Step:
    """Draw one token; `counts` (V,) says how often each was generated so far."""
    logits = numbers(logits)
    logits[NEVER] = -np.inf
    for token, bias in sampling.logit_bias.items():
        logits[token] += bias
    logits -= sampling.presence_penalty * (counts > 0)
    logits -= sampling.frequency_penalty * counts
    logprobs = log_softmax(logits)
    if sampling.temperature == 0:
        token = int(logprobs.argmax())
    else:
        token = draw(logprobs / sampling.temperature, sampling.top_p, rng)
    top = likeliest(logprobs, sampling.top_logprobs)
    return Step(token, float(logprobs[token]), top)


def likeliest(logprobs: Array, n: int) -> list[tuple[int, float]]:
    """The ``n`` likeliest tokens; sorted only where some are asked for: it takes a
    third of a step."""
    top = np.argsort(-logprobs, kind="stable")[:n] if n else ()
    return [(int(i), float(logprobs[i])) for i in top]


def numbers(logits: Array) -> Array:
    """A model that was trained to pieces computes NaN: it talks nonsense, goes on."""
    return np.nan_to_num(logits.astype(np.float64), nan=0.0, posinf=1e30, neginf=-1e30)


def log_softmax(logits: Array) -> Array:
    """Log-probabilities along the last axis."""
    shifted = logits - logits.max(-1, keepdims=True)
    normalised: Array = shifted - np.log(np.exp(shifted).sum(-1, keepdims=True))
    return normalised


def draw(scaled: Array, top_p: float, rng: np.random.Generator) -> int:
    """A token from the smallest set of likely tokens that holds `top_p`."""
    probabilities = np.exp(scaled - scaled.max())
    probabilities /= probabilities.sum()
    order = np.argsort(-probabilities, kind="stable")
    cumulative = np.cumsum(probabilities[order])
    kept = int(np.searchsorted(cumulative, top_p)) + 1
    spot = rng.random() * cumulative[min(kept, len(order)) - 1]
    return int(order[min(int(np.searchsorted(cumulative, spot)), len(order) - 1)])
