"""What is not OpenAI's: `/healthz`, and administration under `/_kit/`."""

import os
import shutil
import time

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typing_extensions import TypedDict

from finetune_kit.key_file import as_told_apart
from finetune_kit.localapi import housekeeping, learner_reset
from finetune_kit.localapi.clock import DeterministicClock
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.faults import Faults
from finetune_kit.localapi.hosts import is_here
from finetune_kit.localapi.ids import DeterministicIds
from finetune_kit.localapi.keys import require_admin
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.presence import Presence
from finetune_kit.localapi.requests import check, integer_in, json_object

_STARTED = time.monotonic()
_MAX_ADVANCE = 366 * 24 * 3600  # seconds


class ClockParams(TypedDict):
    seconds: int


async def health(request: Request) -> JSONResponse:
    """Answers without a key: is this the server of that workspace?

    Other computers are told no more than that it is well.
    """
    identity = _identity(kit_of(request)) if is_here(request.scope) else {}
    return JSONResponse({"status": "ok", **identity})


async def status(request: Request) -> JSONResponse:
    require_admin(request)
    kit = kit_of(request)
    counts = kit.store.all("SELECT status, count(*) AS n FROM jobs GROUP BY status")
    return JSONResponse(
        {
            **_identity(kit),
            "uptime_seconds": round(time.monotonic() - _STARTED, 1),
            "active_jobs": len(kit.lifecycle.active_jobs()),
            "jobs": {row["status"]: row["n"] for row in counts},
            "workers": len(kit.runner.at_work()),
            "slots": kit.runner.slots,
            "deterministic": kit.settings.deterministic,
        }
    )


async def stop(request: Request) -> JSONResponse:
    """Stop the server after this answer; workers go on and are found again."""
    require_admin(request)
    request.app.state.stop()
    return JSONResponse({"status": "stopping"})


async def reset(request: Request) -> JSONResponse:
    """Forget all files, jobs and models of all keys; jobs are ended first."""
    require_admin(request)
    kit = kit_of(request)
    await anyio.to_thread.run_sync(learner_reset.end_jobs, kit)
    kit.store.clear()
    for folder in kit.home.contents:
        shutil.rmtree(folder, ignore_errors=True)
    kit.home.make()
    kit.faults, kit.presence = Faults(), Presence()
    if kit.settings.deterministic:  # a fresh workspace: the same story again
        kit.ids, kit.clock = DeterministicIds(0), DeterministicClock()
        kit.store.set_fact("starts", 1)
    return JSONResponse({"status": "reset"})


async def reset_learner(request: Request) -> JSONResponse:
    """Forget what one learner has made; the key stays."""
    require_admin(request)
    kit, name = kit_of(request), request.path_params["name"]
    wanted, learners = as_told_apart(name), kit.keys.learners.items()
    owners = [owner for owner, known in learners if as_told_apart(known) == wanted]
    if not owners:
        known = ", ".join(kit.keys.learners.values()) or "no one"
        raise ApiError(
            404,
            f"No learner is called '{name}'. This server knows {known}. What a name "
            "has left that is not in the list can be removed when the name is in it "
            "again.",
            param="name",
        )
    for owner in owners:
        await anyio.to_thread.run_sync(learner_reset.forget, kit, owner)
        kit.presence.forget(owner)
        kit.faults.clear(owner)
    return JSONResponse({"status": "reset", "learner": name})


async def advance_clock(request: Request) -> JSONResponse:
    """`{"seconds": n}`: let the server believe that so much time went by, so that a
    lesson can see files and uploads expire."""
    require_admin(request)
    kit, document = kit_of(request), await json_object(request)
    check(document, ClockParams)
    integer_in(document["seconds"], "seconds", 1, _MAX_ADVANCE)
    kit.clock.advance(document["seconds"])
    await anyio.to_thread.run_sync(housekeeping.remove_expired, kit)
    return JSONResponse({"now": kit.clock.reading()})


def _identity(kit: Kit) -> dict[str, str | int]:
    return {
        "package_version": kit.package_version,
        "weights_sha256": kit.weights_sha256,
        "pid": os.getpid(),
        "home": str(kit.home.workspace),
    }


routes = [
    Route("/healthz", health, methods=["GET"]),
    Route("/_kit/status", status, methods=["GET"]),
    Route("/_kit/stop", stop, methods=["POST"]),
    Route("/_kit/clock", advance_clock, methods=["POST"]),
    Route("/_kit/reset", reset, methods=["POST"]),
    Route("/_kit/learners/{name:path}/reset", reset_learner, methods=["POST"]),
]
