"""Pre-train tinygpt from nothing on the corpus, and write its weights.

    python -m pretraining.pretrain tasks --processes 2 --out W.npz

Data-parallel over processes: each takes conversations of the step until none is left
and sums their gradients in shared memory; then each updates some of the matrices. The
weights are written every 500 steps, so an interrupted run leaves a usable model. Set
OPENBLAS_NUM_THREADS=1, so that the processes do not fight over the cores.
"""

import argparse
import multiprocessing as mp
import time
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import islice
from pathlib import Path
from random import Random
from typing import Any

import numpy as np

from finetune_kit.engines.tinygpt.adam import Adam, schedule
from finetune_kit.engines.tinygpt.arrays import Array
from finetune_kit.engines.tinygpt.chat import Example, batch, encode_example
from finetune_kit.engines.tinygpt.model import Config, Parameters, loss_and_gradient
from finetune_kit.engines.tinygpt.tokenizer import END, TEXT, Tokenizer, load
from finetune_kit.engines.tinygpt.weights import load as load_weights
from finetune_kit.engines.tinygpt.weights import save
from pretraining.conversation import Conversation
from pretraining.corpus import MIXES, Corpus
from pretraining.muon import Muon

USER_WEIGHT = 0.2  # loss on what the user says, in a quarter of the conversations
TYPICAL = 16  # tokens of the answers in a conversation
POOL = 256  # conversations sorted by length at a time
MICRO = 4  # conversations at a time: they fit the processor's cache
CONTEXT = 160  # longer conversations are cut
CONFIG = {
    "proverbs": Config(),
    "tasks": Config(n_layer=6, merges="merges_tasks.json"),
}


@dataclass(frozen=True)
class Plan:
    """Of what, how long, how much at a time, how fast."""

    mix: str
    steps: int
    batch: int
    processes: int
    learning_rate: float = 1e-3  # Adam: embedding and gains
    muon_rate: float = 0.01  # Muon: the matrices of the blocks
    warmup: int = 50
    decay: float = 0.05
    seed: int = 0
    start: Path | None = None  # weights to go on from, else a new model
    skip: int = 0  # conversations of the corpus's first stage that each process skips
    peak: float = 1.0  # share of the rates above, lower for going on
    layers: int | None = None  # blocks, where not those of CONFIG

    @property
    def config(self) -> Config:
        config = CONFIG[self.mix]
        return replace(config, n_layer=self.layers or config.n_layer)


def examples(tokenizer: Tokenizer, plan: Plan, seed: int) -> Iterator[Example]:
    rng = Random(seed)
    for conversation in Corpus(seed, plan.mix, plan.skip):
        yield encode(tokenizer, conversation, rng)


def encode(tokenizer: Tokenizer, conversation: Conversation, rng: Random) -> Example:
    row: dict[str, Any] = {
        "messages": conversation.messages,
        "tools": conversation.tools,
    }
    if conversation.completion:
        row = {"prompt": conversation.text, "completion": conversation.completion}
    elif conversation.text:
        tokens = [TEXT, *tokenizer.encode(conversation.text), END][: CONTEXT + 1]
        return Example(tokens, [0.0] + [1.0] * (len(tokens) - 1))
    example = encode_example(tokenizer, row, CONTEXT)
    scale = (TYPICAL / sum(example.weights)) ** 0.5  # short answers count for more
    example = example._replace(weights=[scale * w for w in example.weights])
    if rng.random() < 0.25:
        weights = [max(w, USER_WEIGHT) for w in example.weights]
        example = example._replace(weights=weights)
    return example


def micro_batches(plan: Plan, rank: int) -> Iterator[list[Example]]:
    """A few conversations of about the same length at a time, so padding is rare."""
    seed = plan.seed * 1000 + rank
    tokenizer, rng = load(CONFIG[plan.mix].merges), Random(seed)
    stream = examples(tokenizer, plan, seed)
    while True:
        pool = sorted(islice(stream, POOL), key=lambda e: len(e.tokens))
        parts = [pool[i : i + MICRO] for i in range(0, POOL, MICRO)]
        rng.shuffle(parts)
        yield from parts


class Share:
    """What one process has computed of a step, where the others can read it."""

    def __init__(self, size: int) -> None:
        context = mp.get_context("spawn")
        self.raw = context.RawArray("f", size)
        self.loss = context.Value("d", 0.0)
        self.weight = context.Value("d", 0.0)

    @property
    def gradient(self) -> Array:
        return np.frombuffer(self.raw, np.float32)

    def compute(
        self, p: Parameters, g: Parameters, parts: Iterator[list[Example]], left: Any
    ) -> None:
        """Take micro-batches while some of the step are left; sum their gradients."""
        total = self.gradient
        total[:] = 0.0
        self.loss.value = self.weight.value = 0.0
        while take(left):
            inputs, targets, weights = batch(next(parts))
            part = loss_and_gradient(p, inputs, targets, weights, g)
            weight = float(weights.sum())
            total += g.flat * np.float32(weight)
            self.loss.value += part.loss * weight
            self.weight.value += weight


def take(left: Any) -> bool:
    with left.get_lock():
        left.value -= 1
        return bool(left.value >= 0)


class Team:
    """What the processes of a run have in common: weights, gradients, where to wait."""

    def __init__(self, plan: Plan, start: Array) -> None:
        context = mp.get_context("spawn")
        self.plan, self.theta = plan, context.RawArray("f", start)
        self.shares = [Share(start.size) for _ in range(plan.processes)]
        self.left = context.Value("i", plan.batch // MICRO)
        self.gate = context.Barrier(plan.processes)

    def parameters(self) -> Parameters:
        return Parameters(self.plan.config, np.frombuffer(self.theta, np.float32))

    def gradient(self, g: Parameters) -> float:
        """Write the mean gradient of the step into g; gives the mean loss."""
        weight = sum(share.weight.value for share in self.shares)
        np.sum([share.gradient for share in self.shares], axis=0, out=g.flat)
        g.flat /= np.float32(weight)
        return float(sum(share.loss.value for share in self.shares)) / weight


def work(rank: int, team: Team) -> Iterator[float]:
    """Every step's loss. Each process takes part in the gradient and has matrices of
    its own to update; the first one updates the rest when they are done."""
    plan, p = team.plan, team.parameters()
    g, parts = p.like(), micro_batches(plan, rank)
    muon, optimiser = Muon(p, rank, plan.processes), Adam(p)
    for step in range(1, plan.steps + 1):
        share_of_peak = schedule(step, plan.steps, plan.peak, plan.warmup, 0.02)
        team.shares[rank].compute(p, g, parts, team.left)
        team.gate.wait()
        loss = team.gradient(g)
        muon.step(g, plan.muon_rate * share_of_peak)
        team.gate.wait()
        if rank == 0:
            team.left.value = plan.batch // MICRO
            optimiser.step(g, plan.learning_rate * share_of_peak)
            shrink(p, np.float32(1 - plan.learning_rate * share_of_peak * plan.decay))
        team.gate.wait()
        yield loss


def help_out(rank: int, team: Team) -> None:
    for _ in work(rank, team):
        pass


def pretrain(plan: Plan, out: Path) -> None:
    if plan.start:
        start = deepened(load_weights(plan.start), plan.config)
    else:
        start = Parameters.initial(plan.config, plan.seed)
    team, context = Team(plan, start.flat), mp.get_context("spawn")
    for rank in range(1, plan.processes):
        context.Process(target=help_out, args=(rank, team), daemon=True).start()
    started, mean = time.monotonic(), 0.0
    for step, loss in enumerate(work(0, team), 1):
        mean = 0.98 * mean + 0.02 * loss
        if step % 50 == 0:
            spent = time.monotonic() - started
            to_go = spent / step * (plan.steps - step) / 60
            told = mean / (1 - 0.98**step)
            print(f"step {step} loss {told:.3f}, {to_go:.0f} minutes to go", flush=True)
        if step % 500 == 0 or step == plan.steps:
            save(team.parameters(), out, half=True)


def deepened(p: Parameters, config: Config) -> Parameters:
    """The same model with more blocks: each new one is a copy of the block before it
    that adds nothing yet (Chen et al. 2016, Net2DeeperNet)."""
    q, of_block = Parameters(config), -1
    for name in ("wte", "norm"):
        q[name][...] = p[name]
    for i in range(config.n_layer):
        before, of_block = of_block, i * p.config.n_layer // config.n_layer
        for part in ("norm1", "wqkv", "wo", "norm2", "w1", "w2"):
            copied = of_block == before and part in ("wo", "w2")
            q[f"{i}.{part}"][...] = 0.0 if copied else p[f"{of_block}.{part}"]
    return q


def shrink(p: Parameters, factor: np.float32) -> None:
    """Weight decay (Loshchilov & Hutter 2019), on matrices only."""
    for matrix in p.views.values():
        if matrix.ndim > 1:
            matrix *= factor


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("mix", choices=MIXES)
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--steps", type=int, default=6000)
    parser.add_argument("--batch", type=int, default=32)
    parser.add_argument("--processes", type=int, default=1)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--start", type=Path, help="weights to go on from")
    parser.add_argument("--skip", type=int, default=0)
    parser.add_argument("--peak", type=float, default=1.0)
    parser.add_argument("--layers", type=int, help="blocks of the model")
    arguments = parser.parse_args()
    plan = Plan(
        arguments.mix,
        arguments.steps,
        arguments.batch,
        arguments.processes,
        seed=arguments.seed,
        start=arguments.start,
        skip=arguments.skip,
        peak=arguments.peak,
        layers=arguments.layers,
    )
    pretrain(plan, arguments.out)


if __name__ == "__main__":
    main()
