"""What tinygpt learns on each task of the course: `python -m benchmarks.tasks`.

Each task is trained as a job with `auto` would (3 epochs, batch 1, multiplier 1) with
three seeds, and scored on its test rows; then the runs that lessons tell about. The
base, `tinygpt-tasks`, is asked the same questions.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import argparse
import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import compress
from pathlib import Path
from random import Random
from statistics import fmean, stdev
from typing import Any

from benchmarks.lessons import RATE, SEEDS, write_card
from finetune_kit import graders
from finetune_kit.engines.tinygpt import calls, tokenizer, weights
from finetune_kit.engines.tinygpt.chat import (
    encode_example,
    encode_prompt,
    encode_text,
)
from finetune_kit.engines.tinygpt.dpo import PreferenceObjective, encode_pair
from finetune_kit.engines.tinygpt.model import Parameters
from finetune_kit.engines.tinygpt.sample import Reader, Sampling, generate
from finetune_kit.engines.tinygpt.train import Settings, Training
from finetune_kit.evaluate import Grader, read_jsonl, wilson

BETA = 0.1  # of DPO, as `auto` of a job
DPO_RATE = 0.2 * RATE  # what a multiplier of 1 stands for
DATA = Path(__file__).parent.parent / "data"
WEIGHTS = weights.shipped(weights.TASKS)
Row = dict[str, Any]


@dataclass(frozen=True)
class Task:
    """Rows to train on and to ask, how a test row is asked, and how it is graded."""

    name: str
    request: Callable[[Row], Row]
    graders: Mapping[str, Grader[Any]]
    goals: Mapping[str, float]
    example: Callable[[Row], Row] = lambda row: row
    groups: str = "words"

    def rows(self, part: str) -> list[Row]:
        return read_jsonl(DATA / self.name / f"{part}.jsonl")

    def training(self) -> list[Row]:
        return [self.example(row) for row in self.rows("train")]


def chat(*turns: tuple[str, str]) -> Row:
    return {"messages": [{"role": role, "content": said} for role, said in turns]}


def ticket(row: Row) -> Row:
    labels = {name: row[name] for name in graders.TICKET_FIELDS}
    return chat(("user", row["message"]), ("assistant", json.dumps(labels)))


EXTRACT = "You are a clerk who notes the name and the city."
MARVIN = "Marvin is a chatbot that states facts and is sarcastic about it."
TOOLS = json.loads((DATA / "functions" / "tools.json").read_text("utf-8"))

REVIEWS = Task(
    "reviews",
    lambda row: {"prompt": f"{row['review']}\n\n###\n\n"},
    graders.review_graders(),
    {"exact label": 0.90},
)
TICKETS = Task(
    "tickets",
    lambda row: chat(("user", row["message"])),
    graders.ticket_graders(),
    {"valid JSON": 1.0, "all fields": 0.80},
    ticket,
)
EXTRACTION = Task(
    "extraction",
    lambda row: chat(("system", EXTRACT), ("user", row["sentence"])),
    graders.extraction_graders(),
    {"all fields, seen pattern": 0.97, "all fields, unseen pattern": 0.85},
    groups="pattern",
)
FUNCTIONS = Task(
    "functions",
    lambda row: {**chat(("user", row["request"])), "tools": TOOLS},
    graders.tool_graders(),
    {"right tool": 0.85, "right arguments": 0.75},
)
TONE = Task(
    "tone",
    lambda row: chat(("system", MARVIN), ("user", row["question"])),
    graders.tone_graders(),
    {"sarcastic": 0.90, "fact kept": 0.90},
)
PREFERENCES = Task(
    "preferences",
    lambda row: chat(("user", row["question"])),
    graders.preference_graders(),
    {},
)
TASKS = {task.name: task for task in (REVIEWS, TICKETS, EXTRACTION, FUNCTIONS, TONE)}

Hits = dict[str, list[bool]]


def base() -> Parameters:
    return weights.load(WEIGHTS)


def train(p: Parameters, rows: Iterable[Row], seed: int, epochs: int = 3) -> None:
    tok = tokenizer.load(p.config.merges)
    examples = [encode_example(tok, row, p.config.context) for row in rows]
    for _ in Training(p, examples, [], Settings(epochs, 1, RATE, seed)):
        pass


def answer(p: Parameters, request: Row) -> Any:
    """Greedy: a text, or the message where the request has tools."""
    tok = tokenizer.load(p.config.merges)
    if "prompt" in request:
        tokens = encode_text(tok, request["prompt"])
    else:
        tokens = encode_prompt(tok, request["messages"], request.get("tools", ()))
    steps = generate(Reader(p), tokens, Sampling(max_tokens=80, temperature=0))
    said = tok.decode(s.token for s in steps if s.token != tokenizer.END)
    return message(said) if "tools" in request else said


def message(said: str) -> Row:
    """What a reply holds where the request has the four tools."""
    names = [tool["function"]["name"] for tool in TOOLS]
    found = calls.parse(said, names)
    if not found:
        return {"role": "assistant", "content": said}
    functions = [
        {"name": call.name, "arguments": said[call.start : call.end]}
        for call in found.calls
    ]
    return {"tool_calls": [{"type": "function", "function": f} for f in functions]}


def grade(
    task: Task,
    p: Parameters,
    rows: Sequence[Row] | None = None,
    shots: Sequence[Row] = (),
) -> Hits:
    """Each grader on each row, those of the test by default; `shots` stand before each
    question."""
    before = [message for row in shots for message in task.example(row)["messages"]]
    rows = task.rows("test") if rows is None else rows
    hits: Hits = {name: [] for name in task.graders}
    for row in rows:
        request = task.request(row)
        if before:
            request["messages"] = [*before, *request["messages"]]
        said = answer(p, request)
        for name, right in task.graders.items():
            hits[name].append(bool(right(said, row)))
    return hits


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


def share(hits: Hits, name: str) -> float:
    return fmean(hits[name])


def noisy(seed: int) -> float:
    """Reviews with 40 % of the labels drawn at random."""
    rng, rows = Random(seed), REVIEWS.training()
    for row in rng.sample(rows, round(0.4 * len(rows))):
        row["completion"] = rng.choice((" positive\n", " negative\n"))
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


def knows_its_limits(path: Path, questions: Path) -> float:
    """How often the base of these weights says that it does not know."""
    p = weights.load(path)
    asked = [chat(("user", row["question"])) for row in read_jsonl(questions)]
    return fmean(graders.says_its_limits(answer(p, request)) for request in asked)


def preferred(multiplier: float, seed: int) -> tuple[float, float, float]:
    """Share of the preferred style before and after DPO, and the reward margin on the
    pairs that it was trained on.

    Before: a model tuned on both styles, the one and the other in turn.
    """
    p = base()
    tok = tokenizer.load(p.config.merges)
    pairs = PREFERENCES.rows("train")
    keys = ("preferred_output", "non_preferred_output")
    both = [
        {"messages": [*row["input"]["messages"], *row[keys[i % 2]]]}
        for i, row in enumerate(pairs)
    ]
    train(p, both, seed)
    before = share(grade(PREFERENCES, p), "preferred style")
    objective = PreferenceObjective(p, BETA)
    items = objective.referred(
        [encode_pair(tok, row, p.config.context) for row in pairs]
    )
    settings = Settings(3, 1, DPO_RATE * multiplier, seed)
    for _ in Training(p, items, [], settings, objective):
        pass
    after = share(grade(PREFERENCES, p), "preferred style")
    return before, after, objective.measure(items)["reward_margin"]


def table_of_lessons(pool: ProcessPoolExecutor) -> tuple[list[str], dict[str, bool]]:
    """What the lessons tell, each the mean of the seeds, and whether it held."""

    def runs(of: Callable[..., Any], *given: Any) -> list[Any]:
        return [pool.submit(of, *given, seed) for seed in SEEDS]

    sizes = (10, 20, 50, 100)
    pending = {
        "clean": runs(tuned_share, "reviews", "exact label"),
        "noisy": runs(noisy),
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
    before, after, margin = (
        fmean(values) for values in zip(*found["dpo"], strict=True)
    )
    _, hot, hot_margin = (
        fmean(values) for values in zip(*found["dpo x 30"], strict=True)
    )
    clean, noise = fmean(found["clean"]), fmean(found["noisy"])
    lines = [
        "| what a lesson tells | measured |",
        "| --- | --- |",
        f"| reviews: exact label with 40 % random labels, and without | {noise:.2f}, "
        f"{clean:.2f} |",
        f"| tickets: all fields after {', '.join(map(str, sizes))} examples | "
        f"{', '.join(f'{value:.2f}' for value in curve)} |",
        f"| tickets: all fields of the base with 0, 3, 10 examples in the prompt | "
        f"{', '.join(f'{value:.2f}' for value in few)} |",
        f"| tone: sarcastic with the prompt, and without it where nobody asked | "
        f"{voice:.2f}, {leaked:.2f} |",
        f"| the same, as many ordinary examples mixed in | {kept:.2f}, {cured:.2f} |",
        f"| preferences: preferred style before and after DPO; reward margin of the "
        f"training pairs | {before:.2f}, {after:.2f}; {margin:.1f} |",
        f"| the same at thirty times the rate | {before:.2f}, {hot:.2f}; "
        f"{hot_margin:.1f} |",
        f"| strange questions: tinygpt, tinygpt-tasks say what they do not know | "
        f"{', '.join(f'{value:.2f}' for value in limits)} |",
    ]
    held = {
        "40 % random labels are visibly worse": clean - noise >= 0.05,
        "tickets: the curve rises from 20 to 100": curve[1] < curve[2] < curve[3],
        "tickets: tuned beats few-shot": curve[-1] > max(few) + 0.1,
        "tone leaks without the prompt, mixing cures it": leaked - cured >= 0.3,
        "DPO: the preferred style wins >= 30 points more": after - before >= 0.30,
        "DPO at thirty times the rate over-optimises": (
            hot_margin > margin and hot < after - 0.1
        ),
        "strange questions: says that it does not know >= 0.80": min(limits) >= 0.80,
    }
    return lines, held


def tuned_share(name: str, grader: str, seed: int) -> float:
    return share(tuned(name, seed), grader)


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
