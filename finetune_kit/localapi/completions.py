"""`POST /v1/completions`: a text goes on. The endpoint of the models of 2023, and of
`babbage-002` and `davinci-002`.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any, Required

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import (
    chat,
    keys,
    models,
    requests,
    sampling,
    streaming,
    usage,
)
from finetune_kit.localapi.answers import GenerationError
from finetune_kit.localapi.chat import Event
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of

_DEFAULT_MAX_TOKENS = 16
_MOST_ANSWERS = 256  # of all prompts together: ours, a lesson needs few


@requests.from_sdk
def parameters() -> Any:
    """The schema of the request: the SDK's own (late: importing it takes 0.3 s)."""
    from openai.types.completion_create_params import CompletionCreateParamsBase

    class CompletionRequest(CompletionCreateParamsBase, total=False):
        model: Required[str]  # the SDK adds a stale list of hints
        stream: bool | None

    return CompletionRequest


async def create_completion(request: Request) -> Response:
    """`n` continuations of each prompt, as one object or as server-sent events."""
    kit = kit_of(request)
    params = await requests.json_object(request)
    requests.check(params, await asyncio.to_thread(parameters))
    _check_form(params)
    owner = keys.owner(request)
    served = _completion_model(kit, owner, params["model"])
    prompts = await _prompts(params["prompt"], served)
    ready = await kit.answers.ready()
    sampling.check_completion(params, ready["vocab_size"])
    _check_numbers(params, len(prompts))
    fingerprint = models.fingerprint(ready)
    completion = Completion(kit, owner, params, served, prompts, fingerprint)
    if params.get("stream"):
        return await streaming.stream(completion)
    return await streaming.unless_gone(request, completion.whole())


@dataclass
class Completion:
    """One request under way: what it asked, and what all its replies share."""

    kit: Kit
    owner: str
    params: dict[str, Any]
    served: models.Served
    prompts: list[str]
    fingerprint: str
    head: dict[str, Any] = field(init=False)

    def __post_init__(self) -> None:
        self.head = {
            "id": self.kit.ids.new("cmpl-"),
            "object": "text_completion",
            "created": self.kit.clock.now(),
            "model": self.served.name,
            "system_fingerprint": self.fingerprint,
        }

    @property
    def kept(self) -> int:
        """Answers to each prompt that are sent."""
        return int(self.params.get("n") or 1)

    @property
    def made(self) -> int:
        """Answers to each prompt that are made; the best of them are sent."""
        return int(self.params.get("best_of") or self.kept)

    @property
    def echo(self) -> bool:
        return bool(self.params.get("echo"))

    @property
    def logprobs(self) -> int | None:
        count: int | None = self.params.get("logprobs")
        return count

    def prompt_of(self, index: int) -> str:
        return self.prompts[index // self.made]

    def events(self) -> AsyncGenerator[tuple[int, Event], None]:
        """The events of all answers as they come, each with its answer's index."""
        seeds = sampling.seeds(
            {**self.params, "n": self.made * len(self.prompts)}, self.kit.ids.seed()
        )
        settings = {
            **self.params,
            "max_tokens": None,
            "top_logprobs": max(self.logprobs or 0, 0),
        }
        limit = self.params.get("max_tokens")
        limit = _DEFAULT_MAX_TOKENS if limit is None else limit
        return streaming.interleaved(
            [
                self.kit.answers.generate(
                    self.served.weights,
                    self.prompt_of(index),
                    sampling.for_engine(settings, seed) | {"max_tokens": limit},
                    owner=self.owner,
                    echo=self.echo and self.logprobs is not None,
                )
                for index, seed in enumerate(seeds)
            ]
        )

    async def refused_in_words(self) -> AsyncGenerator[tuple[int, Event], None]:
        """The events; the engine's refusals become the service's errors."""
        async with contextlib.aclosing(self.events()) as events:
            try:
                async for index, event in events:
                    yield index, event
            except GenerationError as error:
                raise _refusal(error, self.served.name) from error

    async def whole(self) -> Response:
        answers: dict[int, list[Event]] = {}
        async with contextlib.aclosing(self.refused_in_words()) as events:
            async for index, event in events:
                answers.setdefault(index, []).append(event)
        ordered = [answers[index] for index in sorted(answers)]
        used = await self.usage(ordered)
        sent = [
            index
            for start in range(0, len(ordered), self.made)
            for index in self._best(ordered, start)
        ]
        choices = [
            self._choice(place, self._shown(index, ordered[index]))
            for place, index in enumerate(sent)
        ]
        return JSONResponse(self.head | {"choices": choices, "usage": used})

    async def chunks(
        self, events: AsyncGenerator[tuple[int, Event], None]
    ) -> AsyncGenerator[Event, None]:
        """The stream's objects: text token by token, the end, `usage` if asked."""
        include_usage = (self.params.get("stream_options") or {}).get("include_usage")
        extra = {"usage": None} if include_usage else {}
        answers: dict[int, list[Event]] = {}
        lengths: dict[int, int] = {}
        async for index, event in events:
            if index not in answers:
                answers[index] = []
                lengths[index] = self._offset(index)
                if self.echo and self.logprobs is None:
                    text = self.prompt_of(index)
                    yield self._chunk(self._choice(index, _Text(text))) | extra
            answers[index].append(event)
            if event["event"] == "end":
                end = _Text("", reason=event["finish_reason"])
                yield self._chunk(self._choice(index, end)) | extra
            elif event["text"] or self.logprobs is not None:
                said = _Text(event["text"], [event], lengths[index])
                yield self._chunk(self._choice(index, said)) | extra
                lengths[index] += len(event["text"])
        if include_usage:
            used = await self.usage(list(answers.values()))
            yield self.head | {"choices": [], "usage": used}

    async def usage(self, answers: Sequence[list[Event]]) -> dict[str, Any]:
        """All answers that were made are counted, each prompt once; this endpoint
        never had the details that chats have."""
        base = self.served.base
        texts = ["".join(e["text"] for e in _generated(events)) for events in answers]
        prompt_tokens = await usage.of_texts(self.prompts, base)
        used = usage.usage(prompt_tokens, await usage.of_texts(texts, base))
        return {name: n for name, n in used.items() if isinstance(n, int)}

    def _chunk(self, choice: dict[str, Any]) -> Event:
        return self.head | {"choices": [choice]}

    def _best(self, ordered: Sequence[list[Event]], start: int) -> list[int]:
        """Of the answers to one prompt, those with the highest log-probability per
        token."""
        made = range(start, start + self.made)
        if self.made == self.kept:
            return list(made)
        return sorted(made, key=lambda i: -_mean_logprob(ordered[i]))[: self.kept]

    def _shown(self, index: int, events: list[Event]) -> _Text:
        tokens = [event for event in events if event["event"] == "token"]
        text = "".join(event["text"] for event in _generated(events))
        if self.echo:
            text = self.prompt_of(index) + text
        return _Text(text, tokens, self._offset(index), events[-1]["finish_reason"])

    def _offset(self, index: int) -> int:
        """Where the first token stands that is shown with its probability."""
        return 0 if self.echo else len(self.prompt_of(index))

    def _choice(self, index: int, said: _Text) -> dict[str, Any]:
        return {
            "text": said.text,
            "index": index,
            "logprobs": None if self.logprobs is None else self._table(said),
            "finish_reason": said.reason,
        }

    def _table(self, said: _Text) -> dict[str, Any]:
        """Four lists, a place for each token; nothing came before a prompt's first."""
        offsets, offset = [], said.offset
        for token in said.tokens:
            offsets.append(offset)
            offset += len(token["text"])
        values: list[float | None]
        tops: list[dict[str, float] | None]
        values = [chat.logprob(token)["logprob"] for token in said.tokens]
        tops = [_alternatives(token, self.logprobs or 0) for token in said.tokens]
        if said.tokens and said.tokens[0].get("prompt") and said.offset == 0:
            values[0] = tops[0] = None
        return {
            "tokens": [token["token"] for token in said.tokens],
            "token_logprobs": values,
            "top_logprobs": tops if self.logprobs else None,
            "text_offset": offsets,
        }


@dataclass
class _Text:
    """A piece of an answer: its text, its tokens, and where the first one stands."""

    text: str
    tokens: list[Event] = field(default_factory=list)
    offset: int = 0
    reason: str | None = None


def _generated(events: Sequence[Event]) -> list[Event]:
    """The tokens that the model said, without an echo of the prompt's."""
    return [e for e in events if e["event"] == "token" and not e.get("prompt")]


def _mean_logprob(events: Sequence[Event]) -> float:
    said = [event["logprob"] for event in _generated(events)]
    return sum(said) / len(said) if said else 0.0


def _alternatives(token: Event, top: int) -> dict[str, float]:
    """The likeliest tokens, and the one that stands there."""
    likely = [*token["top"][:top], token]
    return {each["token"]: chat.logprob(each)["logprob"] for each in likely}


def _completion_model(kit: Kit, owner: str, name: str) -> models.Served:
    served = models.resolve(kit, owner, name)
    base = catalog.base(served.base)
    if base is not None and base.chat and base.name != models.ENGINE:
        raise ApiError(
            404,
            "This is a chat model and not supported in the v1/completions endpoint. "
            "Did you mean to use v1/chat/completions?",
            param="model",
        )
    return served


def _check_form(params: dict[str, Any]) -> None:
    if params.get("suffix") is not None:
        raise ApiError(
            400,
            "The local engine writes on from the end of the prompt and cannot insert "
            "text before a 'suffix'. Leave 'suffix' out.",
            param="suffix",
        )


def _check_numbers(params: dict[str, Any], prompts: int) -> None:
    """Rules between `n`, `best_of`, `stream` and the number of prompts."""
    n = params.get("n") or 1
    best_of = params.get("best_of") or n
    if best_of < n:
        raise ApiError(
            400,
            f"You requested that the server return more choices than it will generate "
            f"(HINT: best_of must be >= n; got best_of={best_of}, n={n}).",
            param="best_of",
        )
    if params.get("stream") and best_of > n:
        raise ApiError(
            400,
            "The best answers are known only when all are made, so they cannot be "
            "streamed. Leave 'best_of' out, or 'stream'.",
            param="best_of",
        )
    if best_of * prompts > _MOST_ANSWERS:
        raise ApiError(
            400,
            f"This request asks for {best_of * prompts} answers at once; the local API "
            f"makes at most {_MOST_ANSWERS}. Send fewer prompts, or a smaller 'n' or "
            "'best_of'.",
            param="prompt",
        )


async def _prompts(prompt: Any, served: models.Served) -> list[str]:
    """The prompts as texts: a string, a list of them, one list of tokens or several.

    Tokens are the service's, as tiktoken makes them, not those of the engine.
    """
    if prompt is None:
        return [""]
    if isinstance(prompt, str):
        return [prompt]
    listed = list(prompt)
    if not listed:
        raise ApiError(
            400,
            "Invalid 'prompt': empty array. Give a text, or a list of texts.",
            param="prompt",
            code="empty_array",
        )
    if isinstance(listed[0], str):
        return listed
    token_lists = [listed] if isinstance(listed[0], int) else listed
    return [await _decoded(tokens, served) for tokens in token_lists]


async def _decoded(tokens: list[int], served: models.Served) -> str:
    base = catalog.base(served.base)
    if base is None or base.encoding_is_approximate:
        raise ApiError(
            400,
            f"The vocabulary of {served.name} (r50k_base) is not part of the local "
            "API, so it cannot read tokens for this model. Send 'prompt' as text.",
            param="prompt",
        )
    try:
        return await usage.text_of(tokens, base.name)
    except (KeyError, OverflowError, ValueError) as error:
        raise ApiError(
            400,
            f"Invalid 'prompt': the tokens are not of the encoding {base.encoding} "
            f"({error}).",
            param="prompt",
        ) from None


def _refusal(error: GenerationError, model: str) -> ApiError:
    if error.code != "context_length_exceeded":
        return chat.refusal(error, model)
    return ApiError(
        400,
        f"This model's maximum context length is {error.context} tokens, however you "
        f"requested {error.needed} tokens in your prompt. Please reduce your prompt. "
        f"(Tokens of the local engine tinygpt, which answers as {model}.)",
        param="prompt",
        code=error.code,
    )


routes = [Route("/v1/completions", create_completion, methods=["POST"])]
