"""`/v1/chat/completions/{id}`: chats that were asked to be kept (`store: true`)."""

import json
from sqlite3 import Row
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import job_rules, keys, requests
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.paging import ascending, metadata_filter, page

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100
# The messages of one chat as rows: json_each numbers them from 0.
_MESSAGES = (
    "(SELECT key AS seq, ? || '-' || key AS id, value AS message FROM json_each(?))"
)


@requests.from_sdk
def update_parameters() -> Any:
    from openai.types.chat.completion_update_params import CompletionUpdateParams

    return CompletionUpdateParams


def keep(
    kit: Kit, owner: str, params: dict[str, Any], document: dict[str, Any]
) -> None:
    """Keep an answer (`document`, as it was sent whole) with what was asked."""
    metadata = params.get("metadata")
    with kit.store.transaction() as db:
        db.execute(
            "INSERT INTO stored_completions"
            " (id, owner, created_at, model, metadata, messages, document)"
            " VALUES (?, ?, ?, ?, ?, ?, ?)",
            (
                document["id"],
                owner,
                document["created"],
                document["model"],
                json.dumps(metadata) if metadata else None,
                json.dumps(params["messages"]),
                json.dumps(document),
            ),
        )


async def list_completions(request: Request) -> JSONResponse:
    """Oldest first, unless asked otherwise."""
    where, values = metadata_filter(request, "stored_completions")
    if name := request.query_params.get("model"):
        base = catalog.base(name)
        where += " AND model = ?"
        values = (*values, base.name if base else name)
    completions = page(
        request,
        table="stored_completions",
        where=f"owner = ?{where}",
        values=(keys.owner(request), *values),
        shown=_shown,
        default_limit=_DEFAULT_LIMIT,
        max_limit=_MAX_LIMIT,
        ascending=ascending(request, default="asc"),
    )
    return JSONResponse(completions.reply_with_ids())


async def retrieve_completion(request: Request) -> JSONResponse:
    return JSONResponse(_shown(_own_or_404(request)))


async def update_completion(request: Request) -> JSONResponse:
    """Replace the metadata: all of it."""
    found = _own_or_404(request)
    schema = await anyio.to_thread.run_sync(update_parameters)
    metadata = (await requests.body(request, schema))["metadata"]
    if metadata:
        job_rules.refuse_metadata(metadata)
    with kit_of(request).store.transaction() as db:
        db.execute(
            "UPDATE stored_completions SET metadata = ? WHERE id = ?",
            (json.dumps(metadata) if metadata else None, found["id"]),
        )
    return JSONResponse(_shown(_own_or_404(request)))


async def delete_completion(request: Request) -> JSONResponse:
    completion_id = _own_or_404(request)["id"]
    with kit_of(request).store.transaction() as db:
        db.execute("DELETE FROM stored_completions WHERE id = ?", (completion_id,))
    return JSONResponse(
        {"object": "chat.completion.deleted", "id": completion_id, "deleted": True}
    )


async def list_messages(request: Request) -> JSONResponse:
    """What was asked, in the order in which it was said."""
    found = _own_or_404(request)
    messages = page(
        request,
        table=_MESSAGES,
        where="1",
        values=(found["id"], found["messages"]),
        shown=_message,
        default_limit=_DEFAULT_LIMIT,
        max_limit=_MAX_LIMIT,
        ascending=ascending(request, default="asc"),
    )
    return JSONResponse(messages.reply_with_ids())


def _own_or_404(request: Request) -> Row:
    wanted = request.path_params["completion_id"]
    row = kit_of(request).store.one(
        "SELECT * FROM stored_completions WHERE owner = ? AND id = ?",
        keys.owner(request),
        wanted,
    )
    if row is None:
        raise ApiError(
            404,
            f"Chat completion with id {wanted} not found. Only those are kept that "
            "were created with 'store': true.",
            param="completion_id",
        )
    return row


def _shown(row: Row) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(row["document"])
    metadata = json.loads(row["metadata"]) if row["metadata"] else {}
    return document | {"metadata": metadata}


def _message(row: Row) -> dict[str, Any]:
    message = json.loads(row["message"])
    content = message.get("content")
    parts = content if isinstance(content, list) else None
    return {
        "id": row["id"],
        "role": message["role"],
        "content": None if parts else content,
        "content_parts": parts,
        "name": message.get("name"),
    }


_ONE = "/v1/chat/completions/{completion_id}"
routes = [
    Route("/v1/chat/completions", list_completions, methods=["GET"]),
    Route(_ONE, retrieve_completion, methods=["GET"]),
    Route(_ONE, update_completion, methods=["POST"]),
    Route(_ONE, delete_completion, methods=["DELETE"]),
    Route(f"{_ONE}/messages", list_messages, methods=["GET"]),
]
