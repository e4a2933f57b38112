"""`/v1/fine_tuning/jobs`: create, list, retrieve, cancel."""

import json
import shutil
from functools import cache
from pathlib import Path
from sqlite3 import Row
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import files, hyperparameters, keys, models, wording
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.models import Served
from finetune_kit.localapi.paging import page
from finetune_kit.localapi.requests import (
    body,
    integer_in,
    string_length_in,
    unknown_parameter,
)
from finetune_kit.localapi.store import copy_file
from finetune_kit.localapi.story import OvertakenError, add_event

TRAINING = "train.jsonl"  # a job's own copies, in its folder
VALIDATION = "valid.jsonl"
_MAX_LIMIT = 1000
_NO_ERROR = {"code": None, "message": None, "param": None}


@cache
def parameters() -> Any:
    """The SDK's type of the request (late: importing `openai` takes 0.6 s)."""
    from openai.types.fine_tuning import JobCreateParams

    return JobCreateParams


async def create_job(request: Request) -> JSONResponse:
    kit, owner = kit_of(request), keys.owner(request)
    schema = await anyio.to_thread.run_sync(parameters)
    document = await body(request, schema)
    _refuse_values(document)
    given = hyperparameters.of_request(document)
    served = _tunable(kit, owner, document["model"])
    for name in ("training_file", "validation_file"):
        _refuse_file(kit, owner, name, document.get(name))
    job_id = kit.ids.new("ftjob-")
    try:
        await anyio.to_thread.run_sync(_copy_data, kit, job_id, document)
        _record(kit, owner, job_id, document, given, served)
    except BaseException:  # a full disk, or a client that has gone
        shutil.rmtree(kit.home.job(job_id), ignore_errors=True)
        raise
    kit.lifecycle.wake()
    return JSONResponse(shown(_own_or_404(kit, owner, job_id)))


async def list_jobs(request: Request) -> JSONResponse:
    where, values = "owner = ?", [keys.owner(request)]
    for name, value in request.query_params.multi_items():
        if name == "metadata" and value == "null":
            where += " AND metadata IS NULL"
        elif name.startswith("metadata[") and name.endswith("]"):
            where += (
                " AND EXISTS (SELECT 1 FROM json_each(jobs.metadata) AS pair"
                " WHERE pair.key = ? AND pair.value = ?)"
            )
            values += [name.removeprefix("metadata[").removesuffix("]"), value]
    jobs = page(
        request,
        table="jobs",
        where=where,
        values=tuple(values),
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


def own_or_404(request: Request) -> Row:
    """The caller's job that the path names."""
    job_id = request.path_params["job_id"]
    return _own_or_404(kit_of(request), keys.owner(request), job_id)


def shown(job: Row) -> dict[str, Any]:
    """The job object, with the fields the service really returns (contract 1.3)."""
    parameters = json.loads(job["hyperparameters"])
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
        "hyperparameters": parameters,
        "trained_tokens": job["trained_tokens"],
        "error": json.loads(job["error"]) if job["error"] else _NO_ERROR,
        "user_provided_suffix": job["suffix"],
        "seed": job["seed"],
        "estimated_finish": job["estimated_finish"],
        "integrations": [],
        "metadata": json.loads(job["metadata"]) if job["metadata"] else None,
        "usage_metrics": None,
        "shared_with_openai": False,
        "method": {
            "type": "supervised",
            "supervised": {"hyperparameters": parameters},
        },
    }


def _own_or_404(kit: Kit, owner: str, job_id: str) -> Row:
    job = kit.store.one("SELECT * FROM jobs WHERE owner = ? AND id = ?", owner, job_id)
    if job is None:
        raise ApiError(
            404,
            f"Could not find fine tune: {job_id}",
            param="fine_tune_id",
            code="fine_tune_not_found",
        )
    return job


def _refuse_values(document: dict[str, Any]) -> None:
    """The contract's rules that the SDK's types do not state (contract 1.3)."""
    if document.get("seed") is not None:
        integer_in(document["seed"], "seed", 0, 2**31 - 1)
    if document.get("suffix") is not None:
        string_length_in(document["suffix"], "suffix", 1, 64)
    if metadata := document.get("metadata"):
        _refuse_metadata(metadata)
    if document.get("integrations"):
        raise ApiError(
            400,
            "The local API sends nothing out, so it has no Weights & Biases key and "
            "accepts no integrations. Leave 'integrations' out.",
            param="integrations",
            code="invalid_value",
        )
    method = document.get("method", {"type": "supervised"})
    if method["type"] != "supervised":
        raise ApiError(
            400,
            f"The local API cannot train with method '{method['type']}' yet. Use "
            "'supervised', or leave 'method' out.",
            param="method.type",
            code="invalid_value",
        )
    for name in method:
        if name not in ("type", "supervised"):
            raise unknown_parameter(f"method.{name}")


def _refuse_metadata(metadata: dict[str, str]) -> None:
    if len(metadata) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected an object with at most "
            f"16 properties, but got {len(metadata)} instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, value in metadata.items():
        string_length_in(key, "metadata", 0, 64)
        string_length_in(value, f"metadata.{key}", 0, 512)


def _tunable(kit: Kit, owner: str, name: str) -> Served:
    """The base, or the caller's tuned model, that a job may start from."""
    served = models.find(kit, owner, name)
    base = catalog.base(served.base) if served else None
    if served is None or base is None or "supervised" not in base.methods:
        raise ApiError(
            400,
            f"Model {name} is not available for fine-tuning or does not exist.",
            param="model",
            code="model_not_available",
        )
    return served


def _refuse_file(kit: Kit, owner: str, name: str, file_id: str | None) -> None:
    if file_id is None:
        return
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


def _copy_data(kit: Kit, job_id: str, document: dict[str, Any]) -> None:
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


def _record(
    kit: Kit,
    owner: str,
    job_id: str,
    document: dict[str, Any],
    given: dict[str, Any],
    served: Served,
) -> None:
    now = kit.clock.now()
    seed = document.get("seed")
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
        "hyperparameters": json.dumps(given),
        "seed": kit.ids.seed() if seed is None else seed,
        "suffix": document.get("suffix"),
        "metadata": json.dumps(document["metadata"])
        if document.get("metadata")
        else None,
    }
    names, marks = ", ".join(row), ", ".join("?" * len(row))
    validating = wording.validating(row["training_file"], row["validation_file"])
    with kit.store.transaction() as db:
        db.execute(f"INSERT INTO jobs ({names}) VALUES ({marks})", tuple(row.values()))
        for message in (wording.created(job_id), validating):
            add_event(kit, db, job_id, now, message, data={})


routes = [
    Route("/v1/fine_tuning/jobs", create_job, methods=["POST"]),
    Route("/v1/fine_tuning/jobs", list_jobs, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job_id}", retrieve_job, methods=["GET"]),
    Route("/v1/fine_tuning/jobs/{job_id}/cancel", cancel_job, methods=["POST"]),
]
