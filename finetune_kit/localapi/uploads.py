"""`/v1/uploads`: a large file in parts, in any order and in parallel.

Parts lie in a folder of their upload until it is completed, cancelled or expired.
"""

import hashlib
import shutil
from collections.abc import Callable
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

import anyio.to_thread
from starlette.datastructures import UploadFile
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import errors, file_rules, files, housekeeping, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.requests import (
    body,
    from_sdk,
    integer_in,
    require_form,
    string_length_in,
    unknown_parameter,
)
from finetune_kit.patience import patiently

PART_LIMIT = 64 * 2**20  # bytes (contract 1.2)
_UPLOAD_LIMIT = 8 * 2**30
_LIFETIME = 3600  # seconds until an upload expires that was not completed
_CHUNK = 2**20


@from_sdk
def create_parameters() -> Any:
    from openai.types.upload_create_params import UploadCreateParams

    return UploadCreateParams


@from_sdk
def complete_parameters() -> Any:
    from openai.types.upload_complete_params import UploadCompleteParams

    return UploadCompleteParams


async def create_upload(request: Request) -> JSONResponse:
    kit = kit_of(request)
    schema = await anyio.to_thread.run_sync(create_parameters)
    document = await body(request, schema)
    integer_in(document["bytes"], "bytes", 1, _UPLOAD_LIMIT)
    string_length_in(document["filename"], "filename", 1, 255)
    filename = file_rules.plain_name(document["filename"])
    purpose = document["purpose"]
    file_rules.refuse_name(filename, purpose)
    seconds = document.get("expires_after", {}).get("seconds")
    upload_id, now = kit.ids.new("upload_"), kit.clock.now()
    with kit.store.transaction() as db:
        db.execute(
            "INSERT INTO uploads (id, owner, bytes, created_at, expires_at, filename,"
            " purpose, mime_type, file_lifetime, status)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, 'pending')",
            (
                upload_id,
                keys.owner(request),
                document["bytes"],
                now,
                now + _LIFETIME,
                filename,
                purpose,
                document["mime_type"],
                file_rules.lifetime(seconds, purpose),
            ),
        )
    return JSONResponse(_shown(kit, _own_or_404(request, upload_id)))


async def add_part(request: Request) -> JSONResponse:
    kit, upload = kit_of(request), _pending(request)
    require_form(request, "the field 'data'")
    async with request.form(max_files=1, max_fields=1) as form:
        for name in form:
            if name != "data":
                raise unknown_parameter(name)
        data = form.get("data")
        if not isinstance(data, UploadFile):
            raise ApiError(400, "'data' is a required property", param="data")
        if (data.size or 0) > PART_LIMIT:
            raise errors.too_large(PART_LIMIT)
        part_id = kit.ids.new("part_", scope=upload["id"])
        path = kit.home.part(upload["id"], part_id)
        await _unless_ended(request, files.keep, data, path)
    part = {
        "id": part_id,
        "upload_id": upload["id"],
        "created_at": kit.clock.now(),
        "bytes": path.stat().st_size,
    }
    try:
        with kit.store.transaction() as db:
            _still_pending(kit, db, upload["id"])
            db.execute(
                "INSERT INTO parts (id, upload_id, created_at, bytes)"
                " VALUES (:id, :upload_id, :created_at, :bytes)",
                part,
            )
    except ApiError:  # it has ended meanwhile, and `keep` made its folder anew
        _drop_parts(kit, upload["id"])
        raise
    except BaseException:
        housekeeping.remove(path)
        raise
    del part["bytes"]
    return JSONResponse(part | {"object": "upload.part"})


async def complete_upload(request: Request) -> JSONResponse:
    """Join the parts in the order of `part_ids` into a file."""
    kit, upload = kit_of(request), _pending(request)
    schema = await anyio.to_thread.run_sync(complete_parameters)
    document = await body(request, schema)
    rows = kit.store.all("SELECT * FROM parts WHERE upload_id = ?", upload["id"])
    _pending(request)  # after the look at the parts, which go when it ends
    parts = _chosen(kit, upload, rows, document["part_ids"])
    file_id = kit.ids.new("file-")
    target = kit.home.file(file_id)
    try:
        await _unless_ended(request, _join, parts, target, upload, document.get("md5"))
        with kit.store.transaction() as db:
            _still_pending(kit, db, upload["id"])
            _record_file(kit, db, upload, file_id)
    except BaseException:
        housekeeping.remove(target)
        raise
    _drop_parts(kit, upload["id"])
    return JSONResponse(_shown(kit, _own_or_404(request)))


async def cancel_upload(request: Request) -> JSONResponse:
    """The body is not read: the SDK sends none."""
    kit, upload = kit_of(request), _pending(request)
    with kit.store.transaction() as db:
        _still_pending(kit, db, upload["id"])
        _end(db, upload["id"], "cancelled")
    _drop_parts(kit, upload["id"])
    return JSONResponse(_shown(kit, _own_or_404(request)))


def _own_or_404(request: Request, upload_id: str = "") -> Row:
    wanted = upload_id or request.path_params["upload_id"]
    row = kit_of(request).store.one(
        "SELECT * FROM uploads WHERE owner = ? AND id = ?", keys.owner(request), wanted
    )
    if row is None:
        raise ApiError(404, f"No such Upload object: {wanted}", param="id")
    return row


def _pending(request: Request) -> Row:
    upload = _own_or_404(request)
    _refuse_ended(kit_of(request), upload)
    return upload


async def _unless_ended(
    request: Request, write: Callable[..., None], *arguments: Any
) -> None:
    """Write in a thread; the parts' folder goes when somebody cancels meanwhile."""
    try:
        await anyio.to_thread.run_sync(write, *arguments)
    except FileNotFoundError:
        _pending(request)
        raise


def _still_pending(kit: Kit, db: Connection, upload_id: str) -> None:
    """Somebody may have completed or cancelled it while we read or wrote."""
    row = db.execute("SELECT * FROM uploads WHERE id = ?", (upload_id,)).fetchone()
    _refuse_ended(kit, row)


def _refuse_ended(kit: Kit, upload: Row) -> None:
    status = _status(kit, upload)
    if status != "pending":
        raise ApiError(
            400,
            f"Upload {upload['id']} is {status}: nothing can be added to it, and it "
            "cannot be completed or cancelled any more. Create a new upload.",
            param="upload_id",
            code="invalid_upload_status",
        )


def _status(kit: Kit, upload: Row) -> str:
    expired = upload["expires_at"] <= kit.clock.reading()
    pending = upload["status"] == "pending"
    return "expired" if expired and pending else str(upload["status"])


def _chosen(kit: Kit, upload: Row, rows: list[Row], part_ids: list[str]) -> list[Path]:
    """The files of the parts; their sizes must add up to the declared one."""
    sizes = {row["id"]: row["bytes"] for row in rows}
    for index, part_id in enumerate(part_ids):
        if part_id not in sizes or part_id in part_ids[:index]:
            what = "twice in the list" if part_id in sizes else "no part of this upload"
            raise ApiError(
                400,
                f"Invalid 'part_ids[{index}]': '{part_id}' is {what}.",
                param="part_ids",
                code="invalid_value",
            )
    total = sum(sizes[part_id] for part_id in part_ids)
    if total != upload["bytes"]:
        raise ApiError(
            400,
            f"The parts have {total:,} bytes together, but the upload was created with "
            f"'bytes' {upload['bytes']:,}. Add what is missing, or create a new upload "
            "with the right size.",
            param="part_ids",
            code="invalid_upload_size",
        )
    return [kit.home.part(upload["id"], part_id) for part_id in part_ids]


def _join(parts: list[Path], target: Path, upload: Row, md5: str | None) -> None:
    """Write the parts one after the other, and look at the whole."""
    digest = hashlib.md5(usedforsecurity=False)
    temporary = target.with_name(target.name + ".new")
    try:
        with temporary.open("w+b") as file:
            for part in parts:
                with part.open("rb") as source:
                    while chunk := source.read(_CHUNK):
                        digest.update(chunk)
                        file.write(chunk)
            file.seek(0)
            if md5 is not None and md5.lower() != digest.hexdigest():
                raise _wrong_md5(digest.hexdigest())
            file_rules.refuse_content(file, upload["filename"], upload["purpose"])
        patiently(lambda: temporary.replace(target))
    finally:
        temporary.unlink(missing_ok=True)


def _wrong_md5(found: str) -> ApiError:
    return ApiError(
        400,
        f"Invalid 'md5': the joined parts have the MD5 {found}. Check the order of "
        "'part_ids', and that each part arrived whole.",
        param="md5",
        code="invalid_value",
    )


def _record_file(kit: Kit, db: Connection, upload: Row, file_id: str) -> None:
    created_at = kit.clock.now()
    lifetime = upload["file_lifetime"]
    files.record(
        db,
        file_id=file_id,
        owner=upload["owner"],
        size=upload["bytes"],
        created_at=created_at,
        filename=upload["filename"],
        purpose=upload["purpose"],
        expires_at=created_at + lifetime if lifetime else None,
    )
    _end(db, upload["id"], "completed", file_id)


def _end(
    db: Connection, upload_id: str, status: str, file_id: str | None = None
) -> None:
    db.execute("DELETE FROM parts WHERE upload_id = ?", (upload_id,))
    db.execute(
        "UPDATE uploads SET status = ?, file_id = ? WHERE id = ?",
        (status, file_id, upload_id),
    )


def _drop_parts(kit: Kit, upload_id: str) -> None:
    shutil.rmtree(kit.home.uploads / upload_id, ignore_errors=True)


def _shown(kit: Kit, upload: Row) -> dict[str, Any]:
    owner, file_id = upload["owner"], upload["file_id"]
    file = files.find(kit, owner, file_id) if file_id else None
    return {
        "object": "upload",
        "id": upload["id"],
        "bytes": upload["bytes"],
        "created_at": upload["created_at"],
        "expires_at": upload["expires_at"],
        "filename": upload["filename"],
        "purpose": upload["purpose"],
        "status": _status(kit, upload),
        "file": files.shown(file) if file else None,
    }


routes = [
    Route("/v1/uploads", create_upload, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/parts", add_part, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/complete", complete_upload, methods=["POST"]),
    Route("/v1/uploads/{upload_id}/cancel", cancel_upload, methods=["POST"]),
]
