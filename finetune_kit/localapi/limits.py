"""Rate limits: so many requests and tokens a minute for each key, really counted.

The limits are far above what a person reaches; a lesson lowers them under
`/_kit/limits` to see a real 429 and the headers that lead to it.
"""

import math
import time
from dataclasses import dataclass, field
from typing import NotRequired

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typing_extensions import TypedDict

from finetune_kit.localapi import keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.keys import ORGANIZATION_ID, require_admin
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.requests import body, integer_in

PER_MINUTE = {"requests": 120_000, "tokens": 40_000_000}
_MOST = 10**9
_BYTES_PER_TOKEN = 4  # the service too estimates from the length, before it counts
LEARN_MORE = "Visit https://platform.openai.com/account/rate-limits to learn more."
_ABBREVIATIONS = {"requests": "RPM", "tokens": "TPM"}


class LimitParams(TypedDict):
    requests_per_minute: NotRequired[int]
    tokens_per_minute: NotRequired[int]


@dataclass
class _Bucket:
    """Fills steadily, up to a minute's worth."""

    level: float
    at: float = field(default_factory=time.monotonic)

    def fill(self, per_minute: int) -> None:
        now = time.monotonic()
        self.level += (now - self.at) * per_minute / 60
        self.level, self.at = min(self.level, float(per_minute)), now


class Limits:
    """What each key has left. Used by the event loop alone."""

    def __init__(self) -> None:
        self.per_minute = dict(PER_MINUTE)
        self._buckets: dict[tuple[str, str], _Bucket] = {}

    def set(self, per_minute: dict[str, int]) -> None:
        """New limits, and full buckets for everybody."""
        self.per_minute |= per_minute
        self._buckets.clear()

    def take(self, owner: str, kind: str, amount: int) -> None:
        """Raises ApiError 429 where so much is not left now."""
        bucket, limit = self._filled(owner, kind), self.per_minute[kind]
        if amount > bucket.level:
            raise _reached(kind, limit, amount, bucket.level)
        bucket.level -= amount

    def headers(self, owner: str) -> dict[str, str]:
        """As on every reply of the service."""
        headers = {}
        for kind, limit in self.per_minute.items():
            level = self._filled(owner, kind).level
            headers[f"x-ratelimit-limit-{kind}"] = str(limit)
            headers[f"x-ratelimit-remaining-{kind}"] = str(int(level))
            full = (limit - level) * 60 / limit
            headers[f"x-ratelimit-reset-{kind}"] = duration(full)
        return headers

    def _filled(self, owner: str, kind: str) -> _Bucket:
        limit = self.per_minute[kind]
        bucket = self._buckets.setdefault((owner, kind), _Bucket(limit))
        bucket.fill(limit)
        return bucket


def estimated_tokens(path: str, content_length: int) -> int:
    """Tokens that a request takes of the limit; only answers of models cost any."""
    if not path.endswith(("/completions", "/responses")):
        return 0
    return math.ceil(content_length / _BYTES_PER_TOKEN)


def duration(seconds: float) -> str:
    """`12ms`, `1.5s`, `6m0s`: how the service writes the time until a reset."""
    if seconds < 1:
        return f"{math.ceil(seconds * 1000)}ms"
    minutes, rest = divmod(math.ceil(seconds * 1000) / 1000, 60)
    return f"{minutes:.0f}m{rest:.0f}s" if minutes else f"{rest:g}s"


def _reached(kind: str, limit: int, amount: int, level: float) -> ApiError:
    wait = (amount - level) * 60 / limit
    message = (
        f"Rate limit reached for organization {ORGANIZATION_ID} on {kind} per min "
        f"({_ABBREVIATIONS[kind]}): Limit {limit}, Used {limit - int(level)}, "
        f"Requested {amount}. Please try again in {duration(wait)}. {LEARN_MORE}"
    )
    headers = {"x-should-retry": "false"}
    if amount <= limit:
        headers = {
            "retry-after": str(math.ceil(wait)),
            "retry-after-ms": str(math.ceil(wait * 1000)),
        }
    return ApiError(429, message, kind, code="rate_limit_exceeded", headers=headers)


async def show_limits(request: Request) -> JSONResponse:
    """The limits, and what the asking key has left."""
    limits = kit_of(request).limits
    shown = {f"{kind}_per_minute": n for kind, n in limits.per_minute.items()}
    return JSONResponse(shown | {"headers": limits.headers(keys.owner(request))})


async def set_limits(request: Request) -> JSONResponse:
    """For all keys; a limit that is not named stays."""
    require_admin(request)
    document = await body(request, LimitParams)
    for name, value in document.items():
        integer_in(value, name, 1, _MOST)
    per_minute = {name.removesuffix("_per_minute"): n for name, n in document.items()}
    kit_of(request).limits.set(per_minute)
    return await show_limits(request)


async def reset_limits(request: Request) -> JSONResponse:
    require_admin(request)
    kit_of(request).limits.set(PER_MINUTE)
    return await show_limits(request)


routes = [
    Route("/_kit/limits", show_limits, methods=["GET"]),
    Route("/_kit/limits", set_limits, methods=["POST"]),
    Route("/_kit/limits", reset_limits, methods=["DELETE"]),
]
