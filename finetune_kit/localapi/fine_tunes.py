"""`/v1/fine-tunes`: the fine-tuning API of 2023, another face of the same jobs.

It was shut down on 2024-01-04; objects, statuses and wording are those of its last
year (contract, section 5, and published replies of 2023-06).
"""

import asyncio
import json
import math
from collections.abc import AsyncIterator
from sqlite3 import Row
from typing import Any, Required

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from typing_extensions import TypedDict  # pydantic takes no other on 3.11

from finetune_kit import catalog
from finetune_kit.localapi import (
    budgets,
    files,
    jobs,
    keys,
    models,
    requests,
    wording,
)
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.ids import FINE_TUNE, is_fine_tune
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.models import Served
from finetune_kit.localapi.requests import integer_in, string_length_in
from finetune_kit.localapi.story import ACTIVE, OvertakenError

BASES = ("ada", "babbage", "curie", "davinci")
CLASSIFICATION = (
    "compute_classification_metrics",
    "classification_n_classes",
    "classification_positive_class",
    "classification_betas",
)
_DEFAULT_MODEL = "curie"
_DEFAULT_EPOCHS = 4
_DEFAULT_PROMPT_LOSS_WEIGHT = 0.01
_MAX_EPOCHS = 100  # ours: no limit is documented
_LOOK_AGAIN = 0.2  # seconds between two looks for new events of a stream
_KEEP_ALIVE = 15.0  # seconds of silence after which a comment is sent


class FineTuneRequest(TypedDict, total=False):
    """The body of `POST /v1/fine-tunes` (OpenAPI specification of 2023-08)."""

    training_file: Required[str]
    validation_file: str | None
    model: str | None
    n_epochs: int | None
    batch_size: int | None
    learning_rate_multiplier: float | None
    prompt_loss_weight: float | None
    compute_classification_metrics: bool | None
    classification_n_classes: int | None
    classification_positive_class: str | None
    classification_betas: list[float] | None
    suffix: str | None


async def create_fine_tune(request: Request) -> JSONResponse:
    kit, owner = kit_of(request), keys.owner(request)
    asked = await requests.body(request, FineTuneRequest)
    document = {name: value for name, value in asked.items() if value is not None}
    _refuse_values(document)
    served = _tunable(kit, owner, document.get("model", _DEFAULT_MODEL))
    jobs.refuse_files(kit, owner, document)
    budgets.refuse_if_spent(kit, owner)
    job_id = kit.ids.new(FINE_TUNE)
    given = _hyperparameters(document)
    created = (wording.created(job_id),)
    document["method"] = {"type": "completion"}  # what the worker calls it
    with jobs.new_folder(kit, job_id):
        await anyio.to_thread.run_sync(jobs.copy_data, kit, job_id, document)
        job = jobs.record(kit, owner, job_id, document, given, served, created)
    kit.lifecycle.wake()
    return JSONResponse(_with_events(kit, job))


async def list_fine_tunes(request: Request) -> JSONResponse:
    """All at once, oldest first; without their events."""
    kit = kit_of(request)
    rows = kit.store.all(
        "SELECT * FROM jobs WHERE owner = ? AND id LIKE ? ORDER BY seq",
        keys.owner(request),
        f"{FINE_TUNE}%",
    )
    return JSONResponse({"object": "list", "data": [_object(kit, row) for row in rows]})


async def retrieve_fine_tune(request: Request) -> JSONResponse:
    return JSONResponse(_with_events(kit_of(request), _own_or_404(request)))


async def cancel_fine_tune(request: Request) -> JSONResponse:
    """The body is not read: clients send an empty form, or nothing."""
    kit, job = kit_of(request), _own_or_404(request)
    try:
        kit.lifecycle.cancel(job["id"])
    except OvertakenError:
        status = _own_or_404(request)["status"]
        raise ApiError(
            400, f"Cannot cancel a job {job['id']} that is already {status}."
        ) from None
    return JSONResponse(_with_events(kit, _own_or_404(request)))


async def delete_fine_tune(request: Request) -> JSONResponse:
    """Forgets an ended fine-tune; its model is deleted by the model's name."""
    kit, job = kit_of(request), _own_or_404(request)
    if job["status"] in ACTIVE:
        raise ApiError(
            400,
            f"The fine-tune {job['id']} is still {_status(job)}. Cancel it before you "
            "delete it.",
        )
    with kit.store.transaction() as db:
        db.execute("DELETE FROM jobs WHERE id = ?", (job["id"],))
        db.execute("DELETE FROM events WHERE job_id = ?", (job["id"],))
    return JSONResponse({"object": "fine-tune", "id": job["id"], "deleted": True})


async def list_events(request: Request) -> Response:
    """All events, oldest first; with `stream=true` as they come, until the end.

    A stream always begins with the first event: who was interrupted asks again.
    """
    kit, job = kit_of(request), _own_or_404(request)
    if request.query_params.get("stream", "false").lower() == "true":
        return StreamingResponse(
            _event_lines(kit, job["id"]),
            media_type="text/event-stream",
            headers={"cache-control": "no-cache", "x-accel-buffering": "no"},
        )
    return JSONResponse({"object": "list", "data": _events(kit, job["id"])})


async def _event_lines(kit: Kit, job_id: str) -> AsyncIterator[str]:
    sent, silent = 0, 0.0
    while True:
        # The job first: when it has ended, its last event is there as well.
        job = kit.store.one("SELECT status FROM jobs WHERE id = ?", job_id)
        new = _events(kit, job_id)[sent:]
        for event in new:
            yield f"data: {json.dumps(event)}\n\n"
        sent += len(new)
        if job is None or job["status"] not in ACTIVE:
            break
        silent = 0.0 if new else silent + _LOOK_AGAIN
        if silent >= _KEEP_ALIVE:
            silent = 0.0
            yield ": still waiting\n\n"
        await asyncio.sleep(_LOOK_AGAIN)
    yield "data: [DONE]\n\n"


def _own_or_404(request: Request) -> Row:
    job_id = request.path_params["fine_tune_id"]
    job = kit_of(request).store.one(
        "SELECT * FROM jobs WHERE owner = ? AND id = ?", keys.owner(request), job_id
    )
    if job is None or not is_fine_tune(job_id):
        raise jobs.not_found(job_id)
    return job


def _with_events(kit: Kit, job: Row) -> dict[str, Any]:
    return _object(kit, job) | {"events": _events(kit, job["id"])}


def _object(kit: Kit, job: Row) -> dict[str, Any]:
    file_status = "uploaded" if job["status"] == "validating_files" else "processed"
    return {
        "object": "fine-tune",
        "id": job["id"],
        "hyperparams": _hyperparams(job),
        "organization_id": keys.ORGANIZATION_ID,
        "model": job["model"],
        "training_files": [_file(kit, job, job["training_file"], file_status)],
        "validation_files": [
            _file(kit, job, file_id, file_status)
            for file_id in [job["validation_file"]]
            if file_id
        ],
        "result_files": [
            _file(kit, job, file_id, "processed")
            for file_id in json.loads(job["result_files"])
        ],
        "created_at": job["created_at"],
        "updated_at": job["latest_at"],
        "status": _status(job),
        "fine_tuned_model": job["fine_tuned_model"],
    }


def _status(job: Row) -> str:
    """2023 knew one word for everything before training."""
    waiting = job["status"] in ("validating_files", "queued")
    return "pending" if waiting else str(job["status"])


def _hyperparams(job: Row) -> dict[str, Any]:
    """What was left open is null until the fine-tune runs."""
    given = json.loads(job["hyperparameters"])
    return {name: None if value == "auto" else value for name, value in given.items()}


def _file(kit: Kit, job: Row, file_id: str, status: str) -> dict[str, Any]:
    """The whole file object, as 2023 showed it; a deleted file leaves its id."""
    row = files.find(kit, job["owner"], file_id)
    known = row is not None
    return {
        "object": "file",
        "id": file_id,
        "purpose": row["purpose"] if row else "fine-tune",
        "filename": row["filename"] if row else file_id,
        "bytes": row["bytes"] if row else 0,
        "created_at": row["created_at"] if row else job["created_at"],
        "status": status if known else "deleted",
        "status_details": None,
    }


def _events(kit: Kit, job_id: str) -> list[dict[str, Any]]:
    """The messages, oldest first: 2023 did not show the figures of each step."""
    rows = kit.store.all(
        "SELECT * FROM events WHERE job_id = ? AND type = 'message' ORDER BY seq",
        job_id,
    )
    return [
        {
            "object": "fine-tune-event",
            "level": row["level"],
            "message": row["message"],
            "created_at": row["created_at"],
        }
        for row in rows
    ]


def _hyperparameters(document: dict[str, Any]) -> dict[str, Any]:
    """As the job record holds them; `auto` stands for what 2023 called null."""
    given = {
        "n_epochs": document.get("n_epochs", _DEFAULT_EPOCHS),
        "batch_size": document.get("batch_size", "auto"),
        "prompt_loss_weight": document.get(
            "prompt_loss_weight", _DEFAULT_PROMPT_LOSS_WEIGHT
        ),
        "learning_rate_multiplier": document.get("learning_rate_multiplier", "auto"),
    }
    if document.get("compute_classification_metrics"):
        given |= {name: document[name] for name in CLASSIFICATION if name in document}
    return given


def _tunable(kit: Kit, owner: str, name: str) -> Served:
    """One of the four bases, or the caller's model that was tuned from one here."""
    served = models.find(kit, owner, name)
    base = catalog.base(served.base if served else name)
    if base is not None and base.name.startswith("gpt-"):
        raise ApiError(400, wording.NEW_API_ONLY.format(model=name), param="model")
    if served is None or served.base not in BASES:
        raise ApiError(
            400,
            f"Invalid base model: {name} (model must be one of {', '.join(BASES)}) or "
            "a fine-tuned model created by your organization: "
            f"{keys.ORGANIZATION_ID}",
            param="model",
        )
    return served


def _refuse_values(document: dict[str, Any]) -> None:
    """Ranges: the specification gives few of them; the others are ours."""
    if "n_epochs" in document:
        integer_in(document["n_epochs"], "n_epochs", 1, _MAX_EPOCHS)
    if "batch_size" in document:
        integer_in(document["batch_size"], "batch_size", 1, 256)
    if "suffix" in document:
        string_length_in(document["suffix"], "suffix", 1, 40)
    weight = document.get("prompt_loss_weight", 0)
    requests.decimal_in(weight, "prompt_loss_weight", 0, 1)
    _refuse_not_positive(
        document.get("learning_rate_multiplier", 1), "learning_rate_multiplier"
    )
    for index, beta in enumerate(document.get("classification_betas", ())):
        _refuse_not_positive(beta, f"classification_betas[{index}]")
    if "classification_n_classes" in document:
        integer_in(
            document["classification_n_classes"], "classification_n_classes", 2, 1000
        )
    if document.get("compute_classification_metrics"):
        _refuse_unclear_classes(document)


def _refuse_not_positive(value: float, name: str) -> None:
    if not 0 < value < math.inf:
        raise ApiError(
            400,
            f"Invalid '{name}': decimal below minimum value. Expected a value > 0, but "
            f"got {value} instead.",
            param=name,
            code="decimal_below_min_value",
        )


def _refuse_unclear_classes(document: dict[str, Any]) -> None:
    """What the metrics need (specification of 2023-08)."""
    if "validation_file" not in document:
        raise ApiError(
            400,
            "To compute classification metrics, a validation_file is needed: they are "
            "computed on it after each epoch.",
            param="validation_file",
        )
    n_classes = document.get("classification_n_classes")
    positive = document.get("classification_positive_class")
    if n_classes is None and positive is None:
        raise ApiError(
            400,
            "To compute classification metrics, give classification_n_classes (more "
            "than two classes) or classification_positive_class (two classes).",
            param="classification_n_classes",
        )
    if positive is not None and n_classes not in (None, 2):
        raise ApiError(
            400,
            "classification_positive_class is for two classes; with "
            f"classification_n_classes = {n_classes} leave it out.",
            param="classification_positive_class",
        )


routes = [
    Route("/v1/fine-tunes", create_fine_tune, methods=["POST"]),
    Route("/v1/fine-tunes", list_fine_tunes, methods=["GET"]),
    Route("/v1/fine-tunes/{fine_tune_id}", retrieve_fine_tune, methods=["GET"]),
    Route("/v1/fine-tunes/{fine_tune_id}", delete_fine_tune, methods=["DELETE"]),
    Route("/v1/fine-tunes/{fine_tune_id}/cancel", cancel_fine_tune, methods=["POST"]),
    Route("/v1/fine-tunes/{fine_tune_id}/events", list_events, methods=["GET"]),
]
