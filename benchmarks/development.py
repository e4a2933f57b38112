"""How a base model does on the rows by which it is developed.

    python -m benchmarks.development [W.npz]

They lie in `pretraining/development`, so that those of the tests stay closed until a
model is made. Weights of the proverbs answer the last two files only: messages that a
model should say its limits to, and messages that it should answer.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import argparse
from collections.abc import Iterator
from pathlib import Path
from statistics import fmean

from benchmarks import tuning
from benchmarks.speed import Row
from finetune_kit.engines.tinygpt import weights
from finetune_kit.evaluate import read_jsonl
from pretraining.conversation import HERE

ROWS = HERE / "development"
TASKS = (tuning.REVIEWS, tuning.TICKETS, tuning.EXTRACTION)


def learnt(path: Path, seed: int = 1) -> Iterator[Row]:
    """Each task, trained with its own rows, 3 epochs at a multiplier of 1."""
    for task in TASKS:
        p, rows = weights.load(path), read_jsonl(ROWS / f"{task.name}.jsonl")
        tuning.train(p, task.training(), seed)
        for name, hits in tuning.grade(task, p, rows).items():
            yield task.name, name, f"{fmean(hits):.2f} of {len(hits)}"


def limits(path: Path) -> Iterator[Row]:
    """How often the base says that it does not know."""
    for name in ("strange", "life"):
        share = tuning.knows_its_limits(path, ROWS / f"{name}.jsonl")
        yield name, "says that it does not know", f"{share:.2f}"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("weights", type=Path, nargs="?", default=tuning.WEIGHTS)
    path = parser.parse_args().weights
    knows_tasks = weights.load(path).config.merges != weights.load(None).config.merges
    print("| rows | what | share |\n| --- | --- | --- |")
    for row in (*(learnt(path) if knows_tasks else ()), *limits(path)):
        print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
