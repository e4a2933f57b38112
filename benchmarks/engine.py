"""How fast tinygpt computes: `python -m benchmarks.engine`.

Speeds are ratios to the same model in torch, one thread each, in turn in the same run,
and to the rate at which NumPy multiplies large matrices on this thread. Without torch
(extra `bench`) those rows are left out.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable, Iterator, Mapping
from itertools import cycle, islice
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.speed import Row, seconds
from finetune_kit.engines.tinygpt import tokenizer, weights
from finetune_kit.engines.tinygpt.adam import Adam
from finetune_kit.engines.tinygpt.chat import Example, batch, encode_example
from finetune_kit.engines.tinygpt.model import Parameters, loss_and_gradient
from finetune_kit.engines.tinygpt.reading import Cache, read
from finetune_kit.engines.tinygpt.train import Settings, Training
from finetune_kit.evaluate import read_jsonl

DATA = Path(__file__).parent.parent / "data" / "proverbs"
GOALS = {1: ">= 1.0", 4: ">= 0.8", 16: ">= 0.8"}
PROMPT, ANSWER = 50, 40  # tokens
JOB_EXAMPLES, JOB_EPOCHS, JOB_BATCH = 500, 3, 4

Step = Callable[[Any], Any]


def examples(p: Parameters) -> list[Example]:
    tok = tokenizer.load()
    rows = read_jsonl(DATA / "train.jsonl")
    return [encode_example(tok, row, p.config.context) for row in rows]


def batches(found: list[Example], size: int, n: int) -> list[Any]:
    endless = cycle(found)
    return [batch(list(islice(endless, size))) for _ in range(n)]


def stepper(p: Parameters) -> Step:
    g, adam = p.like(), Adam(p)

    def step(data: Any) -> None:
        loss_and_gradient(p, *data, g)
        adam.step(g, 5e-4)

    return step


def in_turn(
    steps: Mapping[str, Step], items: list[Any], rounds: int
) -> dict[str, float]:
    """Median seconds for all items, each step's rounds between those of the others."""
    spent: dict[str, list[float]] = {name: [] for name in steps}
    for repeat in range(rounds + 1):
        for name, step in steps.items():
            once = seconds(lambda step=step: [step(item) for item in items])
            if repeat:  # the first round warms up
                spent[name].append(once)
    return {name: statistics.median(values) for name, values in spent.items()}


def matmul_peak(n: int = 1024) -> float:
    """FLOP a second of a large matrix product on this thread."""
    a = np.ones((n, n), np.float32)
    best = min(seconds(lambda: a @ a) for _ in range(10))
    return 2 * n**3 / best


def flop_of_step(p: Parameters, data: Any) -> float:
    """6 N T (Kaplan et al. 2020) of the blocks, and the output layer where it is used.

    What attention multiplies beside the weights is below a tenth and not counted.
    """
    inputs, _, learnt = data
    embedding = p["wte"].size
    blocks = p.flat.size - embedding
    return 6.0 * (blocks * inputs.size + embedding * int((learnt > 0).sum()))


def training(rounds: int) -> Iterator[Row]:
    p = weights.load(None)
    found, peak = examples(p), matmul_peak()
    yield "matrix product of 1024 x 1024, one thread", f"{peak / 1e9:.0f} GFLOP/s", ""
    for size, goal in GOALS.items():
        data = batches(found, size, max(5, 80 // size))
        steps = {"numpy": stepper(weights.load(None))}
        if torch_is_here():
            from benchmarks import torch_reference as reference

            reference.assert_equal_gradients(p, data[0])
            tensors = reference.tensors_of(p)
            steps["torch"] = reference.stepper(tensors, p.config)
        spent = in_turn(steps, data, rounds)
        tokens = sum(inputs.size for inputs, _, _ in data) / spent["numpy"]
        share = sum(flop_of_step(p, each) for each in data) / spent["numpy"] / peak
        yield (
            f"training at batch {size}, tokens a second (of the matrix product's rate)",
            f"{tokens:.0f} ({share:.0%})",
            "",
        )
        rates = " / ".join(f"{len(data) / spent[name]:.1f}" for name in steps)
        for ratio in ratios(spent):
            yield (
                f"training at batch {size}, NumPy / torch",
                f"{ratio} ({rates} steps a second)",
                goal,
            )


def answering(rounds: int) -> Iterator[Row]:
    """First token after a prompt, and tokens a second after it."""
    p = weights.load(None)
    tokens = np.arange(300, 300 + PROMPT)

    def first(_: Any) -> None:
        read(p, tokens, Cache(p.config))

    def talk(_: Any) -> None:
        cache = Cache(p.config)
        for token in range(300, 300 + ANSWER):
            read(p, np.array([token]), cache)

    firsts, talks = {"numpy": first}, {"numpy": talk}
    if torch_is_here():
        import torch

        from benchmarks import torch_reference as reference

        q = {name: tensor.detach() for name, tensor in reference.tensors_of(p).items()}
        ours = read(p, tokens, Cache(p.config))
        prompt, cache = torch.from_numpy(tokens), reference.TorchCache(p.config)
        theirs = reference.read(q, p.config, prompt, cache)
        np.testing.assert_allclose(ours, theirs.numpy(), rtol=1e-3, atol=1e-3)

        def torch_first(_: Any) -> None:
            reference.read(q, p.config, prompt, reference.TorchCache(p.config))

        def torch_talk(_: Any) -> None:
            cache = reference.TorchCache(p.config)
            for token in range(300, 300 + ANSWER):
                reference.read(q, p.config, torch.tensor([token]), cache)

        firsts["torch"], talks["torch"] = torch_first, torch_talk
    spent = in_turn(firsts, [None] * 20, rounds)
    yield (
        f"first token after a prompt of {PROMPT} tokens",
        f"{spent['numpy'] / 20 * 1000:.1f} ms",
        "<= 5 ms",
    )
    yield from (("the same, NumPy / torch", r, "reference") for r in ratios(spent))
    spent = in_turn(talks, [None], rounds)
    yield "answering, tokens a second", f"{ANSWER / spent['numpy']:.0f}", ""
    yield from (("the same, NumPy / torch", r, "reference") for r in ratios(spent))


def job() -> Iterator[Row]:
    """500 examples (the lesson has 100: again and again), without validation."""
    p = weights.load(None)
    many = list(islice(cycle(examples(p)), JOB_EXAMPLES))
    settings = Settings(JOB_EPOCHS, JOB_BATCH, 2.5e-4, seed=1)
    started = time.perf_counter()
    for _ in Training(p, many, [], settings):
        pass
    yield (
        f"{JOB_EXAMPLES} examples x {JOB_EPOCHS} epochs at batch {JOB_BATCH}",
        f"{time.perf_counter() - started:.1f} s",
        "<= 8 s",
    )


def ratios(spent: dict[str, float]) -> Iterator[str]:
    """How many times as fast as torch, where torch was measured."""
    if "torch" in spent:
        yield f"{spent['torch'] / spent['numpy']:.2f}"


def torch_is_here() -> bool:
    return importlib.util.find_spec("torch") is not None


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=5)
    arguments = parser.parse_args()
    print("| what | measured | goal |\n| --- | --- | --- |")
    for row in (*training(arguments.rounds), *answering(arguments.rounds), *job()):
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
