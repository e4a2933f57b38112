"""How a response comes about: its events in the service's order, and the object."""

import contextlib
import json
from collections.abc import AsyncGenerator, Sequence
from dataclasses import dataclass, field
from typing import Any

from starlette.responses import JSONResponse, Response, StreamingResponse

from finetune_kit.localapi import (
    answer_format,
    chat,
    models,
    response_form,
    sampling,
    streaming,
    usage,
)
from finetune_kit.localapi.answers import GenerationError
from finetune_kit.localapi.chat import Event
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.response_form import Item

_LOGPROBS = "message.output_text.logprobs"
# What the service gives back of a request; null where it was not given.
_ECHOED = (
    "access_programs",
    "image",
    "instructions",
    "max_output_tokens",
    "max_tool_calls",
    "previous_response_id",
    "prompt_cache_key",
    "prompt_cache_options",
    "prompt_cache_retention",
    "safety_identifier",
    "user",
)
_NOTHING = (
    "conversation",
    "error",
    "input_transformations",
    "moderation",
    "prompt",
    "prompt_cache_diagnostics",
    "tool_usage",
)


@dataclass
class Asked:
    """One request under way, and what of the answer has come."""

    kit: Kit
    owner: str
    params: dict[str, Any]
    served: models.Served
    id: str
    before: list[Item]  # said in earlier responses
    items: list[Item]
    message_id: str = field(init=False)
    created_at: int = field(init=False)
    tokens: list[Event] = field(default_factory=list)
    end: Event | None = None
    used: dict[str, Any] | None = None
    completed_at: int | None = None

    def __post_init__(self) -> None:
        self.message_id = self.kit.ids.new("msg_", f"{self.id}-out")
        self.created_at = self.kit.clock.now()

    @property
    def status(self) -> str:
        if self.end is None:
            return "in_progress"
        return "completed" if self.end["finish_reason"] == "stop" else "incomplete"

    @property
    def text(self) -> str:
        return "".join(token["text"] for token in self.tokens)

    def logprobs(self, tokens: Sequence[Event]) -> list[dict[str, Any]]:
        if _LOGPROBS not in (self.params.get("include") or ()):
            return []
        top = self.params.get("top_logprobs") or 0
        return [
            _logprob(token)
            | {"top_logprobs": [_logprob(other) for other in token["top"][:top]]}
            for token in tokens
        ]

    def content(self) -> Item:
        """The text; or a refusal, where it has not the form asked for."""
        if self.status == "completed":
            wanted = response_form.chat_format(self.params)
            if refusal := answer_format.refusal(wanted, self.text):
                return {"type": "refusal", "refusal": refusal}
        return response_form.text_part(self.text, self.logprobs(self.tokens))

    def message(self) -> Item:
        return {
            "id": self.message_id,
            "type": "message",
            "status": self.status,
            "role": "assistant",
            "content": [self.content()] if self.end else [],
        }

    def document(self) -> dict[str, Any]:
        """The response object, as it stands now."""
        given = self.params
        reason = {"reason": "max_output_tokens"}
        text = given.get("text") or {}
        return {
            "id": self.id,
            "object": "response",
            "created_at": self.created_at,
            "completed_at": self.completed_at,
            "status": self.status,
            "incomplete_details": reason if self.status == "incomplete" else None,
            "model": self.served.name,
            "output": [self.message()] if self.end else [],
            "background": False,
            "metadata": given.get("metadata") or {},
            "parallel_tool_calls": given.get("parallel_tool_calls") is not False,
            "reasoning": {"effort": None, "summary": None}
            | (given.get("reasoning") or {}),
            "service_tier": "default",
            "store": given.get("store") is not False,
            "temperature": sampling.given(given, "temperature", 1.0),
            "text": {"verbosity": "medium"}
            | text
            | {"format": text.get("format") or {"type": "text"}},
            "tool_choice": given.get("tool_choice") or "auto",
            "tools": [
                {"description": None, "parameters": None, "strict": True} | tool
                for tool in given.get("tools") or ()
            ],
            "top_logprobs": given.get("top_logprobs") or 0,
            "top_p": sampling.given(given, "top_p", 1.0),
            "truncation": given.get("truncation") or "disabled",
            "usage": self.used,
            **dict.fromkeys(_NOTHING),
            **{name: given.get(name) for name in _ECHOED},
        }

    async def answer(self) -> AsyncGenerator[Event, None]:
        """The engine's tokens; with `truncation: auto` the oldest items give way until
        the rest fits."""
        told = [*self.before, *self.items]
        settings = sampling.for_engine(
            self.params | {"max_tokens": self.params.get("max_output_tokens")},
            self.kit.ids.seed(),
        )
        while True:
            asked = messages(self.params, told)
            events = self.kit.answers.generate(
                self.served.weights, asked, settings, owner=self.owner
            )
            try:
                async with contextlib.aclosing(events):
                    async for event in events:
                        yield event
                return
            except GenerationError as error:
                too_long = error.code == "context_length_exceeded"
                if not too_long or self.params.get("truncation") != "auto":
                    raise _refusal(error, self.served.name) from error
                if len(told) < 2:
                    raise _refusal(error, self.served.name) from error
                told = told[1:]

    async def finish(self) -> None:
        """Count, and keep unless asked not to."""
        asked = messages(self.params, [*self.before, *self.items])
        prompt = {"messages": asked, "tools": self.params.get("tools")}
        given = await usage.of_prompt(prompt, self.served.base)
        said = await usage.of_texts([self.text], self.served.base)
        self.used = {
            "input_tokens": given,
            "input_tokens_details": {"cached_tokens": 0, "cache_write_tokens": 0},
            "output_tokens": said,
            "output_tokens_details": {"reasoning_tokens": 0},
            "total_tokens": given + said,
        }
        if self.status == "completed":
            self.completed_at = self.kit.clock.now()
        if self.params.get("store") is False:
            return
        with self.kit.store.transaction() as db:
            db.execute(
                "INSERT INTO responses (id, owner, created_at, items, document)"
                " VALUES (?, ?, ?, ?, ?)",
                (
                    self.id,
                    self.owner,
                    self.created_at,
                    json.dumps(self.items),
                    json.dumps(self.document()),
                ),
            )


def messages(params: dict[str, Any], items: list[Item]) -> list[dict[str, str]]:
    """What the engine reads: the instructions of this request come first, those of
    earlier ones are gone."""
    first = params.get("instructions")
    told = [{"role": "system", "content": first}] if first else []
    return told + response_form.as_messages(items)


async def whole(asked: Asked) -> Response:
    async with contextlib.aclosing(asked.answer()) as answer:
        async for event in answer:
            _take(asked, event)
    await asked.finish()
    return JSONResponse(asked.document())


async def stream(asked: Asked) -> Response:
    """The reply begins with the first token, so that a refusal keeps its status."""
    answer = asked.answer()
    first = await anext(answer)

    async def lines() -> AsyncGenerator[str, None]:
        numbers = iter(range(1 << 31))
        async with contextlib.aclosing(_events(asked, first, answer)) as events:
            async for event in events:
                numbered = event | {"sequence_number": next(numbers)}
                data = json.dumps(numbered, ensure_ascii=False)
                yield f"event: {event['type']}\ndata: {data}\n\n"

    return StreamingResponse(
        lines(), media_type="text/event-stream", headers=streaming.STREAM_HEADERS
    )


async def _events(
    asked: Asked, first: Event, answer: AsyncGenerator[Event, None]
) -> AsyncGenerator[Event, None]:
    """All events but for their numbers, `response.created` … `response.completed`."""
    item = {"output_index": 0}
    part = item | {"item_id": asked.message_id, "content_index": 0}
    yield {"type": "response.created", "response": asked.document()}
    yield {"type": "response.in_progress", "response": asked.document()}
    yield {"type": "response.output_item.added", **item, "item": asked.message()}
    # What has to have a form is sent when it is whole: it may become a refusal.
    is_held = answer_format.is_json(response_form.chat_format(asked.params))
    if not is_held:
        empty = response_form.text_part("")
        yield {"type": "response.content_part.added", **part, "part": empty}
    try:
        async with contextlib.aclosing(answer):
            delta = _take(asked, first)
            while asked.end is None:
                if delta and not is_held:
                    yield {"type": "response.output_text.delta", **part, **delta}
                delta = _take(asked, await anext(answer))
    except ApiError as error:  # the status is sent: the engine died on the way
        fault = {"code": "server_error", "message": error.message}
        failed = asked.document() | {"status": "failed", "error": fault}
        yield {"type": "response.failed", "response": failed}
        return
    await asked.finish()
    said = asked.content()
    if said["type"] == "refusal":
        added = {"type": "refusal", "refusal": ""}
        yield {"type": "response.content_part.added", **part, "part": added}
        delta = {"delta": said["refusal"]}
        yield {"type": "response.refusal.delta", **part, **delta}
        done = {"refusal": said["refusal"]}
        yield {"type": "response.refusal.done", **part, **done}
    else:
        logprobs = _without_bytes(said["logprobs"])
        if is_held:
            empty = response_form.text_part("")
            yield {"type": "response.content_part.added", **part, "part": empty}
            delta = {"delta": said["text"], "logprobs": logprobs}
            yield {"type": "response.output_text.delta", **part, **delta}
        done = {"text": said["text"], "logprobs": logprobs}
        yield {"type": "response.output_text.done", **part, **done}
    yield {"type": "response.content_part.done", **part, "part": said}
    yield {"type": "response.output_item.done", **item, "item": asked.message()}
    yield {"type": f"response.{asked.status}", "response": asked.document()}


def _take(asked: Asked, event: Event) -> dict[str, Any] | None:
    """Add an event of the engine to the answer; what a delta says of it."""
    if event["event"] == "end":
        asked.end = event
        return None
    asked.tokens.append(event)
    logprobs = _without_bytes(asked.logprobs([event]))
    if not event["text"] and not logprobs:
        return None
    return {"delta": event["text"], "logprobs": logprobs}


def _without_bytes(logprobs: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """As events have them, unlike the parts of a message."""
    return [
        {
            "token": one["token"],
            "logprob": one["logprob"],
            "top_logprobs": [
                {"token": other["token"], "logprob": other["logprob"]}
                for other in one["top_logprobs"]
            ],
        }
        for one in logprobs
    ]


def _refusal(error: GenerationError, model: str) -> ApiError:
    refusal = chat.refusal(error, model)
    if refusal.param == "messages":
        refusal.param = "input"
    return refusal


def _logprob(token: Event) -> dict[str, Any]:
    """As in a chat, but here a token without bytes (`<|end|>`) has an empty list."""
    found = chat.logprob(token)
    return found | {"bytes": found["bytes"] or []}
