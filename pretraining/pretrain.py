"""Pre-train tinygpt from nothing on the corpus, and write its weights.

    OPENBLAS_NUM_THREADS=1 python -m pretraining.pretrain --processes 2 --out W.npz

Data-parallel over processes: each computes the gradient of its share of a step's
conversations into shared memory, the first one averages and updates. The weights are
written every 500 steps, so an interrupted run leaves a usable model.
"""

import argparse
import multiprocessing as mp
import time
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from finetune_kit.engines.tinygpt.adam import Adam, schedule
from finetune_kit.engines.tinygpt.chat import Example, batch, encode_example
from finetune_kit.engines.tinygpt.model import (
    Array,
    Config,
    Parameters,
    loss_and_gradient,
)
from finetune_kit.engines.tinygpt.tokenizer import END, TEXT, Tokenizer, load
from finetune_kit.engines.tinygpt.weights import save
from pretraining.corpus import Conversation, Corpus

USER_WEIGHT = 0.2  # loss on what the user says, in a quarter of the conversations
MICRO = 4  # conversations at a time: they fit the processor's cache
CONTEXT = 160  # longer conversations are cut


@dataclass(frozen=True)
class Plan:
    """How long, how much at a time, how fast."""

    steps: int
    batch: int
    processes: int
    learning_rate: float = 3e-3
    warmup: int = 100
    decay: float = 0.02
    seed: int = 0


def examples(tokenizer: Tokenizer, seed: int) -> Iterator[Example]:
    rng = Random(seed)
    for conversation in Corpus(seed):
        yield encode(tokenizer, conversation, rng)


def encode(tokenizer: Tokenizer, conversation: Conversation, rng: Random) -> Example:
    if conversation.text:
        tokens = [TEXT, *tokenizer.encode(conversation.text), END][: CONTEXT + 1]
        return Example(tokens, [0.0] + [1.0] * (len(tokens) - 1))
    row: dict[str, Any] = {"messages": conversation.messages}
    example = encode_example(tokenizer, row, CONTEXT)
    if rng.random() < 0.25:
        weights = [max(w, USER_WEIGHT) for w in example.weights]
        example = example._replace(weights=weights)
    return example


def micro_batches(stream: Iterator[Example], size: int) -> list[list[Example]]:
    """One step's share of conversations, sorted by length so that padding is rare."""
    pool = sorted(islice(stream, size), key=lambda e: len(e.tokens))
    return [pool[i : i + MICRO] for i in range(0, size, MICRO)]


def gradient(
    p: Parameters, g: Parameters, share: list[list[Example]], total: Array
) -> float:
    """Sum of the micro-batches' gradients into `total`, each by its loss weight."""
    total[:] = 0.0
    loss = weight = 0.0
    for examples_ in share:
        inputs, targets, weights = batch(examples_)
        part = loss_and_gradient(p, inputs, targets, weights, g)
        w = float(weights.sum())
        total += g.flat * np.float32(w)
        loss, weight = loss + part.loss * w, weight + w
    total /= np.float32(weight)
    return loss / weight


def shared(size: int) -> Any:
    return mp.get_context("spawn").RawArray("f", size)


def view(raw: Any) -> Array:
    return np.frombuffer(raw, np.float32)


def work(
    rank: int, plan: Plan, theta: Any, sums: list[Any], losses: Any, gate: Any
) -> None:
    """One process: gradient of its share, wait, let the first update, wait."""
    p = Parameters(Config(), view(theta))
    g = p.like()
    stream = examples(load(), plan.seed * 1000 + rank)
    for _ in range(plan.steps):
        share = micro_batches(stream, plan.batch // plan.processes)
        losses[rank] = gradient(p, g, share, view(sums[rank]))
        gate.wait()
        gate.wait()


def pretrain(plan: Plan, out: Path) -> None:
    context = mp.get_context("spawn")
    size = Parameters(Config()).flat.size
    theta, losses = shared(size), shared(plan.processes)
    sums = [shared(size) for _ in range(plan.processes)]
    gate = context.Barrier(plan.processes)
    p = Parameters(Config(), view(theta))
    p.flat[:] = Parameters.initial(Config(), plan.seed).flat
    for rank in range(1, plan.processes):
        arguments = (rank, plan, theta, sums, losses, gate)
        context.Process(target=work, args=arguments, daemon=True).start()
    optimiser, g = Adam(p), p.like()
    stream = examples(load(), plan.seed * 1000)
    started, mean = time.monotonic(), 0.0
    for step in range(1, plan.steps + 1):
        share = micro_batches(stream, plan.batch // plan.processes)
        losses[0] = gradient(p, g, share, view(sums[0]))
        gate.wait()
        np.mean([view(s) for s in sums], axis=0, out=g.flat)
        rate = schedule(
            step, plan.steps, plan.learning_rate, plan.warmup, plan.learning_rate / 50
        )
        optimiser.step(g, rate)
        shrink(p, np.float32(1 - rate * plan.decay))
        mean = mean * 0.98 + float(np.mean(view(losses))) * 0.02
        gate.wait()
        if step % 50 == 0:
            bias = 1 - 0.98**step
            spent = time.monotonic() - started
            print(f"step {step} loss {mean / bias:.3f} {spent:.0f} s", flush=True)
        if step % 500 == 0 or step == plan.steps:
            save(p, out, half=True)


def shrink(p: Parameters, factor: np.float32) -> None:
    """Weight decay (Loshchilov & Hutter 2019), on matrices only."""
    for matrix in p.views.values():
        if matrix.ndim > 1:
            matrix *= factor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=5000)
    parser.add_argument("--batch", type=int, default=64)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    arguments = parser.parse_args()
    plan = Plan(
        arguments.steps, arguments.batch, arguments.processes, seed=arguments.seed
    )
    pretrain(plan, arguments.out)


if __name__ == "__main__":
    main()
