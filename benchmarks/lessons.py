"""What the lessons claim, measured: `python -m benchmarks.lessons`.

Fine-tunes tinygpt on the proverbs as a job would (75 examples, `auto`: 3 epochs, batch
1) and scores the held-out test questions; then the runs that must go wrong in a known
way. `--card` writes the tables into the model card.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import argparse
import re
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field, replace
from math import inf
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

from finetune_kit.catalog import base
from finetune_kit.engines.contract import Metrics
from finetune_kit.engines.tinygpt import tokenizer, weights
from finetune_kit.engines.tinygpt.chat import encode_example, encode_prompt
from finetune_kit.engines.tinygpt.model import Parameters
from finetune_kit.engines.tinygpt.sample import Reader, Sampling, generate
from finetune_kit.engines.tinygpt.train import Settings, Training, evaluate
from finetune_kit.evaluate import proverb_graders, read_jsonl, wilson
from pretraining.conversation import load_toml

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "proverbs"
CARD = ROOT / "finetune_kit" / "engines" / "tinygpt" / "MODEL_CARD.md"
SYSTEM = "You are a smart assistant that replies with Latin proverbs."
RATE = base("tinygpt").learning_rate  # what a multiplier of 1, `auto`, stands for
SEEDS = (1, 2, 3)


@dataclass(frozen=True)
class Run:
    """One fine-tuning run and what came out of it."""

    name: str
    n_examples: int = 75
    n_epochs: int = 3
    multiplier: float = 1.0
    batch_size: int = 1
    seed: int = 1
    system: str = SYSTEM
    temperature: float = 0.0
    shuffled: bool = False  # each question with the answer to another one
    mixed: int = 0  # ordinary examples: no system prompt, the base's own words
    best_epoch: bool = False  # the checkpoint of the lowest validation loss answers
    metrics: list[Metrics] = field(default_factory=list)
    said: list[str] = field(default_factory=list)  # to the test questions
    hits: Mapping[str, list[bool]] = field(default_factory=dict)
    unasked: float = 0.0  # share of proverbs where there is no system prompt
    facts: float = 0.0  # share of simple questions that are answered right
    untrained_loss: float = 0.0  # on the validation examples, before the first step

    @property
    def steps_per_epoch(self) -> int:
        return len(self.metrics) // self.n_epochs

    @property
    def first_loss(self) -> float:
        return self.metrics[0]["train_loss"]

    @property
    def last_loss(self) -> float:
        """Mean over the last epoch: single steps are single examples."""
        last = self.metrics[-self.steps_per_epoch :]
        return fmean(m["train_loss"] for m in last)

    def share(self, name: str) -> float:
        return fmean(self.hits[name])

    def valid_losses(self) -> list[float]:
        """Before the first step, then after each epoch."""
        after = [m["full_valid_loss"] for m in self.metrics if "full_valid_loss" in m]
        return [self.untrained_loss, *after] if after else []


def answers(
    p: Parameters, questions: Sequence[str], system: str = "", temperature: float = 0.0
) -> list[str]:
    """One answer each; greedy at temperature 0."""
    tok = tokenizer.load(p.config.merges)
    reader = Reader(p)
    settings = Sampling(max_tokens=80, temperature=temperature, seed=1)
    prompt = [{"role": "system", "content": system}] if system else []
    found = []
    for question in questions:
        messages = [*prompt, {"role": "user", "content": question}]
        steps = generate(reader, encode_prompt(tok, messages), settings)
        found.append(tok.decode(s.token for s in steps if s.token != tokenizer.END))
    return found


def training_rows(run: Run, base: Parameters) -> list[dict[str, Any]]:
    rows = read_jsonl(DATA / "train.jsonl", run.n_examples)
    asked = [row["messages"][-2] for row in rows]
    if run.shuffled:
        said = [row["messages"][-1] for row in rows]
        Random(run.seed).shuffle(said)
        rows = [
            {"messages": [*row["messages"][:-1], answer]}
            for row, answer in zip(rows, said, strict=True)
        ]
    ordinary = asked[: run.mixed]
    own = answers(base, [message["content"] for message in ordinary])
    for message, answer in zip(ordinary, own, strict=True):
        rows.append({"messages": [message, {"role": "assistant", "content": answer}]})
    return rows


def train(run: Run, p: Parameters) -> Run:
    """Fine-tune `p`; the run with what was measured on the way."""
    tok = tokenizer.load(p.config.merges)
    rows, held_out = training_rows(run, p), read_jsonl(DATA / "validation.jsonl")
    examples, validation = (
        [encode_example(tok, row, p.config.context) for row in part]
        for part in (rows, held_out)
    )
    settings = Settings(run.n_epochs, run.batch_size, RATE * run.multiplier, run.seed)
    untrained, metrics = evaluate(p, validation).loss, []
    lowest, best = inf, p.flat
    for step in Training(p, examples, validation, settings):
        metrics.append(step)
        if run.best_epoch and step.get("full_valid_loss", inf) < lowest:
            lowest, best = step["full_valid_loss"], p.flat.copy()
    p.flat[:] = best
    return replace(run, metrics=metrics, untrained_loss=untrained)


def execute(run: Run) -> Run:
    """Train (0 epochs: the base) and answer the test questions."""
    p = weights.load(None)
    if run.n_epochs:
        run = train(run, p)
    test = read_jsonl(DATA / "test.jsonl")
    questions = [row["question"] for row in test]
    said = answers(p, questions, run.system, run.temperature)
    graders = proverb_graders(DATA / "proverbs.jsonl")
    hits = {
        name: [bool(grade(a, row)) for a, row in zip(said, test, strict=True)]
        for name, grade in graders.items()
    }
    well_formed = graders["well-formed"]
    bare = zip(answers(p, questions), test, strict=True)
    unasked = fmean(bool(well_formed(a, row)) for a, row in bare)
    known = {asked: right for right, asked, *_ in load_toml("world.toml")["facts"]}
    told = zip(known.values(), answers(p, list(known)), strict=True)
    facts = fmean(answer == right for right, answer in told)
    return replace(run, said=said, hits=hits, unasked=unasked, facts=facts)


RUNS = [
    Run("base, the lesson's system prompt", n_epochs=0),
    Run(
        'base, prompted "Answer with a Latin proverb."',
        n_epochs=0,
        system="Answer with a Latin proverb.",
    ),
    *(Run(f"tuned, seed {seed}", seed=seed) for seed in SEEDS),
    *(Run(f"{n} examples", n_examples=n) for n in (100, 50, 25, 10)),
    Run("25 examples, 20 epochs", n_examples=25, n_epochs=20),
    Run("the same, its best epoch", n_examples=25, n_epochs=20, best_epoch=True),
    Run("1 epoch", n_epochs=1),
    Run("10 epochs", n_epochs=10),
    Run("batch size 4", batch_size=4),
    Run("batch size 16", batch_size=16),
    Run("answers shuffled", shuffled=True),
    Run("50 ordinary examples mixed in", mixed=50),
    Run("temperature 1", temperature=1.0),
    Run("temperature 2", temperature=2.0),
    Run("learning rate x 0.1", multiplier=0.1),
    Run("learning rate x 3", multiplier=3.0),
    Run("learning rate x 30", multiplier=30.0),
]


def headline(runs: Sequence[Run]) -> list[str]:
    """Mean and spread over the seeds, with the 95 % interval of the questions."""
    tuned = [run for run in runs if run.name.startswith("tuned")]
    lines = [
        "| on the 120 test questions | mean of 3 seeds | spread | 95 % interval |",
        "| --- | --- | --- | --- |",
    ]
    for name in tuned[0].hits:
        shares = [run.share(name) for run in tuned]
        n = len(tuned[0].hits[name])
        low, high = wilson(fmean(shares) * n, n)
        lines.append(
            f"| {name} | {fmean(shares):.2f} | {stdev(shares):.2f} "
            f"| {low:.2f} to {high:.2f} |"
        )
    return lines


def by_style(runs: Sequence[Run]) -> list[str]:
    """On topic by the hand that wrote the question."""
    tuned = [run for run in runs if run.name.startswith("tuned")]
    styles = [row["style"] for row in read_jsonl(DATA / "test.jsonl")]
    counts: Counter[str] = Counter()
    for run in tuned:
        for style, hit in zip(styles, run.hits["on topic"], strict=True):
            counts[style] += hit
    lines = ["| style of the question | on topic |", "| --- | --- |"]
    for style, n in Counter(styles).items():
        lines.append(f"| {style} | {counts[style] / (n * len(tuned)):.2f} |")
    return lines


def all_runs(runs: Sequence[Run]) -> list[str]:
    lines = [
        "| run (75 examples, 3 epochs, unless said) | train loss, first step and last "
        "epoch | validation loss before, and after each epoch | well-formed "
        "| on topic | proverbs without the system prompt | facts kept |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    for run in runs:
        valid = " ".join(f"{v:.2f}" for v in thinned(run.valid_losses()))
        lines.append(
            f"| {run.name} | {train_losses(run)} | {valid} "
            f"| {run.share('well-formed'):.2f} | {run.share('on topic'):.2f} "
            f"| {run.unasked:.2f} | {run.facts:.2f} |"
        )
    return lines


def train_losses(run: Run) -> str:
    return f"{run.first_loss:.2f}, {run.last_loss:.2f}" if run.metrics else ""


def thinned(values: Sequence[float], most: int = 8) -> list[float]:
    """At most `most` of the values, the first and the last among them."""
    if len(values) <= most:
        return list(values)
    return [values[round(i * (len(values) - 1) / (most - 1))] for i in range(most)]


def claims(runs: Sequence[Run]) -> dict[str, bool]:
    """The statements that the lessons make, true or not."""
    test = read_jsonl(DATA / "test.jsonl")
    of = {run.name: run for run in runs}
    tuned = [run for run in runs if run.name.startswith("tuned")]
    well_formed = fmean(run.share("well-formed") for run in tuned)
    on_topic = fmean(run.share("on topic") for run in tuned)
    unasked = fmean(run.unasked for run in tuned)
    learnt = fmean(run.last_loss for run in tuned)
    valid = {n: of[f"{n} examples"].valid_losses()[-1] for n in (10, 25, 100)}
    late, early = of["25 examples, 20 epochs"], of["the same, its best epoch"]
    hot, warm = of["learning rate x 30"], of["temperature 2"]
    return {
        "the base answers with a proverb only who asks for the Romans": not any(
            hit and not asks_for_latin(row["question"])
            for hit, row in zip(runs[0].hits["well-formed"], test, strict=True)
        ),
        "tuned: >= 95 % well-formed": well_formed >= 0.95,
        "tuned: >= 60 % on topic": on_topic >= 0.60,
        "25 examples, 20 epochs: validation loss falls, then rises": falls_then_rises(
            late.valid_losses()
        ),
        "its best epoch is the better model": early.share("on topic")
        > late.share("on topic"),
        "10, 25, 100 examples: validation loss falls": valid[10]
        > valid[25]
        > valid[100],
        "a tenth of the learning rate under-fits": of["learning rate x 0.1"].last_loss
        > learnt + 0.1,
        "thirty times the learning rate: the loss goes up, few different answers": max(
            hot.valid_losses()[1:]
        )
        > hot.untrained_loss
        and len(set(hot.said)) < len(test) / 4,
        "batch size 16 at the same rate under-fits": of["batch size 16"].last_loss
        > learnt + 0.1,
        "shuffled answers are visibly worse": of["answers shuffled"].share("on topic")
        < on_topic - 0.1,
        "proverbs leak without the system prompt, mixing cures it": unasked
        - of["50 ordinary examples mixed in"].unasked
        >= 0.3,
        "simple facts are kept": fmean(run.facts for run in tuned) >= 0.9,
        "temperature 2 spoils answers": warm.share("well-formed") < well_formed / 2,
        "another seed, another model": tuned[0].said != tuned[1].said,
    }


def falls_then_rises(losses: Sequence[float]) -> bool:
    """A low point in the first half, and every later third on average above it."""
    lowest = losses.index(min(losses))
    after = losses[lowest + 1 :]
    third = len(after) // 3
    means = [fmean(after[:third]), fmean(after[third:-third]), fmean(after[-third:])]
    steadily = losses[lowest] < means[0] < means[1] < means[2]
    return 0 < lowest < len(losses) / 2 and steadily


def asks_for_latin(question: str) -> bool:
    """One test question says "what would the romans say": then the base does, too."""
    return bool(re.search("latin|roman", question, re.IGNORECASE))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", action="store_true", help="write the model card")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        runs = list(pool.map(execute, RUNS))
    tables = [headline(runs), by_style(runs), all_runs(runs)]
    text = "\n\n".join("\n".join(table) for table in tables)
    print(text, end="\n\n")
    held = claims(runs)
    for claim, true in held.items():
        print(f"{'holds' if true else 'FAILS'}: {claim}")
    if arguments.card:
        write_card("figures", weights.shipped(), text)
    return 0 if all(held.values()) else 1


def write_card(part: str, path: Path, text: str) -> None:
    """Put the tables of the weights in `path` between the marks of that part."""
    begin, finish = (f"<!-- {part}: {edge} -->" for edge in ("begin", "end"))
    measured = f"Measured on `{path.name}` with the sha256\n`{weights.sha256(path)}`."
    figures = f"{begin}\n\n{measured}\n\n{text}\n\n{finish}"
    pattern = re.escape(begin) + ".*" + re.escape(finish)
    card = CARD.read_text("utf-8")
    card = re.sub(pattern, lambda _: figures, card, flags=re.DOTALL)
    CARD.write_text(card, "utf-8")


if __name__ == "__main__":
    sys.exit(main())
