"""Ask models the same questions, set the answers side by side, score them."""

from __future__ import annotations

import json
import math
import random
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from itertools import compress, islice
from numbers import Real
from pathlib import Path
from statistics import fmean
from typing import TYPE_CHECKING, Any, TypeVar

from finetune_kit.dataset.read import refuse_count
from finetune_kit.dataset.rules import did_you_mean
from finetune_kit.display.tables import Table
from finetune_kit.jobs.results import NotFinishedError

if TYPE_CHECKING:
    from openai import OpenAI
    from openai.types.chat import (
        ChatCompletion,
        ChatCompletionChunk,
        ChatCompletionMessage,
        ChatCompletionMessageParam,
        ChatCompletionToolUnionParam,
        ChatCompletionUserMessageParam,
    )

WORKERS = 16  # questions on the way at once
MAX_TOKENS = 80  # of an answer; one that rambles on is cut there
Z95 = 1.959964  # the 97.5 % point of the normal distribution
RESAMPLES = 2000

_MODELS = '{"tuned": job.fine_tuned_model}'
_ANSWERS = '{"tuned": kit.ask(…)}'
_GRADERS = '{"right": lambda answer, row: answer == row["answer"]}'

Row = Mapping[str, Any]
Answer = TypeVar("Answer")  # a text, or a message where tools are called
Grader = Callable[[Answer, Row], bool | float]


def read_jsonl(path: Path | str, n: int | None = None) -> list[dict[str, Any]]:
    """The first ``n`` rows of a JSONL file, or all; blank lines are skipped.

    Raises ValueError with the line that cannot be read.
    """
    refuse_count(n)
    at, rows = 0, []
    try:
        with Path(path).open(encoding="utf-8-sig", newline="\n") as lines:
            filled = ((n, line) for n, line in enumerate(lines, 1) if line.strip())
            for at, line in islice(filled, n):  # noqa: B007
                rows.append(json.loads(line))
    except json.JSONDecodeError as error:
        fault = f"{path}, line {at}: {error.msg}"
    except UnicodeDecodeError:
        fault = f"{path} is not written in UTF-8"
    else:
        return rows
    raise ValueError(
        f"{fault}. kit.check(path) names every fault; kit.repair(path) mends what can "
        "be mended."
    )


def ask(
    client: OpenAI,
    model: str,
    questions: Iterable[str],
    system: str | None = None,
    shots: Iterable[Row] = (),
) -> list[str]:
    """The model's answers, in the order of the questions; greedy (temperature 0).

    A single text is one question. ``shots`` are chat examples: their messages, without
    system prompts, stand before each question (few-shot).
    """
    messages = replies(client, model, questions, system, shots)
    return [message.content or "" for message in messages]


def replies(
    client: OpenAI,
    model: str,
    questions: Iterable[str],
    system: str | None = None,
    shots: Iterable[Row] = (),
    *,
    tools: Iterable[ChatCompletionToolUnionParam] | None = None,
) -> list[ChatCompletionMessage]:
    """As ``ask``, but whole messages: with ``tools`` they may hold calls."""
    if model is None:
        raise NotFinishedError(
            "There is no model to ask: its name is None. A job has one when it has "
            "succeeded. Wait with job = follow(client, job), then run this cell again."
        )
    before: list[ChatCompletionMessageParam] = []
    if system:
        before.append({"role": "system", "content": system})
    for row in _shots(shots):
        before += [each for each in row["messages"] if each["role"] != "system"]

    offered = {"tools": list(tools)} if tools else {}

    def answer(question: str) -> ChatCompletionMessage:
        messages = [*before, _user(question)]
        settings: Any = {"temperature": 0, "max_tokens": MAX_TOKENS, **offered}
        create = client.chat.completions.create
        reply: ChatCompletion = create(model=model, messages=messages, **settings)
        return reply.choices[0].message

    with ThreadPoolExecutor(WORKERS) as pool:
        return list(pool.map(answer, _listed(questions)))


def pieces(stream: Iterable[ChatCompletionChunk]) -> Table:
    """What a chat stream with ``logprobs=True`` brought, and how likely each piece was.

    Raises ValueError where the stream has no logprobs.
    """
    brought = [chunk.choices[0].logprobs for chunk in stream if chunk.choices]
    tokens = [token for found in brought if found for token in found.content or ()]
    if not tokens:
        raise ValueError("This stream has no logprobs: ask for them, logprobs=True.")
    rows = [[token.token, math.exp(token.logprob)] for token in tokens]
    return Table(["piece", "probability"], rows)


def _listed(questions: Iterable[str]) -> list[str]:
    one = isinstance(questions, str | Mapping)
    listed: list[Any] = [questions] if one else list(questions)
    for number, question in enumerate(listed, 1):
        if not isinstance(question, str):
            kind = "a row" if isinstance(question, Mapping) else repr(question)
            raise TypeError(
                f"Question {number} is {kind:.60}, not a text. Give the texts, such as "
                '[row["question"] for row in rows].'
            )
    return listed


def _shots(shots: Iterable[Row]) -> list[Row]:
    """The examples to show; TypeError where they are none of chat."""
    listed = [shots] if isinstance(shots, Mapping | str) else list(shots)
    wanted = 'shots are a list of chat examples, such as [{"messages": […]}]'
    for number, row in enumerate(listed, 1):
        if not isinstance(row, Mapping) or "messages" not in row:
            known = f", only {', '.join(row)}" if isinstance(row, Mapping) else ""
            raise TypeError(f"Shot {number} has no messages{known}; {wanted}.")
    if isinstance(shots, Mapping):
        raise TypeError(f"This is one example; {wanted}: shots=[row].")
    return listed


def _refuse_unnamed(what: str, given: object, example: str) -> None:
    if not isinstance(given, Mapping):
        raise TypeError(f"{what} have names; give a dict, such as {example}.")


def _user(question: str) -> ChatCompletionUserMessageParam:
    return {"role": "user", "content": question}


def side_by_side(
    client: OpenAI,
    models: Mapping[str, str],
    questions: Sequence[str],
    system: str | None = None,
) -> Table:
    """A row a question, a column a model; ``models`` maps a heading to a model name."""
    _refuse_unnamed("Models", models, _MODELS)
    asked = _listed(questions)
    answers = [ask(client, model, asked, system) for model in models.values()]
    rows = [list(row) for row in zip(asked, *answers, strict=True)]
    return Table(["question", *models], rows)


@dataclass(frozen=True)
class Metric:
    """The mean of a grade over ``n`` answers, with its 95 % interval."""

    name: str
    n: int
    value: float
    low: float
    high: float


class Scores(Table):
    """Metrics of one or more models: ``scores["tuned"]["on topic"].value``."""

    def __init__(self, metrics: Mapping[str, Sequence[Metric]]) -> None:
        self.metrics = {
            model: {metric.name: metric for metric in found}
            for model, found in metrics.items()
        }
        rows = [
            [model, m.name, m.n, m.value, f"{m.low:.3f} to {m.high:.3f}"]
            for model, found in metrics.items()
            for m in found
        ]
        super().__init__(["model", "metric", "n", "value", "95 % interval"], rows)

    def __getitem__(self, model: str) -> dict[str, Metric]:
        return self.metrics[model]


def compare(
    client: OpenAI,
    models: Mapping[str, str],
    rows: Sequence[Row],
    graders: Mapping[str, Grader[Any]],
    system: str | None = None,
    *,
    field: str = "question",
    tools: Sequence[ChatCompletionToolUnionParam] = (),
) -> Scores:
    """Ask every model what stands in ``field`` of ``rows`` and grade the answers.

    With ``tools`` the models may call them, and the graders get whole messages.
    """
    _refuse_unnamed("Models", models, _MODELS)
    _refuse_lacking(rows, field, "Name the one that holds the question: field=…")
    questions = [row[field] for row in rows]
    answers: dict[str, Sequence[Any]] = {}
    for heading, model in models.items():
        if tools:
            answers[heading] = replies(client, model, questions, system, tools=tools)
        else:
            answers[heading] = ask(client, model, questions, system)
    return scores(answers, rows, graders)


def _refuse_lacking(rows: Iterable[Row], field: str, advice: str) -> None:
    for number, row in enumerate(rows, 1):
        if field not in row:
            known = ", ".join(map(str, row))
            meant = did_you_mean(field, row)
            raise ValueError(
                f"Row {number} has no field {field!r}, only {known}.{meant} {advice}"
            )


def scores(
    answers: Mapping[str, Sequence[Answer]],
    rows: Sequence[Row],
    graders: Mapping[str, Grader[Answer]],
) -> Scores:
    """Grade several lists of answers to the questions of ``rows``, each by its name."""
    _refuse_unnamed("Lists of answers", answers, _ANSWERS)
    return Scores(
        {name: score(given, rows, graders) for name, given in answers.items()}
    )


def score_by(
    key: str,
    answers: Sequence[Answer],
    rows: Sequence[Row],
    graders: Mapping[str, Grader[Answer]],
) -> Scores:
    """One entry for each value of the rows' ``key``, such as "style" or "topic"."""
    _refuse_lacking(rows, key, "Name the one to group by.")
    _refuse_unpaired(answers, rows)
    found = {}
    for value in sorted({row[key] for row in rows}):
        kept = [row[key] == value for row in rows]
        part = list(compress(answers, kept)), list(compress(rows, kept))
        found[value] = score(*part, graders)
    return Scores(found)


def score(
    answers: Sequence[Answer],
    rows: Sequence[Row],
    graders: Mapping[str, Grader[Answer]],
) -> list[Metric]:
    """Grade each answer against its row; yes/no grades get a Wilson interval.

    Grades other than True and False, or 1 and 0, get a bootstrap interval (percentiles
    of 2,000 resamples, fixed seed).
    """
    if not rows:
        raise ValueError("There is nothing to score: no rows were given.")
    _refuse_unnamed("Graders", graders, _GRADERS)
    _refuse_unpaired(answers, rows)
    metrics = []
    for name, grade in graders.items():
        pairs = enumerate(zip(answers, rows, strict=True), 1)
        grades = [_number(grade(*pair), name, number) for number, pair in pairs]
        yes_or_no = set(grades) <= {0, 1}
        interval = wilson(sum(grades), len(grades)) if yes_or_no else bootstrap(grades)
        metrics.append(Metric(name, len(grades), fmean(grades), *interval))
    return metrics


def _refuse_unpaired(answers: Sequence[Answer], rows: Sequence[Row]) -> None:
    if len(answers) != len(rows):
        raise ValueError(
            f"There are {len(answers)} answers to {len(rows)} rows: give one answer a "
            "row, in the same order."
        )
    for number, answer in enumerate(answers, 1):
        if answer is None:
            raise TypeError(
                f"Answer {number} is None, which cannot be graded. Give a text, such "
                'as message.content or "".'
            )


def _number(grade: Any, grader: str, number: int) -> float:
    """The grade as a number; numpy's True is one, too."""
    if isinstance(grade, Real) or type(grade).__module__ == "numpy":
        return float(grade)
    raise TypeError(
        f"The grader {grader!r} gives {grade!r:.60} for row {number}; it must return "
        "True or False, or a number."
    )


def wilson(hits: float, n: int) -> tuple[float, float]:
    """The 95 % interval of a proportion (Wilson 1927); it stays within 0 and 1."""
    if n < 1 or not 0 <= hits <= n:
        raise ValueError(
            f"{hits} of {n} is no proportion: give n from 1 on and hits from 0 to n, "
            "such as wilson(8, 10)."
        )
    share, z2 = hits / n, Z95**2
    middle = share + z2 / (2 * n)
    half = Z95 * math.sqrt(share * (1 - share) / n + z2 / (4 * n * n))
    scale = 1 + z2 / n
    return max(0.0, (middle - half) / scale), min(1.0, (middle + half) / scale)


def bootstrap(values: Sequence[float]) -> tuple[float, float]:
    """The 95 % interval of a mean: percentiles of means of resamples, fixed seed."""
    draw = random.Random(0)
    means = sorted(fmean(draw.choices(values, k=len(values))) for _ in range(RESAMPLES))
    return means[int(0.025 * RESAMPLES)], means[int(0.975 * RESAMPLES) - 1]


def proverb_graders(path: Path | str) -> dict[str, Grader[str]]:
    """Graders for the proverbs in ``proverbs.jsonl`` and test rows with a topic.

    well-formed: word for word a proverb of the file; case, white space and a final
    stop are free. on topic: moreover, the question's topic is among the proverb's.
    """
    rows = read_jsonl(path)
    for field in ("latin", "topics"):
        _refuse_lacking(rows, field, "Give the list of proverbs: proverbs.jsonl.")
    topics = {plain(row["latin"]): set(row["topics"]) for row in rows}
    return {
        "well-formed": lambda answer, row: plain(answer) in topics,
        "on topic": lambda answer, row: row["topic"] in topics.get(plain(answer), ()),
    }


def plain(text: str) -> str:
    """Without case, final punctuation, and white space beyond one blank."""
    words = " ".join(text.split()).casefold()
    return re.sub(r"[\s.!?;:,…]+$", "", words)
