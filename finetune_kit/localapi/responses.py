"""`/v1/responses`: text in, text out, kept and gone on from, whole or as events."""

import asyncio
import json
from collections.abc import Callable, Mapping, Sequence
from sqlite3 import Row
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from finetune_kit.localapi import (
    chat,
    keys,
    requests,
    response_form,
    response_stream,
    streaming,
    usage,
)
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.paging import ascending, page
from finetune_kit.localapi.response_form import Item

_DEFAULT_LIMIT, _MAX_LIMIT = 20, 100
_LONGEST_CHAIN = 100  # responses before one: more than any context holds
# The items of one response as rows: json_each numbers them from 0.
_ITEMS = (
    "(SELECT key AS seq, json_extract(value, '$.id') AS id, value AS item"
    " FROM json_each(?))"
)


async def create_response(request: Request) -> Response:
    """One answer, as one object or as server-sent events."""
    kit, owner = kit_of(request), keys.owner(request)
    params = await _checked(request, response_form.parameters)
    served = chat.chat_model(kit, owner, params["model"])
    id = kit.ids.new("resp_")
    asked = response_stream.Asked(
        kit=kit,
        owner=owner,
        params=params,
        served=served,
        id=id,
        before=_before(kit, owner, params.get("previous_response_id")),
        items=response_form.items(params["input"], kit.ids, id),
    )
    if params.get("stream"):
        return await response_stream.stream(asked)
    return await streaming.unless_gone(request, response_stream.whole(asked))


async def retrieve_response(request: Request) -> JSONResponse:
    if request.query_params.get("stream", "false").lower() == "true":
        raise ApiError(
            400,
            "Only responses made in the background can be streamed again, and there "
            "are none here. Leave 'stream' out.",
            param="stream",
            code="unsupported_value",
        )
    return JSONResponse(json.loads(_own_or_404(request)["document"]))


async def delete_response(request: Request) -> JSONResponse:
    id = _own_or_404(request)["id"]
    with kit_of(request).store.transaction() as db:
        db.execute("DELETE FROM responses WHERE id = ?", (id,))
    return JSONResponse({"id": id, "object": "response", "deleted": True})


async def cancel_response(request: Request) -> JSONResponse:
    """Always an error: what is kept has ended, and nothing runs in the background."""
    _own_or_404(request)
    raise ApiError(
        400,
        "Cannot cancel a response that has ended. Only a response in the background "
        "can be cancelled, and there are none here; to stop one under way, close its "
        "stream.",
        param="response_id",
    )


async def list_input_items(request: Request) -> JSONResponse:
    """What was asked in this request; the newest first, unless asked otherwise."""
    found = _own_or_404(request)
    items = page(
        request,
        table=_ITEMS,
        where="1",
        values=(found["items"],),
        shown=lambda row: json.loads(row["item"]),
        default_limit=_DEFAULT_LIMIT,
        max_limit=_MAX_LIMIT,
        ascending=ascending(request, default="desc"),
    )
    return JSONResponse(items.reply_with_ids())


async def count_input_tokens(request: Request) -> JSONResponse:
    """Tokens of what would be asked, in the encoding of the named model."""
    kit, owner = kit_of(request), keys.owner(request)
    params = await _checked(request, response_form.count_parameters)
    served = chat.chat_model(kit, owner, params["model"])
    items = response_form.items(params["input"], kit.ids, "count")
    before = _before(kit, owner, params.get("previous_response_id"))
    told = response_stream.messages(params, [*before, *items])
    prompt = {"messages": told, "tools": params.get("tools")}
    tokens = await usage.of_prompt(prompt, served.base)
    return JSONResponse({"object": "response.input_tokens", "input_tokens": tokens})


async def compact_response(request: Request) -> JSONResponse:
    raise ApiError(
        400,
        "The local API compacts no conversations: that takes a model that summarises. "
        "Use 'truncation': 'auto' in client.responses.create, or a shorter input.",
        code="unsupported_value",
    )


async def _checked(request: Request, schema: Callable[[], Any]) -> dict[str, Any]:
    params = await requests.json_object(request)
    response_form.refuse_foreign(params)
    requests.check(params, await asyncio.to_thread(schema))
    response_form.check(params)
    return params


def _before(kit: Kit, owner: str, previous: str | None) -> list[Item]:
    """What was said up to the end of the response `previous`, the oldest first."""
    turns: list[Sequence[Item]] = []
    while previous and len(turns) < _LONGEST_CHAIN:
        row = _own(kit, owner, previous)
        if row is None and turns:
            break  # an earlier response was deleted: its words are forgotten
        if row is None:
            raise ApiError(
                400,
                f"Previous response with id '{previous}' not found. Only those are "
                "kept that were created without 'store': false.",
                param="previous_response_id",
                code="previous_response_not_found",
            )
        document: Mapping[str, Any] = json.loads(row["document"])
        turns.append([*json.loads(row["items"]), *document["output"]])
        previous = document["previous_response_id"]
    return [item for turn in reversed(turns) for item in turn]


def _own(kit: Kit, owner: str, id: str) -> Row | None:
    return kit.store.one(
        "SELECT * FROM responses WHERE owner = ? AND id = ?", owner, id
    )


def _own_or_404(request: Request) -> Row:
    wanted = request.path_params["response_id"]
    row = _own(kit_of(request), keys.owner(request), wanted)
    if row is None:
        raise ApiError(
            404,
            f"Response with id '{wanted}' not found. Only those are kept that were "
            "created without 'store': false.",
            param="response_id",
        )
    return row


_ONE = "/v1/responses/{response_id}"
routes = [
    Route("/v1/responses", create_response, methods=["POST"]),
    Route("/v1/responses/input_tokens", count_input_tokens, methods=["POST"]),
    Route("/v1/responses/compact", compact_response, methods=["POST"]),
    Route(_ONE, retrieve_response, methods=["GET"]),
    Route(_ONE, delete_response, methods=["DELETE"]),
    Route(f"{_ONE}/cancel", cancel_response, methods=["POST"]),
    Route(f"{_ONE}/input_items", list_input_items, methods=["GET"]),
]
