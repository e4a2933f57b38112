"""When the workspace's disk or database fails: what to tell the client.

Such a fault is not the request's, and not a bug: it has a status, a reason and a way
out. What was acknowledged before stays as it is.
"""

import sqlite3

from finetune_kit.disk import UNWRITABLE
from finetune_kit.localapi.errors import ApiError

_DAMAGED = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB}
_NOT_WRITTEN = {sqlite3.SQLITE_FULL, sqlite3.SQLITE_IOERR, sqlite3.SQLITE_READONLY}


def refusal(error: BaseException) -> ApiError | None:
    """The answer to a request that met `error`; None for a fault of another kind."""
    if isinstance(error, OSError) and error.errno in UNWRITABLE:
        return _full()
    # The low byte is the kind, the rest a detail of it.
    kind = getattr(error, "sqlite_errorcode", 0) & 0xFF
    if kind in _NOT_WRITTEN:
        return _full()
    if kind in _DAMAGED:
        return _unavailable(
            "The database of the workspace is damaged. Stop the local API and start it "
            "again: it will say what to do.",
            "storage_damaged",
        )
    if kind == sqlite3.SQLITE_BUSY:
        return _unavailable(
            "Another program has locked the database of the workspace. Close it, and "
            "send the request again.",
            "storage_locked",
        )
    return None


def _full() -> ApiError:
    return ApiError(
        507,
        "The workspace's disk is full or cannot be written, so nothing was stored. "
        "Make room and send the request again; finished jobs and their models are not "
        "harmed.",
        type="server_error",
        code="insufficient_storage",
        headers={"x-should-retry": "false"},
    )


def _unavailable(message: str, code: str) -> ApiError:
    return ApiError(
        503,
        message,
        type="server_error",
        code=code,
        headers={"x-should-retry": "false"},
    )
