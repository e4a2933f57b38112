"""POST /v1/chat/completions: texts and calls of tools, whole or as a stream."""

import asyncio
import contextlib
from collections.abc import AsyncGenerator, Iterable, Sequence
from dataclasses import dataclass, field
from typing import Any, Required

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import (
    answer_format,
    chat_form,
    keys,
    messages,
    models,
    requests,
    sampling,
    stored_completions,
    streaming,
    tool_calls,
    usage,
)
from finetune_kit.localapi.answers import GenerationError
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of

Event = dict[str, Any]

_LEAST_LOGPROB = -9999.0  # what the service gives for a token that is out of reach


@requests.from_sdk
def parameters() -> Any:
    """The schema of the request: the SDK's own (late: importing it takes 0.3 s)."""
    from openai.types import chat
    from openai.types.chat.completion_create_params import CompletionCreateParamsBase

    class Answered(chat.ChatCompletionAssistantMessageParam, total=False):
        annotations: list[Any] | None  # a reply's message, sent back as it came

    class ChatRequest(CompletionCreateParamsBase, total=False):
        model: Required[str]  # the SDK adds a stale list of hints
        messages: Required[Iterable[chat.ChatCompletionMessageParam | Answered]]
        stream: bool | None

    return ChatRequest


def warm_up() -> None:
    """Load what the first answer needs besides the engine; called in a thread."""
    usage.load("o200k_base")
    parameters()


async def create_chat_completion(request: Request) -> Response:
    """One answer or `n`, as one object or as server-sent events."""
    kit = kit_of(request)
    params = await requests.json_object(request)
    requests.check(params, await asyncio.to_thread(parameters))
    messages.check(params["messages"])
    chat_form.check(params)
    served = chat_model(kit, keys.owner(request), params["model"])
    ready = await kit.answers.ready()
    sampling.check(params, ready["vocab_size"])
    owner, fingerprint = keys.owner(request), models.fingerprint(ready)
    completion = Completion(kit, owner, params, served, fingerprint)
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
    fingerprint: str
    head: dict[str, Any] = field(init=False)
    offer: tool_calls.Offer | None = field(init=False)

    def __post_init__(self) -> None:
        self.offer = tool_calls.offer(self.params)
        self.head = {
            "id": self.kit.ids.new("chatcmpl-"),
            "created": self.kit.clock.now(),
            "model": self.served.name,
            "service_tier": "default",
            "system_fingerprint": self.fingerprint,
        }

    def events(self) -> AsyncGenerator[tuple[int, Event], None]:
        """The events of all answers as they come, each with its answer's index."""
        asked = messages.for_engine(self.params["messages"])
        seeds = sampling.seeds(self.params, self.kit.ids.seed())
        tools = self.offer.for_engine() if self.offer else {}
        return streaming.interleaved(
            [
                self.kit.answers.generate(
                    self.served.weights,
                    asked,
                    sampling.for_engine(self.params, seed),
                    owner=self.owner,
                    tools=tools,
                )
                for seed in seeds
            ]
        )

    async def whole(self) -> Response:
        prompt_tokens = asyncio.create_task(self.prompt_tokens())
        answers: dict[int, list[Event]] = {}
        async with contextlib.aclosing(self.refused_in_words()) as events:
            async for index, event in events:
                answers.setdefault(index, []).append(event)
        ordered = [answers[index] for index in sorted(answers)]
        used = await self.usage(prompt_tokens, ordered)
        return JSONResponse(self._document(ordered, used))

    async def chunks(
        self, events: AsyncGenerator[tuple[int, Event], None]
    ) -> AsyncGenerator[Event, None]:
        """The stream's objects: role, text token by token, end; `usage` if asked."""
        include_usage = (self.params.get("stream_options") or {}).get("include_usage")
        is_counted = include_usage or self.params.get("store")
        prompt_tokens = (
            asyncio.create_task(self.prompt_tokens()) if is_counted else None
        )
        answers: dict[int, list[Event]] = {}
        extra = {"usage": None} if include_usage else {}
        # What has to have a form is sent when it is whole: it may become a refusal.
        is_held = answer_format.is_json(self.params.get("response_format"))
        async for index, event in events:
            if index not in answers:
                answers[index] = []
                content = None if is_held or event["event"] == "call" else ""
                role = {"role": "assistant", "content": content, "refusal": None}
                yield self._chunk(index, role) | extra
            answers[index].append(event)
            if event["event"] == "end":
                said = self._said(answers[index])
                if is_held and (whole := {k: v for k, v in said.items() if v}):
                    logprobs = self._logprobs(_tokens(answers[index]))
                    yield self._chunk(index, whole, logprobs) | extra
                reason = self._finish_reason(answers[index])
                yield self._chunk(index, {}, finish_reason=reason) | extra
            elif event["event"] == "call":
                assert self.offer is not None
                for delta in self.offer.deltas(event):
                    yield self._chunk(index, delta) | extra
            elif not is_held and (event["text"] or self.params.get("logprobs")):
                delta = {"content": event["text"]}
                yield self._chunk(index, delta, self._logprobs([event])) | extra
        if prompt_tokens:
            ordered = [answers[index] for index in sorted(answers)]
            used = await self.usage(prompt_tokens, ordered)
            self._document(ordered, used)
            if include_usage:
                last = {"object": "chat.completion.chunk", "choices": [], "usage": used}
                yield self.head | last

    async def refused_in_words(self) -> AsyncGenerator[tuple[int, Event], None]:
        """The events; the engine's refusals become the service's errors."""
        async with contextlib.aclosing(self.events()) as events:
            try:
                async for index, event in events:
                    if event["event"] == "call":
                        scope = f"{self.head['id']}-{index}"
                        event["id"] = self.kit.ids.new("call_", scope)
                    yield index, event
            except GenerationError as error:
                raise refusal(error, self.served.name) from error

    async def prompt_tokens(self) -> int:
        return await usage.of_prompt(self.params, self.served.base)

    async def usage(
        self, prompt_tokens: asyncio.Task[int], answers: Sequence[list[Event]]
    ) -> dict[str, Any]:
        texts = [text for events in answers for text in _texts(events)]
        completion_tokens = await usage.of_texts(texts, self.served.base)
        return usage.usage(await prompt_tokens, completion_tokens)

    def _document(
        self, answers: Sequence[list[Event]], used: dict[str, Any]
    ) -> dict[str, Any]:
        """The whole reply; kept, if that was asked."""
        choices = [self._choice(index, events) for index, events in enumerate(answers)]
        body = {"object": "chat.completion", "choices": choices, "usage": used}
        document = self.head | body
        if self.params.get("store"):
            stored_completions.keep(self.kit, self.owner, self.params, document)
        return document

    def _choice(self, index: int, events: list[Event]) -> dict[str, Any]:
        calls, text = tool_calls.calls_of(events), _text(events)
        message: dict[str, Any] = {
            "role": "assistant",
            **self._said(events),
            "annotations": [],
        }
        if self.offer:
            message |= self.offer.in_message(calls)
        return {
            "index": index,
            "message": message,
            "logprobs": None if calls and not text else self._logprobs(_tokens(events)),
            "finish_reason": self._finish_reason(events),
        }

    def _said(self, events: list[Event]) -> dict[str, str | None]:
        """The text; or a refusal, where it has not the form asked for."""
        text, calls = _text(events), tool_calls.calls_of(events)
        refusal = None
        if events[-1]["finish_reason"] == "stop" and not calls:
            refusal = answer_format.refusal(self.params.get("response_format"), text)
        is_empty = refusal or (calls and not text)
        return {"content": None if is_empty else text, "refusal": refusal}

    def _finish_reason(self, events: Sequence[Event]) -> str:
        reason: str = events[-1]["finish_reason"]
        if self.offer and reason == "stop" and tool_calls.calls_of(events):
            return self.offer.finish_reason()
        return reason

    def _chunk(
        self,
        index: int,
        delta: dict[str, Any],
        logprobs: dict[str, Any] | None = None,
        finish_reason: str | None = None,
    ) -> dict[str, Any]:
        choice = {
            "index": index,
            "delta": delta,
            "logprobs": logprobs,
            "finish_reason": finish_reason,
        }
        return self.head | {"object": "chat.completion.chunk", "choices": [choice]}

    def _logprobs(self, tokens: list[Event]) -> dict[str, Any] | None:
        if not self.params.get("logprobs"):
            return None
        top = self.params.get("top_logprobs") or 0
        content = [
            logprob(token)
            | {"top_logprobs": [logprob(other) for other in token["top"][:top]]}
            for token in tokens
        ]
        return {"content": content, "refusal": None}


def chat_model(kit: Kit, owner: str, name: str) -> models.Served:
    """ApiError 404 for a model that only completes texts."""
    served = models.resolve(kit, owner, name)
    base = catalog.base(served.base)
    if base is not None and not base.chat:
        raise ApiError(
            404,
            "This is not a chat model and thus not supported in the "
            "v1/chat/completions endpoint. Did you mean to use v1/completions?",
            param="model",
        )
    return served


def refusal(error: GenerationError, model: str) -> ApiError:
    if error.code == "context_length_exceeded":
        return ApiError(
            400,
            f"This model's maximum context length is {error.context} tokens. However, "
            f"your messages resulted in {error.needed} tokens. Please reduce the "
            "length of the messages. (Tokens of the local engine tinygpt, which "
            f"answers as {model}.)",
            param="messages",
            code=error.code,
        )
    if error.code == "weights_missing":
        return ApiError(
            404,
            f"The model `{model}` does not exist any more: {error.message}",
            param="model",
            code="model_not_found",
        )
    return ApiError(400, error.message, code=error.code)


def _tokens(events: list[Event]) -> list[Event]:
    return [event for event in events if event["event"] == "token"]


def _text(events: list[Event]) -> str:
    return "".join(token["text"] for token in _tokens(events))


def _texts(events: list[Event]) -> list[str]:
    """What counts of an answer in `usage`: its text, and names and arguments."""
    calls = tool_calls.calls_of(events)
    called = [(call["name"], "".join(call["arguments"])) for call in calls]
    return [_text(events), *(text for pair in called for text in pair)]


def logprob(token: Event) -> dict[str, Any]:
    return {
        "token": token["token"],
        "logprob": max(token["logprob"], _LEAST_LOGPROB),
        "bytes": token["bytes"],
    }


routes = [Route("/v1/chat/completions", create_chat_completion, methods=["POST"])]
