"""`/v1/fine_tuning/jobs/{id}/events`: what happened to a job, newest first."""

import json
from sqlite3 import Row
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import jobs
from finetune_kit.localapi.paging import page

MAX_LIMIT = 1000


async def list_events(request: Request) -> JSONResponse:
    job = jobs.own_or_404(request)
    events = page(
        request,
        table="events",
        where="job_id = ?",
        values=(job["id"],),
        shown=_object,
        default_limit=20,
        max_limit=MAX_LIMIT,
    )
    return JSONResponse(events.reply())


def _object(row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.event",
        "id": row["id"],
        "created_at": row["created_at"],
        "level": row["level"],
        "message": row["message"],
        "data": json.loads(row["data"]),
        "type": row["type"],
    }


routes = [Route("/v1/fine_tuning/jobs/{job_id}/events", list_events, methods=["GET"])]
