"""Answers sent as they are made: server-sent events, several at once, hang-ups."""

import asyncio
import contextlib
import json
from collections.abc import AsyncGenerator, Coroutine, Sequence
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import Response, StreamingResponse

from finetune_kit.localapi import storage
from finetune_kit.localapi.answers import GenerationError
from finetune_kit.localapi.errors import ApiError

Event = dict[str, Any]

STREAM_HEADERS = {"cache-control": "no-cache", "x-accel-buffering": "no"}
_CLIENT_CLOSED_REQUEST = 499  # nobody reads it: the client has gone


class Streamed(Protocol):
    """A completion that can be sent as it is made."""

    def refused_in_words(self) -> AsyncGenerator[tuple[int, Event], None]: ...

    def chunks(
        self, events: AsyncGenerator[tuple[int, Event], None]
    ) -> AsyncGenerator[Event, None]: ...


async def stream(completion: Streamed) -> Response:
    """The reply begins with the first event, so that a refusal keeps its status."""
    events = completion.refused_in_words()
    first = await anext(events)

    async def all_events() -> AsyncGenerator[tuple[int, Event], None]:
        async with contextlib.aclosing(events):
            yield first
            async for index, event in events:
                yield index, event

    async def lines() -> AsyncGenerator[str, None]:
        async with contextlib.aclosing(all_events()) as following:
            try:
                async for chunk in completion.chunks(following):
                    yield f"data: {json.dumps(chunk, ensure_ascii=False)}\n\n"
            except Exception as error:  # the status is sent; the SDK raises this frame
                told = error if isinstance(error, ApiError) else storage.refusal(error)
                if told is None:
                    raise
                yield f"data: {json.dumps(told.body())}\n\n"
                return
        yield "data: [DONE]\n\n"

    return StreamingResponse(
        lines(),
        media_type="text/event-stream",
        headers=STREAM_HEADERS,
    )


async def interleaved(
    answers: Sequence[AsyncGenerator[Event, None]],
) -> AsyncGenerator[tuple[int, Event], None]:
    """The events of several answers in the order in which they come."""
    arrived: asyncio.Queue[tuple[int, Event | Exception]] = asyncio.Queue()

    async def hand_on(index: int, answer: AsyncGenerator[Event, None]) -> None:
        try:
            async with contextlib.aclosing(answer):
                async for event in answer:
                    arrived.put_nowait((index, event))
        except (ApiError, GenerationError) as error:
            arrived.put_nowait((index, error))

    tasks = [asyncio.create_task(hand_on(i, each)) for i, each in enumerate(answers)]
    try:
        under_way = len(tasks)
        while under_way:
            index, event = await arrived.get()
            if isinstance(event, Exception):
                raise event
            yield index, event
            under_way -= event["event"] == "end"
    finally:
        for task in tasks:
            task.cancel()


async def unless_gone(
    request: Request, work: Coroutine[Any, Any, Response]
) -> Response:
    """The work's response; the work is cancelled when the client hangs up."""
    working = asyncio.create_task(work)
    gone = asyncio.ensure_future(request.receive())  # the body is read: a hang-up
    try:
        await asyncio.wait({working, gone}, return_when=asyncio.FIRST_COMPLETED)
        if working.done():
            return working.result()
        return Response(status_code=_CLIENT_CLOSED_REQUEST)
    finally:
        gone.cancel()
        working.cancel()
