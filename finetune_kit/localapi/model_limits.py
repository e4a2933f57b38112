"""`GET /v1/fine_tuning/model_limits`: how many jobs each base takes.

OpenAI's guide on rate limits names this address; what it answers is known from the code
of others alone, so the shape is approximate.
"""

from collections import Counter

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import keys
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.lifecycle import EACH


async def show_model_limits(request: Request) -> JSONResponse:
    """For each base that can be tuned: its limits, and the caller's jobs under way.

    Jobs of all bases share the one place that a user has; there is no limit to those
    that wait, nor to all together (null).
    """
    kit, owner = kit_of(request), keys.owner(request)
    active = Counter(
        job["base"] for job in kit.lifecycle.active_jobs() if job["owner"] == owner
    )
    limits = {
        base.name: {
            "max_total_jobs": None,
            "max_concurrent_jobs": EACH,
            "active_jobs": active[base.name],
        }
        for base in catalog.bases()
        if base.tunable
    }
    return JSONResponse(limits)


routes = [
    Route("/v1/fine_tuning/model_limits", show_model_limits, methods=["GET"]),
]
