"""`/v1/fine_tuning/jobs/{id}/checkpoints`: the last three epochs' models."""

import json
from sqlite3 import Connection, Row
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import jobs
from finetune_kit.localapi.paging import page
from finetune_kit.localapi.story import Story

KEPT = 3
_METRICS = (
    "step",
    "train_loss",
    "train_mean_token_accuracy",
    "valid_loss",
    "valid_mean_token_accuracy",
    "full_valid_loss",
    "full_valid_mean_token_accuracy",
)


def record(
    db: Connection,
    *,
    checkpoint_id: str,
    job_id: str,
    created_at: int,
    model: str,
    step: int,
    data: dict[str, Any],
) -> None:
    """`data` is the metric event's; what a checkpoint does not show falls away."""
    metrics = {name: data[name] for name in _METRICS if name in data}
    db.execute(
        "INSERT INTO checkpoints (id, job_id, created_at, model, step, metrics)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (checkpoint_id, job_id, created_at, model, step, json.dumps(metrics)),
    )


def is_known(told: Story, step: int) -> bool:
    found = told.db.execute(
        "SELECT 1 FROM checkpoints WHERE job_id = ? AND step = ?",
        (told.job["id"], step),
    )
    return found.fetchone() is not None


def withdraw(told: Story, keep: list[int]) -> None:
    """Forget the checkpoints that pauses made, except those of the steps in `keep`."""
    marks = ", ".join("?" * len(keep))
    values = (told.job["id"], *keep)
    where = f"job_id = ? AND step NOT IN ({marks})"
    names = f"SELECT model FROM checkpoints WHERE {where}"
    told.db.execute(f"DELETE FROM models WHERE name IN ({names})", values)
    told.db.execute(f"DELETE FROM checkpoints WHERE {where}", values)


async def list_checkpoints(request: Request) -> JSONResponse:
    job = jobs.own_or_404(request)
    checkpoints = page(
        request,
        table="checkpoints",
        where="job_id = ?",
        values=(job["id"],),
        shown=_object,
        default_limit=10,
        max_limit=100,
    )
    return JSONResponse(checkpoints.reply_with_ids())


def _object(row: Row) -> dict[str, Any]:
    return {
        "object": "fine_tuning.job.checkpoint",
        "id": row["id"],
        "created_at": row["created_at"],
        "fine_tuned_model_checkpoint": row["model"],
        "fine_tuning_job_id": row["job_id"],
        "step_number": row["step"],
        "metrics": json.loads(row["metrics"]),
    }


routes = [
    Route(
        "/v1/fine_tuning/jobs/{job_id}/checkpoints", list_checkpoints, methods=["GET"]
    )
]
