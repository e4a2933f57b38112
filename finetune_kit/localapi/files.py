"""`/v1/files`: uploads stream to disk, and stay until deleted or expired."""

import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

import anyio.to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse, Response
from starlette.routing import Route

from finetune_kit.localapi import errors, file_rules, housekeeping, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.front import UPLOAD_LIMIT
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.paging import ascending, page
from finetune_kit.localapi.requests import require_form, unknown_parameter
from finetune_kit.patience import patiently

_SMALL = 2**16  # bytes that are read and written faster than a thread is asked
_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")


def find(kit: Kit, owner: str, file_id: str) -> Row | None:
    return kit.store.one(
        "SELECT * FROM files WHERE owner = ? AND id = ? AND ifnull(expires_at > ?, 1)",
        owner,
        file_id,
        kit.clock.reading(),
    )


def record(
    db: Connection,
    *,
    file_id: str,
    owner: str,
    size: int,
    created_at: int,
    filename: str,
    purpose: str,
    expires_at: int | None = None,
) -> None:
    """Make a file known whose content lies under `home.file(file_id)`."""
    db.execute(
        "INSERT INTO files"
        " (id, owner, bytes, created_at, expires_at, filename, purpose)"
        " VALUES (?, ?, ?, ?, ?, ?, ?)",
        (file_id, owner, size, created_at, expires_at, filename, purpose),
    )


async def create_file(request: Request) -> JSONResponse:
    """Multipart: Starlette spools the part to disk, so memory stays constant."""
    require_form(request, "the fields 'file' and 'purpose'")
    async with request.form(max_files=1, max_fields=8) as form:
        return await _accept(request, form)


async def _accept(request: Request, form: FormData) -> JSONResponse:
    kit = kit_of(request)
    upload, purpose = _upload(form), _purpose(form)
    size = upload.size or 0
    if size > UPLOAD_LIMIT:
        raise errors.too_large(UPLOAD_LIMIT)
    filename = file_rules.plain_name(upload.filename or "upload")
    lifetime = _lifetime(form, purpose)
    file_rules.refuse_name(filename, purpose)
    await _aside(size, file_rules.refuse_content, upload.file, filename, purpose)
    file_id = kit.ids.new("file-")
    created_at = kit.clock.now()
    target = kit.home.file(file_id)
    await _aside(size, keep, upload, target)
    with _removed_on_failure(target), kit.store.transaction() as db:
        record(
            db,
            file_id=file_id,
            owner=keys.owner(request),
            size=target.stat().st_size,
            created_at=created_at,
            filename=filename,
            purpose=purpose,
            expires_at=created_at + lifetime if lifetime else None,
        )
    return JSONResponse(shown(_own_or_404(request, file_id)))


async def _aside(size: int, action: Callable[..., None], *arguments: Any) -> None:
    """Do it in a thread, or here where that takes less time than a thread would."""
    if size > _SMALL:
        await anyio.to_thread.run_sync(action, *arguments)
    else:
        action(*arguments)


async def list_files(request: Request) -> JSONResponse:
    where = "owner = ? AND ifnull(expires_at > ?, 1)"
    values: list[str | int] = [keys.owner(request), kit_of(request).clock.reading()]
    if purpose := request.query_params.get("purpose"):
        where += " AND purpose = ?"
        values.append(purpose)
    files = page(
        request,
        table="files",
        where=where,
        values=tuple(values),
        shown=shown,
        default_limit=10_000,
        max_limit=10_000,
        ascending=ascending(request, default="desc"),
    )
    return JSONResponse(files.reply_with_ids())


async def retrieve_file(request: Request) -> JSONResponse:
    return JSONResponse(shown(_own_or_404(request)))


async def file_content(request: Request) -> Response:
    """Always the whole: Starlette refuses a faulty Range in words of its own."""
    row = _own_or_404(request)
    path, headers = kit_of(request).home.file(row["id"]), request.scope["headers"]
    request.scope["headers"] = [each for each in headers if each[0] != b"range"]
    try:
        found = path.stat()
        streamed = FileResponse(
            path,
            headers={"accept-ranges": "none"},
            media_type="application/octet-stream",
            filename=row["filename"],
            stat_result=found,
        )
        if found.st_size > _SMALL:
            return streamed
        return Response(path.read_bytes(), headers=streamed.headers)
    except FileNotFoundError:  # deleted in this moment, or from the disk
        raise _no_such_file(row["id"]) from None


async def delete_file(request: Request) -> JSONResponse:
    """A job that trains on the file keeps its own copy."""
    kit, row = kit_of(request), _own_or_404(request)
    with kit.store.transaction() as db:
        db.execute("DELETE FROM files WHERE id = ?", (row["id"],))
    housekeeping.remove(kit.home.file(row["id"]))
    return JSONResponse({"id": row["id"], "object": "file", "deleted": True})


def _own_or_404(request: Request, file_id: str = "") -> Row:
    wanted = file_id or request.path_params["file_id"]
    row = find(kit_of(request), keys.owner(request), wanted)
    if row is None:
        raise _no_such_file(wanted)
    return row


def _no_such_file(file_id: str) -> ApiError:
    return ApiError(404, f"No such File object: {file_id}", param="id")


def shown(row: Row) -> dict[str, Any]:
    return {
        "object": "file",
        "id": row["id"],
        "purpose": row["purpose"],
        "filename": row["filename"],
        "bytes": row["bytes"],
        "created_at": row["created_at"],
        "expires_at": row["expires_at"],
        "status": "processed",
        "status_details": None,
    }


def _upload(form: FormData) -> UploadFile:
    for name in form:
        if name not in _FIELDS:
            raise unknown_parameter(name)
    upload = form.get("file")
    if not isinstance(upload, UploadFile):
        raise ApiError(400, "'file' is a required property", param="file")
    return upload


def _purpose(form: FormData) -> str:
    purpose = form.get("purpose")
    if purpose is None:
        raise ApiError(400, "'purpose' is a required property", param="purpose")
    if purpose not in file_rules.PURPOSES:
        shown = purpose if isinstance(purpose, str) else "a file"
        raise file_rules.not_one_of(shown, file_rules.PURPOSES, "purpose")
    return str(purpose)


def _lifetime(form: FormData, purpose: str) -> int | None:
    anchor = form.get("expires_after[anchor]")
    seconds = form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return file_rules.lifetime(None, purpose)
    if anchor != "created_at":
        raise file_rules.not_one_of(
            str(anchor), ("created_at",), "expires_after[anchor]"
        )
    if not (isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 10):
        raise ApiError(
            400,
            "Invalid type for 'expires_after[seconds]': expected an integer.",
            param="expires_after[seconds]",
            code="invalid_type",
        )
    return file_rules.lifetime(int(seconds), purpose)


def keep(upload: UploadFile, target: Path) -> None:
    """Write what was uploaded to `target`, whole or not at all."""
    target.parent.mkdir(exist_ok=True)
    temporary = target.with_name(target.name + ".new")
    with _removed_on_failure(temporary):
        with temporary.open("wb") as file:
            shutil.copyfileobj(upload.file, file, 2**20)
        patiently(lambda: temporary.replace(target))


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """What was written of a file that is not accepted after all (a full disk)."""
    try:
        yield
    except BaseException:
        housekeeping.remove(path)
        raise


routes = [
    Route("/v1/files", create_file, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{file_id}/content", file_content, methods=["GET"]),
    Route("/v1/files/{file_id}", retrieve_file, methods=["GET"]),
    Route("/v1/files/{file_id}", delete_file, methods=["DELETE"]),
]
