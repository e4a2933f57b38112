"""`/v1/files`: uploads stream to disk, and stay until deleted or expired."""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

import anyio.to_thread
from starlette.datastructures import FormData, UploadFile
from starlette.requests import Request
from starlette.responses import FileResponse, JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import errors, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.front import UPLOAD_LIMIT
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.paging import page
from finetune_kit.localapi.requests import integer_in, unknown_parameter

PURPOSES = ("fine-tune", "assistants", "batch", "user_data", "vision", "evals")
_BATCH_LIFETIME = 30 * 24 * 3600  # seconds (contract 1.1)
_FIELDS = ("file", "purpose", "expires_after[anchor]", "expires_after[seconds]")
_FIRST_LINE_LIMIT = 16 * 2**20  # bytes that the look at an upload may read


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
    if not request.headers.get("content-type", "").startswith("multipart/form-data"):
        raise ApiError(
            400,
            "This endpoint takes a multipart/form-data body with the fields 'file' and "
            "'purpose'.",
        )
    async with request.form(max_files=1, max_fields=8) as form:
        return await _accept(request, form)


async def _accept(request: Request, form: FormData) -> JSONResponse:
    kit = kit_of(request)
    upload, purpose = _upload(form), _purpose(form)
    if (upload.size or 0) > UPLOAD_LIMIT:
        raise errors.too_large(UPLOAD_LIMIT)
    filename = Path(upload.filename or "upload").name.replace("\x00", "")
    if purpose == "fine-tune":
        await anyio.to_thread.run_sync(_refuse_untrainable, upload, filename)
    file_id = kit.ids.new("file-")
    created_at = kit.clock.now()
    expires_at = _expires_at(form, purpose, created_at)
    target = kit.home.file(file_id)
    await anyio.to_thread.run_sync(_keep, upload, target)
    with _removed_on_failure(target), kit.store.transaction() as db:
        record(
            db,
            file_id=file_id,
            owner=keys.owner(request),
            size=target.stat().st_size,
            created_at=created_at,
            filename=filename,
            purpose=purpose,
            expires_at=expires_at,
        )
    return JSONResponse(_object(_own_or_404(request, file_id)))


async def list_files(request: Request) -> JSONResponse:
    order = request.query_params.get("order", "desc")
    if order not in ("asc", "desc"):
        raise _not_one_of(order, ("asc", "desc"), "order")
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
        shown=_object,
        default_limit=10_000,
        max_limit=10_000,
        ascending=order == "asc",
    )
    return JSONResponse(files.reply_with_ids())


async def retrieve_file(request: Request) -> JSONResponse:
    return JSONResponse(_object(_own_or_404(request)))


async def file_content(request: Request) -> FileResponse:
    row = _own_or_404(request)
    return FileResponse(
        kit_of(request).home.file(row["id"]),
        media_type="application/octet-stream",
        filename=row["filename"],
    )


async def delete_file(request: Request) -> JSONResponse:
    """A job that trains on the file keeps its own copy."""
    kit, row = kit_of(request), _own_or_404(request)
    with kit.store.transaction() as db:
        db.execute("DELETE FROM files WHERE id = ?", (row["id"],))
    kit.home.file(row["id"]).unlink(missing_ok=True)
    return JSONResponse({"id": row["id"], "object": "file", "deleted": True})


def _own_or_404(request: Request, file_id: str = "") -> Row:
    wanted = file_id or request.path_params["file_id"]
    row = find(kit_of(request), keys.owner(request), wanted)
    if row is None:
        raise ApiError(404, f"No such File object: {wanted}", param="id")
    return row


def _object(row: Row) -> dict[str, Any]:
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
    if purpose not in PURPOSES:
        shown = purpose if isinstance(purpose, str) else "a file"
        raise _not_one_of(shown, PURPOSES, "purpose")
    return str(purpose)


def _not_one_of(value: str, allowed: tuple[str, ...], name: str) -> ApiError:
    return ApiError(
        400, f"'{value}' is not one of {list(allowed)} - '{name}'", param=name
    )


def _expires_at(form: FormData, purpose: str, created_at: int) -> int | None:
    anchor = form.get("expires_after[anchor]")
    seconds = form.get("expires_after[seconds]")
    if anchor is None and seconds is None:
        return created_at + _BATCH_LIFETIME if purpose == "batch" else None
    if anchor != "created_at":
        raise _not_one_of(str(anchor), ("created_at",), "expires_after[anchor]")
    if not (isinstance(seconds, str) and seconds.isdecimal() and len(seconds) < 10):
        raise ApiError(
            400,
            "Invalid type for 'expires_after[seconds]': expected an integer.",
            param="expires_after[seconds]",
            code="invalid_type",
        )
    integer_in(int(seconds), "expires_after[seconds]", 3600, 2_592_000)
    return created_at + int(seconds)


def _refuse_untrainable(upload: UploadFile, filename: str) -> None:
    """The service looks at the name and the first line; the rest is the job's part
    (contract 3.1)."""
    if Path(filename).suffix.lower() != ".jsonl":
        raise ApiError(
            400,
            f"Invalid extension '{Path(filename).suffix}' of '{filename}'. Fine-tuning "
            "accepts only '.jsonl' files: one JSON object per line, saved as UTF-8.",
            param="file",
        )
    first = upload.file.readline(_FIRST_LINE_LIMIT)
    upload.file.seek(0)
    if not first:
        raise ApiError(
            400,
            f"The file '{filename}' is empty. Expected file to have JSONL format, "
            "where every line is a JSON dictionary.",
            param="file",
        )
    if not _is_dictionary(first):
        start = first[:64].decode("utf-8", errors="replace")[:4].rstrip("\r\n")
        raise ApiError(
            400,
            "Expected file to have JSONL format, where every line is a JSON "
            f'dictionary. Line 1 is not a dictionary (HINT: line starts with: "{start}'
            '...").' + _advice(first),
            param="file",
        )


def _is_dictionary(line: bytes) -> bool:
    """A line longer than the limit is left to the job's validation."""
    if len(line) == _FIRST_LINE_LIMIT:
        return True
    try:
        return isinstance(json.loads(line.decode("utf-8")), dict)
    except (ValueError, RecursionError):
        return False


def _advice(line: bytes) -> str:
    """What to do about it, in the kit's own words, after the service's."""
    if line.startswith(b"\xef\xbb\xbf"):
        return " The file starts with a byte order mark: save it as UTF-8 without BOM."
    if line.startswith((b"\xff\xfe", b"\xfe\xff")):
        return " The file is UTF-16: save it as UTF-8."
    if line.lstrip().startswith(b"["):
        return " It is a JSON array: write each element on a line of its own."
    if line.strip() in (b"{", b""):
        return " One example must stand on one line, without line breaks inside."
    return " Each line must be one complete JSON object, encoded as UTF-8."


def _keep(upload: UploadFile, target: Path) -> None:
    temporary = target.with_name(target.name + ".new")
    with _removed_on_failure(temporary):
        with temporary.open("wb") as file:
            shutil.copyfileobj(upload.file, file, 2**20)
        temporary.replace(target)


@contextmanager
def _removed_on_failure(path: Path) -> Iterator[None]:
    """What was written of a file that is not accepted after all (a full disk)."""
    try:
        yield
    except BaseException:
        path.unlink(missing_ok=True)
        raise


routes = [
    Route("/v1/files", create_file, methods=["POST"]),
    Route("/v1/files", list_files, methods=["GET"]),
    Route("/v1/files/{file_id}/content", file_content, methods=["GET"]),
    Route("/v1/files/{file_id}", retrieve_file, methods=["GET"]),
    Route("/v1/files/{file_id}", delete_file, methods=["DELETE"]),
]
