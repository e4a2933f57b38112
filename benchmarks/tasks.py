"""What tinygpt learns on each task of the course: `python -m benchmarks.tasks`.

Each task is trained as a job with `auto` would (3 epochs, batch 1, multiplier 1) with
three seeds, and scored on its test rows; then the runs that lessons tell about. The
base, `tinygpt-tasks`, is asked the same questions.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import argparse
import sys
from collections.abc import Callable, Iterable
from concurrent.futures import ProcessPoolExecutor
from itertools import compress
from random import Random
from statistics import fmean, stdev
from typing import Any, NamedTuple

from benchmarks.lessons import RATE, SEEDS, write_card
from benchmarks.tuning import (
    DATA,
    PREFERENCES,
    REVIEWS,
    TASKS,
    TICKETS,
    TONE,
    WEIGHTS,
    Hits,
    Task,
    answer,
    base,
    chat,
    grade,
    knows_its_limits,
    share,
    train,
)
from finetune_kit import graders
from finetune_kit.engines.tinygpt import tokenizer, weights
from finetune_kit.engines.tinygpt.chat import encode_example
from finetune_kit.engines.tinygpt.dpo import PreferenceObjective, encode_pair
from finetune_kit.engines.tinygpt.model import Parameters
from finetune_kit.engines.tinygpt.train import Settings, Training, evaluate
from finetune_kit.evaluate import wilson

BETA = 0.1  # of DPO, as `auto` of a job
DPO_RATE = 0.2 * RATE  # what a multiplier of 1 stands for

# ------------------------------------------------------------------ the tasks' scores


def tuned(name: str, seed: int | None) -> Hits:
    """The base (no seed) or a model tuned on the task, on the test rows."""
    p, task = base(), TASKS[name]
    if seed is not None:
        train(p, task.training(), seed)
    return grade(task, p)


def table_of_tasks(pool: ProcessPoolExecutor) -> tuple[list[str], dict[str, bool]]:
    """Mean and spread of the seeds beside the base and the goal, and what held."""
    jobs = {
        (name, seed): pool.submit(tuned, name, seed)
        for name in TASKS
        for seed in (None, *SEEDS)
    }
    lines = [
        "| task | on the test rows | n | base | tuned, mean of 3 seeds | spread "
        "| 95 % interval | goal |",
        "| --- | --- | --- | --- | --- | --- | --- | --- |",
    ]
    held = {}
    for task in TASKS.values():
        bare, *runs = (jobs[task.name, seed].result() for seed in (None, *SEEDS))
        for name, kept in parts(task):
            of, *_ = name.split(", ")
            shares = [fmean(compress(run[of], kept)) for run in runs]
            mean, n, goal = fmean(shares), sum(kept), task.goals.get(name)
            low, high = wilson(mean * n, n)
            lines.append(
                f"| {task.name} | {name} | {n} | {fmean(compress(bare[of], kept)):.2f} "
                f"| {mean:.2f} | {stdev(shares):.2f} | {low:.2f} to {high:.2f} "
                f"| {'' if goal is None else f'{goal:.2f}'} |"
            )
            if goal is not None:
                held[f"{task.name}: {name} >= {goal:.2f}"] = mean >= goal
    return lines, held


def parts(task: Task) -> Iterable[tuple[str, list[bool]]]:
    """Each grader on all test rows, then on those of each group."""
    rows = task.rows("test")
    for name in task.graders:
        yield name, [True] * len(rows)
        for group in sorted({str(row[task.groups]) for row in rows}):
            label = f"{name}, {group} {task.groups}"
            yield label, [str(row[task.groups]) == group for row in rows]


# ------------------------------------------------------------ what the lessons tell


def mislabelled(part: float, seed: int) -> float:
    """Reviews of which this part has the other label."""
    rows = REVIEWS.training()
    other = {" positive\n": " negative\n", " negative\n": " positive\n"}
    for row in Random(seed).sample(rows, round(part * len(rows))):
        row["completion"] = other[row["completion"]]
    p = base()
    train(p, rows, seed)
    return share(grade(REVIEWS, p), "exact label")


def tickets_of(n: int, seed: int) -> float:
    p = base()
    train(p, TICKETS.training()[:n], seed)
    return share(grade(TICKETS, p), "all fields")


def few_shot(n: int) -> float:
    """The base with n examples in its prompt."""
    hits = grade(TICKETS, base(), shots=TICKETS.rows("train")[:n])
    return share(hits, "all fields")


def leaking(mixed: bool, seed: int) -> tuple[float, float]:
    """Marvin's voice with his prompt, and without it where nobody asked for it.

    `mixed`: as many ordinary examples, without a prompt and in the base's own words,
    stand between his.
    """
    p, rows = base(), TONE.training()
    if mixed:
        for row in TONE.training():
            asked = [turn for turn in row["messages"] if turn["role"] == "user"]
            said = answer(p, {"messages": asked})
            rows.append({"messages": [*asked, {"role": "assistant", "content": said}]})
    train(p, rows, seed)
    bare = [answer(p, chat(("user", row["question"]))) for row in TONE.rows("test")]
    leaked = fmean(graders.is_sarcastic(said) for said in bare)
    return share(grade(TONE, p), "sarcastic"), leaked


class Preferred(NamedTuple):
    """Shares of the preferred style; the reward margin of the training pairs; how the
    model before DPO finds the answers after it, in nats a token."""

    before: float
    after: float
    margin: float
    surprise: float


def preferred(multiplier: float, seed: int) -> Preferred:
    """DPO of a model that was tuned on both styles, the one and the other in turn."""
    p = base()
    tok = tokenizer.load(p.config.merges)
    pairs = PREFERENCES.rows("train")
    keys = ("preferred_output", "non_preferred_output")
    both = [
        {"messages": [*row["input"]["messages"], *row[keys[i % 2]]]}
        for i, row in enumerate(pairs)
    ]
    train(p, both, seed)
    reference = Parameters(p.config, p.flat.copy())
    objective = PreferenceObjective(p, BETA)
    items = objective.referred(
        [encode_pair(tok, row, p.config.context) for row in pairs]
    )
    settings = Settings(3, 1, DPO_RATE * multiplier, seed)
    for _ in Training(p, items, [], settings, objective):
        pass
    asked = [row["question"] for row in PREFERENCES.rows("test")]
    said = [(question, answer(p, chat(("user", question)))) for question in asked]
    examples = [
        encode_example(
            tok, chat(("user", question), ("assistant", text)), p.config.context
        )
        for question, text in said
    ]
    return Preferred(
        share(grade(PREFERENCES, reference), "preferred style"),
        fmean(graders.is_encouraging(text) for _, text in said),
        objective.measure(items)["reward_margin"],
        evaluate(reference, examples).loss,
    )


def table_of_lessons(pool: ProcessPoolExecutor) -> tuple[list[str], dict[str, bool]]:
    """What the lessons tell, each the mean of the seeds, and whether it held."""

    def runs(of: Callable[..., Any], *given: Any) -> list[Any]:
        return [pool.submit(of, *given, seed) for seed in SEEDS]

    sizes, wrong = (10, 20, 50, 100), (0.0, 0.2, 0.4, 1.0)
    pending = {
        **{f"wrong {part}": runs(mislabelled, part) for part in wrong},
        **{f"tickets {n}": runs(tickets_of, n) for n in sizes},
        "bare": runs(leaking, False),
        "mixed": runs(leaking, True),
        "dpo": runs(preferred, 1.0),
        "dpo x 30": runs(preferred, 30.0),
    }
    shots = [pool.submit(few_shot, n) for n in (0, 3, 10)]
    strange = [
        pool.submit(knows_its_limits, path, DATA / "strange" / "test.jsonl")
        for path in (weights.shipped(), WEIGHTS)
    ]
    found = {name: [run.result() for run in given] for name, given in pending.items()}
    curve = [fmean(found[f"tickets {n}"]) for n in sizes]
    few = [run.result() for run in shots]
    limits = [run.result() for run in strange]
    voice, leaked = (fmean(values) for values in zip(*found["bare"], strict=True))
    kept, cured = (fmean(values) for values in zip(*found["mixed"], strict=True))
    dpo, hot = (
        Preferred(*map(fmean, zip(*found[name], strict=True)))
        for name in ("dpo", "dpo x 30")
    )
    right = [fmean(found[f"wrong {part}"]) for part in wrong]
    lines = [
        "| what a lesson tells | measured |",
        "| --- | --- |",
        f"| reviews: exact label with {', '.join(f'{part:.0%}' for part in wrong)} of "
        f"the labels wrong | {', '.join(f'{value:.2f}' for value in right)} |",
        f"| tickets: all fields after {', '.join(map(str, sizes))} examples | "
        f"{', '.join(f'{value:.2f}' for value in curve)} |",
        f"| tickets: all fields of the base with 0, 3, 10 examples in the prompt | "
        f"{', '.join(f'{value:.2f}' for value in few)} |",
        f"| tone: sarcastic with the prompt, and without it where nobody asked | "
        f"{voice:.2f}, {leaked:.2f} |",
        f"| the same, as many ordinary examples mixed in | {kept:.2f}, {cured:.2f} |",
        f"| preferences: preferred style before and after DPO; reward margin of the "
        f"training pairs; nats a token of the answers for the model before | "
        f"{dpo.before:.2f}, {dpo.after:.2f}; {dpo.margin:.1f}; {dpo.surprise:.1f} |",
        f"| the same at thirty times the rate | {hot.before:.2f}, {hot.after:.2f}; "
        f"{hot.margin:.1f}; {hot.surprise:.1f} |",
        f"| strange questions: tinygpt, tinygpt-tasks say what they do not know | "
        f"{', '.join(f'{value:.2f}' for value in limits)} |",
    ]
    held = {
        "reviews: the more labels are wrong, the worse": (
            right[0] > right[1] > right[2] > right[3]
        ),
        "tickets: the curve rises from 20 to 100": curve[1] < curve[2] < curve[3],
        "tickets: tuned beats few-shot": curve[-1] > max(few) + 0.1,
        "the tone leaks without its prompt, mixing cures it": (
            leaked > cured + 0.1 and cured <= 0.05
        ),
        "DPO: the preferred style wins >= 30 points more": (
            dpo.after - dpo.before >= 0.30
        ),
        "DPO at thirty times the rate over-optimises": (
            hot.margin > dpo.margin and hot.surprise > dpo.surprise + 1
        ),
        "strange questions: says that it does not know >= 0.80": min(limits) >= 0.80,
    }
    return lines, held


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--card", action="store_true", help="write the model card")
    parser.add_argument("--processes", type=int, default=1)
    arguments = parser.parse_args()
    with ProcessPoolExecutor(arguments.processes) as pool:
        tasks, goals = table_of_tasks(pool)
        lessons, claims = table_of_lessons(pool)
    text = "\n".join([*tasks, "", *lessons])
    print(text, end="\n\n")
    held = goals | claims
    for claim, true in held.items():
        print(f"{'holds' if true else 'FAILS'}: {claim}")
    if arguments.card:
        write_card("tasks", WEIGHTS, text)
    return 0 if all(held.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
