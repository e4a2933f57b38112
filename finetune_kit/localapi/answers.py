"""The answer process's client: one process of the engine talks for the whole server.

Lines of JSON go in and come out, many requests interleaved, told apart by `id`. The
event loop itself never computes, so polling stays fast while a model talks.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import subprocess
import sys
from collections.abc import AsyncGenerator, Sequence
from itertools import count
from pathlib import Path
from typing import Any

from finetune_kit.localapi.errors import ApiError

COMMAND = (sys.executable, "-m", "finetune_kit.engines.tinygpt.answers")

# With two BLAS threads on a busy computer a step of a small model takes 9 times longer.
_ONE_THREAD = dict.fromkeys(
    (
        "OPENBLAS_NUM_THREADS",
        "OMP_NUM_THREADS",
        "MKL_NUM_THREADS",
        "VECLIB_MAXIMUM_THREADS",
    ),
    "1",
)
_MORE_TO_COME = ("token", "call")
_LONGEST_LINE = 1 << 22  # bytes
_CLOSE_SECONDS = 2.0


class GenerationError(Exception):
    """The engine's refusal of one request: its `code`, `message` and other fields.

    `context` and `needed` are counted in the engine's tokens, where it gives them.
    """

    def __init__(self, event: dict[str, Any]) -> None:
        super().__init__(event["message"])
        self.code: str = event["code"]
        self.message: str = event["message"]
        self.context: int | None = event.get("context")
        self.needed: int | None = event.get("needed")


class Answers:
    """Starts the answer process, asks it, and starts it again when it has died."""

    def __init__(self, command: Sequence[str] = COMMAND) -> None:
        self._command = command
        self._process: _Process | None = None
        self._starting = asyncio.Lock()
        self._closed = False

    async def start(self) -> None:
        """Start the process; returns at once, the first request waits for it."""
        await self._running()

    async def ready(self) -> dict[str, Any]:
        """What the engine said of itself: context, vocab_size, weights_sha256."""
        process = await self._running()
        return await process.ready()

    async def generate(
        self,
        weights: Path | None,
        asked: list[dict[str, Any]] | str,
        sampling: dict[str, Any],
        *,
        owner: str,
        echo: bool = False,
        tools: dict[str, Any] | None = None,
    ) -> AsyncGenerator[dict[str, Any], None]:
        """Token events as they are made, call events, then the end event.

        Users (`owner`) take turns.

        `asked` is a list of messages, or the text of a completion's prompt, whose own
        tokens come first with `echo`, marked `prompt`. `tools` has the fields `tools`,
        `tool_choice` (`mode` none, auto or required; `names`), `parallel_tool_calls`;
        a call event has `index`, `name` and `arguments`, the pieces of the JSON, and
        its tokens have no events. Closing the iterator early cancels the request.
        Raises GenerationError where the engine refuses, and ApiError 503 where the
        process dies or cannot be started.
        """
        process = await self._running()
        await process.ready()
        key = "prompt" if isinstance(asked, str) else "messages"
        line = {
            "op": "generate",
            "weights": None if weights is None else str(weights),
            key: asked,
            "sampling": sampling,
            "owner": owner,
            "echo": echo,
            **(tools or {}),
        }
        async with contextlib.aclosing(process.ask(line)) as events:
            async for event in events:
                yield event

    async def close(self) -> None:
        """End the process; requests under way get a 503."""
        self._closed = True
        async with self._starting:
            if self._process:
                await self._process.close()

    async def _running(self) -> _Process:
        async with self._starting:
            if self._closed:
                raise _unavailable("The local API is stopping.", retry=False)
            if self._process is None or self._process.died:
                self._process = await _Process.start(self._command)
            return self._process


class _Process:
    """One life of the answer process, and the requests under way in it."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.died = False
        self._process = process
        self._requests: dict[str, asyncio.Queue[dict[str, Any] | None]] = {}
        self._ids = count(1)
        self._ready: asyncio.Future[dict[str, Any] | None]
        self._ready = asyncio.get_running_loop().create_future()
        self._reader = asyncio.create_task(self._read())

    @classmethod
    async def start(cls, command: Sequence[str]) -> _Process:
        return cls(
            await asyncio.create_subprocess_exec(
                *command,
                stdin=asyncio.subprocess.PIPE,
                stdout=asyncio.subprocess.PIPE,
                env=os.environ | _ONE_THREAD,
                limit=_LONGEST_LINE,
                **_apart(),
            )
        )

    async def ready(self) -> dict[str, Any]:
        said = await asyncio.shield(self._ready)
        if said is None:
            raise _unavailable(
                "The engine's answer process could not be started (exit status "
                f"{self._process.returncode}). The reason is in server.log of the "
                "workspace; `finetune-kit doctor` looks for the usual ones.",
                retry=False,
            )
        return said

    async def ask(self, line: dict[str, Any]) -> AsyncGenerator[dict[str, Any], None]:
        id = f"answer-{next(self._ids)}"
        events = self._requests[id] = asyncio.Queue()
        if self.died:
            events.put_nowait(None)
        finished = False
        try:
            self._write({"id": id, **line})
            while not finished:
                event = await events.get()
                finished = event is None or event["event"] not in _MORE_TO_COME
                yield _understood(event)
        finally:
            del self._requests[id]
            if not (finished or self.died):
                self._write({"id": id, "op": "cancel"})

    async def close(self) -> None:
        stdin = self._process.stdin
        assert stdin is not None
        stdin.close()  # the process ends by itself when nobody can ask any more
        try:
            await asyncio.wait_for(self._process.wait(), _CLOSE_SECONDS)
        except TimeoutError:
            with contextlib.suppress(ProcessLookupError):
                self._process.kill()
        await self._reader

    def _write(self, line: dict[str, Any]) -> None:
        """Never waits: a cancel is written while the request's task is cancelled.

        A process that just died is noticed by the reader, at the end of its output.
        """
        stdin = self._process.stdin
        assert stdin is not None
        stdin.write(json.dumps(line).encode() + b"\n")

    async def _read(self) -> None:
        stdout = self._process.stdout
        assert stdout is not None
        try:
            async for line in stdout:
                self._hand_on(json.loads(line))
        except ValueError:  # not the protocol: a process like that is of no use
            self._process.kill()
        await self._process.wait()
        self.died = True
        if not self._ready.done():
            self._ready.set_result(None)
        for events in self._requests.values():
            events.put_nowait(None)

    def _hand_on(self, event: dict[str, Any]) -> None:
        if event["event"] == "ready":
            self._ready.set_result(event)
        elif events := self._requests.get(event["id"]):
            events.put_nowait(event)


def _understood(event: dict[str, Any] | None) -> dict[str, Any]:
    if event is None:
        raise _unavailable(
            "The engine's answer process ended in the middle of this request; it "
            "is started again. Send the request again. The reason is in server.log "
            "of the workspace.",
            retry=True,
        )
    if event["event"] == "error":
        raise GenerationError(event)
    return event


def _unavailable(message: str, retry: bool) -> ApiError:
    return ApiError(
        503,
        message,
        type="service_unavailable_error",
        code="engine_unavailable",
        headers={"x-should-retry": "true" if retry else "false"},
    )


def _apart() -> dict[str, Any]:
    """Ctrl-C in the server's terminal is the server's to handle, not the child's."""
    if sys.platform == "win32":
        apart = subprocess.CREATE_NEW_PROCESS_GROUP | subprocess.CREATE_NO_WINDOW
        return {"creationflags": apart}
    return {"start_new_session": True}
