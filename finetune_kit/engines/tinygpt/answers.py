"""The answer process: `python -m finetune_kit.engines.tinygpt.answers`.

Reads requests and writes tokens as JSON lines on its standard streams (the fields are
in `finetune_kit/localapi/answers.py`, its client). All answers under way advance by one
token in turn, so a long one does not hold up a short one, and those of one model are
computed together.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import json
import queue
import sys
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from finetune_kit.engines.tinygpt import tokenizer as tokens
from finetune_kit.engines.tinygpt import weights
from finetune_kit.engines.tinygpt.calls import CALL, Caller, beginnings
from finetune_kit.engines.tinygpt.chat import encode_prompt, encode_text
from finetune_kit.engines.tinygpt.model import Parameters, all_logits
from finetune_kit.engines.tinygpt.pieces import Line, Pieces, cut, with_marks
from finetune_kit.engines.tinygpt.sample import (
    Beginning,
    Reader,
    Sampling,
    Step,
    generate,
    log_softmax,
    numbers,
)
from finetune_kit.engines.tinygpt.tokenizer import END, Decoder, Tokenizer

MODELS_IN_MEMORY = 8
EACH = 4  # answers of a user that go on in a round, where others wait too


class AnswerError(Exception):
    """A request that cannot be answered; the fields go to the client."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(message)
        self.line = {"event": "error", "code": code, "message": message, **fields}


class Models:
    """The models last used, by their file; the least recently used one is dropped."""

    def __init__(self) -> None:
        self.loaded: OrderedDict[tuple[Any, ...], Reader] = OrderedDict()

    def get(self, path: str | None) -> Reader:
        try:
            key = _state_of(path) if path else ()
            if key not in self.loaded:
                self.loaded[key] = Reader(weights.load(Path(path) if path else None))
        except (OSError, ValueError) as error:
            why = f"no readable model at {path}: {error}"
            raise AnswerError("weights_missing", why) from error
        self.loaded.move_to_end(key)
        if len(self.loaded) > MODELS_IN_MEMORY:
            self.loaded.popitem(last=False)
        return self.loaded[key]


def _state_of(path: str) -> tuple[Any, ...]:
    """Another one when the file is written anew: after a reset, names come again."""
    now = Path(path).stat()
    return path, now.st_ino, now.st_mtime_ns, now.st_size


def answer(request: Line, reader: Reader, tokenizer: Tokenizer) -> Iterator[Line]:
    """The lines that answer one request: its tokens, then the end."""
    context, prompt = reader.p.config.context, encode(request, tokenizer)
    if len(prompt) >= context:
        raise AnswerError(
            "context_length_exceeded",
            f"the prompt has {len(prompt)} tokens, the model reads {context}",
            context=context,
            needed=len(prompt),
        )
    may_call = request.get("tools") and request["tool_choice"]["mode"] != "none"
    lines = said(request, reader, tokenizer, prompt)
    if may_call:
        names = request["tool_choice"]["names"]
        lines = Caller(names, parallel=request["parallel_tool_calls"]).lines(lines)
    yield from lines


def said(
    request: Line, reader: Reader, tokenizer: Tokenizer, prompt: list[int]
) -> Iterator[Line]:
    """What the model says after the prompt, as text."""
    settings = request["sampling"]
    top = settings.get("top_logprobs", 0)
    if request.get("echo"):
        yield from prompt_lines(reader.p, prompt, tokenizer, top)
    stops = Stops(settings.get("stop") or [])
    pieces = Pieces(Decoder(tokenizer, request.get("prompt") or ""), top)
    count, reason = 0, "length"
    beginning = beginning_of(request, tokenizer)
    for step in generate(reader, prompt, sampling(settings, tokenizer), beginning):
        if step.token == END:
            reason = "stop"
            break
        count += 1
        for piece in pieces.feed(step):
            yield from stops.feed(piece)
        if stops.found:
            reason = "stop"
            break
    if not stops.found:
        for piece in pieces.flush():
            yield from stops.feed(piece)
    yield from stops.flush()
    yield {
        "event": "end",
        "finish_reason": reason,
        "prompt_tokens": len(prompt),
        "completion_tokens": count,
    }


def encode(request: Line, tokenizer: Tokenizer) -> list[int]:
    if request.get("messages"):
        return encode_prompt(tokenizer, request["messages"], request.get("tools") or ())
    return encode_text(tokenizer, request["prompt"])


def beginning_of(request: Line, tokenizer: Tokenizer) -> Beginning:
    """How the answer must begin where a call is required, or must not where none is
    allowed."""
    choice = request.get("tool_choice") or {"mode": "auto"}
    if choice["mode"] == "none":
        return Beginning(none_of=[tokenizer.encode(CALL)])
    if choice["mode"] == "auto":
        return Beginning()
    wanted = (t for t in request["tools"] if t["function"]["name"] in choice["names"])
    texts = (text for tool in wanted for text in beginnings(tool))
    return Beginning(one_of=[tokenizer.encode(text) for text in texts])


def sampling(settings: Line, tokenizer: Tokenizer) -> Sampling:
    bias = settings.get("logit_bias") or {}
    return Sampling(
        max_tokens=settings.get("max_tokens"),
        temperature=settings.get("temperature", 1.0),
        top_p=settings.get("top_p", 1.0),
        seed=settings.get("seed"),
        top_logprobs=with_marks(settings.get("top_logprobs", 0)),
        logit_bias={
            int(token): value
            for token, value in bias.items()
            if int(token) < tokenizer.vocab_size
        },
        presence_penalty=settings.get("presence_penalty", 0.0),
        frequency_penalty=settings.get("frequency_penalty", 0.0),
    )


def prompt_lines(
    p: Parameters, prompt: list[int], tokenizer: Tokenizer, top: int
) -> Iterator[Line]:
    """The prompt's own tokens, with the probability that the model gave each."""
    if len(prompt) == 1:
        return
    logits = numbers(all_logits(p, np.array([prompt[:-1]]))[0])  # (T, V)
    logprobs = log_softmax(logits)
    pieces = Pieces(Decoder(tokenizer), top)
    for token, row in zip(prompt[1:], logprobs, strict=True):
        best = np.argsort(-row, kind="stable")[: with_marks(top)]
        likely = [(int(i), float(row[i])) for i in best]
        for piece in pieces.feed(Step(token, float(row[token]), likely)):
            yield piece | {"prompt": True}


class Stops:
    """Holds text back while it may be the beginning of a stop sequence."""

    def __init__(self, sequences: list[str]) -> None:
        self.sequences = [s for s in sequences if s]
        self.held: deque[Line] = deque()
        self.found = False

    def feed(self, line: Line) -> Iterator[Line]:
        self.held.append(line)
        text = self.text
        ends = [text.find(s) for s in self.sequences if s in text]
        if ends:
            self.found = True
            yield from self._cut(min(ends))
        elif not any(begins(text, s) for s in self.sequences):
            yield from self.held
            self.held.clear()

    @property
    def text(self) -> str:
        return "".join(line["text"] for line in self.held)

    def _cut(self, length: int) -> Iterator[Line]:
        """The held lines up to the stop sequence, which is not part of the answer."""
        while self.held and length > 0:
            line = self.held.popleft()
            yield cut(line, length)
            length -= len(line["text"])
        self.held.clear()

    def flush(self) -> Iterator[Line]:
        """What is still held at the end."""
        yield from self.held
        self.held.clear()


def begins(text: str, sequence: str) -> bool:
    """Does the text end with a beginning of the sequence?"""
    longest = min(len(text), len(sequence) - 1)
    return any(sequence.startswith(text[-n:]) for n in range(1, longest + 1))


class UnderWay(NamedTuple):
    """An answer that is being given, and the user who waits for it."""

    owner: str
    lines: Iterator[Line]


class Process:
    """Reads requests in a thread, answers them in turn, one token each."""

    def __init__(self) -> None:
        self.requests: queue.Queue[Line | None] = queue.Queue()
        self.under_way: OrderedDict[str, UnderWay] = OrderedDict()
        self.models = Models()

    def run(self) -> None:
        config = self.models.get(None).p.config
        tokens.load(config.merges)  # now, so that the first answer need not wait
        self.write(
            event="ready",
            context=config.context,
            vocab_size=config.vocab_size,
            weights_sha256=weights.sha256(),
        )
        sys.stdout.flush()
        threading.Thread(target=self.listen, daemon=True).start()
        while self.accept():
            for request_id in self.due():
                self.advance(request_id)
            sys.stdout.flush()

    def listen(self) -> None:
        for line in sys.stdin:
            self.requests.put(json.loads(line))
        self.requests.put(None)

    def accept(self) -> bool:
        """Take in what has arrived; wait only when nothing is under way."""
        while not self.requests.empty() or not self.under_way:
            request = self.requests.get()
            if request is None:
                return False
            if request["op"] == "cancel":
                self.under_way.pop(request["id"], None)
            else:
                answered = UnderWay(request.get("owner", ""), self.lines(request))
                self.under_way[request["id"]] = answered
        return True

    def due(self) -> list[str]:
        """Whose turn it is: as many of each user's where several wait."""
        of_owner: dict[str, list[str]] = {}
        for request_id, answered in self.under_way.items():
            of_owner.setdefault(answered.owner, []).append(request_id)
        most = EACH if len(of_owner) > 1 else None
        return [each for ids in of_owner.values() for each in ids[:most]]

    def lines(self, request: Line) -> Iterator[Line]:
        try:
            reader = self.models.get(request["weights"])
            tokenizer = tokens.load(reader.p.config.merges)
            yield from answer(request, reader, tokenizer)
        except AnswerError as error:
            yield error.line

    def advance(self, request_id: str) -> None:
        line = next(self.under_way[request_id].lines, None)
        if line is None:
            del self.under_way[request_id]
        else:
            self.under_way.move_to_end(request_id)
            self.write(id=request_id, **line)

    def write(self, **line: Any) -> None:
        sys.stdout.write(json.dumps(line) + "\n")


if __name__ == "__main__":
    sys.stdout.reconfigure(encoding="utf-8", newline="\n")  # type: ignore[union-attr]
    sys.stdin.reconfigure(encoding="utf-8")  # type: ignore[union-attr]
    Process().run()
