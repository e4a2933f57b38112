"""`/v1/fine_tuning/jobs`: create, list, retrieve, cancel, pause, resume."""

import json
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Row
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import (
    budgets,
    files,
    graders,
    hyperparameters,
    job_rules,
    keys,
    models,
    wording,
)
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.ids import FINE_TUNE, is_fine_tune
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.models import Served
from finetune_kit.localapi.paging import metadata_filter, page
from finetune_kit.localapi.requests import check, from_sdk, json_object
from finetune_kit.localapi.store import copy_file
from finetune_kit.localapi.story import OvertakenError, add_event

TRAINING = "train.jsonl"  # a job's own copies, in its folder
VALIDATION = "valid.jsonl"
_MAX_LIMIT = 1000
_NO_ERROR = {"code": None, "message": None, "param": None}


@from_sdk
def parameters() -> Any:
    """The SDK's type of the request (late: importing it takes 0.3 s)."""
    from openai.types.fine_tuning import JobCreateParams

    return JobCreateParams


async def create_job(request: Request) -> JSONResponse:
    kit, owner = kit_of(request), keys.owner(request)
    schema = await anyio.to_thread.run_sync(parameters)
    document = await json_object(request)
    await _refuse_reinforcement(document)
    check(document, schema)
    job_rules.refuse_values(document)
    given = hyperparameters.of_request(document)
    served = _tunable(kit, owner, document["model"], method_of(document))
    refuse_files(kit, owner, document)
    budgets.refuse_if_spent(kit, owner)
    job_id = kit.ids.new("ftjob-")
    validating = wording.validating(
        document["training_file"], document.get("validation_file")
    )
    messages = [wording.created(job_id), validating]
    if document.get("integrations"):
        messages.append(wording.NO_INTEGRATIONS)
    with new_folder(kit, job_id):
        await anyio.to_thread.run_sync(copy_data, kit, job_id, document)
        job = record(kit, owner, job_id, document, given, served, messages)
    kit.lifecycle.wake()
    return JSONResponse(shown(job))


async def _refuse_reinforcement(document: dict[str, Any]) -> None:
    """Before the SDK's type, which the guide's own requests do not fit: it lacks
    `response_format`, and several graders."""
    method, model = document.get("method"), document.get("model")
    if not isinstance(method, dict) or method.get("type") != "reinforcement":
        return
    details = method.get("reinforcement")
    if isinstance(model, str) and isinstance(details, dict) and "grader" in details:
        await graders.checked({"grader": details["grader"], "model_sample": ""})
        raise job_rules.no_reinforcement(model)


async def list_jobs(request: Request) -> JSONResponse:
    where, values = metadata_filter(request, "jobs")
    jobs = page(
        request,
        table="jobs",
        where=f"owner = ? AND id NOT LIKE ?{where}",
        values=(keys.owner(request), f"{FINE_TUNE}%", *values),
        shown=shown,
        default_limit=20,
        max_limit=_MAX_LIMIT,
    )
    return JSONResponse(jobs.reply())


async def retrieve_job(request: Request) -> JSONResponse:
    return JSONResponse(shown(own_or_404(request)))


async def cancel_job(request: Request) -> JSONResponse:
    """The body is not read: clients send anything here, or nothing."""
    kit, job = kit_of(request), own_or_404(request)
    try:
        kit.lifecycle.cancel(job["id"])
    except OvertakenError:
        raise ApiError(400, f"Job has already completed: {job['id']}") from None
    return JSONResponse(shown(own_or_404(request)))


async def pause_job(request: Request) -> JSONResponse:
    """The worker saves its state and ends; the job keeps its place in the story."""
    kit, job = kit_of(request), own_or_404(request)
    try:
        kit.lifecycle.pause(job["id"])
    except OvertakenError:
        raise _not_now(own_or_404(request), "paused", "running") from None
    return JSONResponse(shown(own_or_404(request)))


async def resume_job(request: Request) -> JSONResponse:
    """The job goes back to the queue, and goes on from where it was paused."""
    kit, job = kit_of(request), own_or_404(request)
    budgets.refuse_if_spent(kit, job["owner"])  # else it would end, and be lost
    try:
        queued = kit.lifecycle.resume(job["id"])
    except OvertakenError:
        raise _not_now(own_or_404(request), "resumed", "paused") from None
    return JSONResponse(shown(queued))


def _not_now(job: Row, action: str, wanted: str) -> ApiError:
    return ApiError(
        400,
        f"Job {job['id']} cannot be {action}: its status is '{job['status']}'. Only a "
        f"job whose status is '{wanted}' can be {action}.",
        code="invalid_job_status",
    )


def own_or_404(request: Request) -> Row:
    """The caller's job that the path names."""
    job_id = request.path_params["job_id"]
    job = kit_of(request).store.one(
        "SELECT * FROM jobs WHERE owner = ? AND id = ?", keys.owner(request), job_id
    )
    if job is None or is_fine_tune(job_id):
        raise not_found(job_id)
    return job


def shown(job: Row) -> dict[str, Any]:
    """The job object, with the fields the service really returns (contract 1.3)."""
    method, parameters = job["method"], json.loads(job["hyperparameters"])
    return {
        "object": "fine_tuning.job",
        "id": job["id"],
        "model": job["model"],
        "created_at": job["created_at"],
        "finished_at": job["finished_at"],
        "fine_tuned_model": job["fine_tuned_model"],
        "organization_id": keys.ORGANIZATION_ID,
        "result_files": json.loads(job["result_files"]),
        "status": job["status"],
        "validation_file": job["validation_file"],
        "training_file": job["training_file"],
        # Null for dpo: observed, though the schema does not say so (contract 1.3).
        "hyperparameters": parameters if method == "supervised" else None,
        "trained_tokens": job["trained_tokens"],
        "error": json.loads(job["error"]) if job["error"] else _NO_ERROR,
        "user_provided_suffix": job["suffix"],
        "seed": job["seed"],
        "estimated_finish": job["estimated_finish"],
        "integrations": json.loads(job["integrations"] or "[]"),
        "metadata": json.loads(job["metadata"]) if job["metadata"] else None,
        "usage_metrics": None,
        "shared_with_openai": False,
        "method": {"type": method, method: {"hyperparameters": parameters}},
    }


def not_found(job_id: str) -> ApiError:
    return ApiError(
        404,
        f"Could not find fine tune: {job_id}",
        param="fine_tune_id",
        code="fine_tune_not_found",
    )


def method_of(document: dict[str, Any]) -> str:
    """The method that a request names, or the one it means by naming none."""
    return str((document.get("method") or {"type": "supervised"})["type"])


def _tunable(kit: Kit, owner: str, name: str, method: str) -> Served:
    """The base, or the caller's tuned model, that a job may start from."""
    served = models.find(kit, owner, name)
    base = catalog.base(served.base) if served else None
    if served is None or base is None or not base.methods:
        raise _not_available(name, "")
    if method not in base.methods:
        which = " or ".join(f"'{each}'" for each in base.methods)
        raise _not_available(
            name, f" It cannot be trained with '{method}': use {which}."
        )
    return served


def _not_available(name: str, why: str) -> ApiError:
    return ApiError(
        400,
        f"Model {name} is not available for fine-tuning or does not exist.{why}",
        param="model",
        code="model_not_available",
    )


def refuse_files(kit: Kit, owner: str, document: dict[str, Any]) -> None:
    """Refuse a request whose files are not the caller's, or not for fine-tuning."""
    for name in ("training_file", "validation_file"):
        if document.get(name) is not None:
            _refuse_file(kit, owner, name, document[name])


def _refuse_file(kit: Kit, owner: str, name: str, file_id: str) -> None:
    file = files.find(kit, owner, file_id)
    if file is None:
        raise ApiError(400, f"File '{file_id}' does not exist", param=name)
    if file["purpose"] != "fine-tune":
        raise ApiError(
            400,
            f"File '{file_id}' has purpose '{file['purpose']}' but must have purpose "
            "'fine-tune'. Upload it again with purpose='fine-tune'.",
            param=name,
        )


@contextmanager
def new_folder(kit: Kit, job_id: str) -> Iterator[None]:
    """A job that is not recorded after all (a full disk, a client that has gone)
    leaves no folder."""
    try:
        yield
    except BaseException:
        shutil.rmtree(kit.home.job(job_id), ignore_errors=True)
        raise


def copy_data(kit: Kit, job_id: str, document: dict[str, Any]) -> None:
    """A job keeps its data even if the file is deleted meanwhile."""
    folder = kit.home.job(job_id)
    for name, copy in (("training_file", TRAINING), ("validation_file", VALIDATION)):
        if file_id := document.get(name):
            _copy_or_refuse(kit.home.file(file_id), folder / copy, name, file_id)


def _copy_or_refuse(source: Path, target: Path, name: str, file_id: str) -> None:
    try:
        copy_file(source, target)
    except FileNotFoundError:
        raise ApiError(400, f"File '{file_id}' does not exist", param=name) from None


def record(
    kit: Kit,
    owner: str,
    job_id: str,
    document: dict[str, Any],
    given: dict[str, Any],
    served: Served,
    messages: Sequence[str],
) -> Row:
    """Make a job known, with its first events; `given` are its hyperparameters.

    The job as it is then: it may go on before anybody can read it again.
    """
    now = kit.clock.now()
    seed = document.get("seed")
    integrations = job_rules.integrations_shown(document.get("integrations") or [])
    row = {
        "id": job_id,
        "owner": owner,
        "created_at": now,
        "latest_at": now,
        "status": "validating_files",
        "model": served.name,
        "base": served.base,
        "base_weights": str(served.weights) if served.weights else None,
        "training_file": document["training_file"],
        "validation_file": document.get("validation_file"),
        "method": method_of(document),
        "hyperparameters": json.dumps(given),
        "seed": kit.ids.seed() if seed is None else seed,
        "suffix": document.get("suffix"),
        "metadata": json.dumps(document["metadata"])
        if document.get("metadata")
        else None,
        "integrations": json.dumps(integrations),
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    kit.faults.strike_job(owner, job_id)
    with kit.store.transaction() as db:
        insert = f"INSERT INTO jobs ({names}) VALUES ({marks}) RETURNING *"
        made: Row
        (made,) = db.execute(insert, tuple(row.values()))
        for message in messages:
            add_event(kit, db, job_id, now, message, data={})
    return made


routes = [
    Route("/v1/fine_tuning/jobs", create_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs", list_jobs, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job_id}", retrieve_job, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job_id}/cancel", cancel_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs/{job_id}/pause", pause_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs/{job_id}/resume", resume_job, methods=["POST"]),
]
