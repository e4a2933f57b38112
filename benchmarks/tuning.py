"""The tasks of the course: rows, how a model is tuned on them, asked and graded."""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from statistics import fmean
from typing import Any

from benchmarks.lessons import RATE
from finetune_kit import graders
from finetune_kit.engines.tinygpt import calls, tokenizer, weights
from finetune_kit.engines.tinygpt.chat import (
    encode_example,
    encode_prompt,
    encode_text,
)
from finetune_kit.engines.tinygpt.model import Parameters
from finetune_kit.engines.tinygpt.sample import Reader, Sampling, generate
from finetune_kit.engines.tinygpt.train import Settings, Training
from finetune_kit.evaluate import Grader, read_jsonl

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


def share(hits: Hits, name: str) -> float:
    return fmean(hits[name])


def knows_its_limits(path: Path, questions: Path) -> float:
    """How often the base of these weights says that it does not know."""
    p = weights.load(path)
    asked = [chat(("user", row["question"])) for row in read_jsonl(questions)]
    return fmean(graders.says_its_limits(answer(p, request)) for request in asked)
