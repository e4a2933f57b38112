"""Lessons in failure: errors of the service, on request, under `/_kit/faults`.

`POST {"fault": "overloaded", "times": 2, "path": "/v1/chat"}` makes the next two
requests of the same key under that path fail. `moderation_block`, `crash` and
`slow_queue` strike the next job that the key creates instead (`job_faults.py`). Off
unless asked for; nothing that the server keeps is touched.
"""

from dataclasses import dataclass
from typing import Any, Literal, NotRequired

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typing_extensions import TypedDict

from finetune_kit.localapi import errors, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.keys import ORGANIZATION_ID
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.limits import LEARN_MORE
from finetune_kit.localapi.requests import body, integer_in

Name = Literal[
    "rate_limit",
    "slow_down",
    "quota",
    "server_error",
    "overloaded",
    "explore_plan",
    "not_eligible",
    "moderation_block",
    "crash",
    "slow_queue",
]
OF_JOBS = ("moderation_block", "crash", "slow_queue")


class FaultParams(TypedDict):
    fault: Name
    times: NotRequired[int]
    path: NotRequired[str]  # the beginning of the paths that fail
    retry_after_ms: NotRequired[int]
    seconds: NotRequired[int]  # that a slow queue lasts


@dataclass(frozen=True)
class _Kind:
    """One error of the service (contract 4); what passes by itself may be retried."""

    status: int
    type: str
    code: str | None
    message: str
    passes: bool


_KINDS: dict[str, _Kind] = {
    "rate_limit": _Kind(
        429,
        "requests",
        "rate_limit_exceeded",
        f"Rate limit reached for organization {ORGANIZATION_ID} on requests per min "
        f"(RPM): Limit 3, Used 3, Requested 1. Please try again in 20s. {LEARN_MORE}",
        True,
    ),
    "slow_down": _Kind(
        429,
        "rate_limit_error",
        "slow_down",
        "Your request rate grew too fast. Reduce it, then increase it gradually.",
        True,
    ),
    "quota": _Kind(
        429,
        "insufficient_quota",
        "insufficient_quota",
        errors.QUOTA,
        False,
    ),
    "server_error": _Kind(
        500,
        "server_error",
        None,
        "The server had an error while processing your request. Sorry about that!",
        True,
    ),
    "overloaded": _Kind(
        503,
        "service_unavailable_error",
        "server_is_overloaded",
        "The server is overloaded. Try again in a moment.",
        True,
    ),
    "explore_plan": _Kind(
        403,
        "invalid_request_error",
        "exceeded_quota",
        "Fine-tuning jobs cannot be created on an Explore plan. You can upgrade to a "
        "paid plan on your billing page: "
        "https://platform.openai.com/account/billing/overview",
        False,
    ),
    "not_eligible": _Kind(
        403,
        "invalid_request_error",
        None,
        "Your organization is not eligible to create fine-tuning jobs: since "
        "2026-05-07 only organizations that have fine-tuned before can.",
        False,
    ),
}
NOTE = " (A lesson of finetune-kit: asked for under /_kit/faults.)"
_MOST = 1000


@dataclass
class Fault:
    name: str
    times: int
    path: str
    retry_after_ms: int
    seconds: int

    def shown(self) -> dict[str, Any]:
        return {
            "fault": self.name,
            "times": self.times,
            "path": self.path,
            "retry_after_ms": self.retry_after_ms,
            "seconds": self.seconds,
        }

    def error(self) -> ApiError:
        """Tells the SDK to wait only a moment, or not to try again."""
        kind = _KINDS[self.name]
        headers = {"x-should-retry": "false"}
        if kind.passes:
            headers = {"retry-after-ms": str(self.retry_after_ms)}
        return ApiError(
            kind.status,
            kind.message + NOTE,
            kind.type,
            code=kind.code,
            headers=headers,
        )


class Faults:
    """What each key has asked for. Changed by the event loop alone."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Fault]] = {}
        self._of_jobs: dict[str, Fault] = {}

    def add(self, owner: str, fault: Fault) -> None:
        self._waiting.setdefault(owner, []).append(fault)

    def of(self, owner: str) -> list[Fault]:
        return self._waiting.get(owner, [])

    def clear(self, owner: str) -> None:
        self._waiting.pop(owner, None)

    def strike(self, owner: str, path: str) -> None:
        """Raise the first fault that waits for such a request, if any."""
        for fault in self.of(owner):
            if fault.name not in OF_JOBS and path.startswith(fault.path):
                self._use(owner, fault)
                raise fault.error()

    def strike_job(self, owner: str, job_id: str) -> None:
        """Let the first fault that waits for a job have this one, if any."""
        for fault in self.of(owner):
            if fault.name in OF_JOBS:
                self._use(owner, fault)
                self._of_jobs[job_id] = fault
                return

    def of_job(self, job_id: str) -> Fault | None:
        return self._of_jobs.get(job_id)

    def _use(self, owner: str, fault: Fault) -> None:
        fault.times -= 1
        if fault.times == 0:
            self._waiting[owner].remove(fault)


async def add_fault(request: Request) -> JSONResponse:
    document = await body(request, FaultParams)
    fault = Fault(
        document["fault"],
        document.get("times", 1),
        document.get("path", "/v1/"),
        document.get("retry_after_ms", 20),
        document.get("seconds", 20),
    )
    integer_in(fault.times, "times", 1, _MOST)
    integer_in(fault.retry_after_ms, "retry_after_ms", 0, 120_000)
    integer_in(fault.seconds, "seconds", 1, 3600)
    kit_of(request).faults.add(keys.owner(request), fault)
    return await list_faults(request)


async def list_faults(request: Request) -> JSONResponse:
    waiting = kit_of(request).faults.of(keys.owner(request))
    return JSONResponse({"object": "list", "data": [each.shown() for each in waiting]})


async def clear_faults(request: Request) -> JSONResponse:
    kit_of(request).faults.clear(keys.owner(request))
    return await list_faults(request)


routes = [
    Route("/_kit/faults", add_fault, methods=["POST"]),
    Route("/_kit/faults", list_faults, methods=["GET"]),
    Route("/_kit/faults", clear_faults, methods=["DELETE"]),
]
