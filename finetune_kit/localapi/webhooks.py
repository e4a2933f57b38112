"""`/v1/webhook_endpoints`: who is told when a job ends (`client.webhooks`).

Each key has its own endpoints. They lie on this computer, unless the server was
started with `--webhooks-anywhere`.
"""

import base64
import ipaddress
import json
import secrets
import time
from sqlite3 import Row
from typing import Any, Literal, NotRequired
from urllib.parse import urlsplit

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route
from typing_extensions import TypedDict

from finetune_kit.localapi import deliveries, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.paging import page
from finetune_kit.localapi.requests import body, string_length_in

_OLD_SECRET_LIFETIME = 24 * 3600  # seconds

EventType = Literal[
    "fine_tuning.job.succeeded", "fine_tuning.job.failed", "fine_tuning.job.cancelled"
]


# The SDK has types of these since 3.x only, and they allow events that never happen
# here.
class CreateParams(TypedDict):
    name: str
    url: str
    event_types: list[EventType]


class UpdateParams(TypedDict):
    name: NotRequired[str]
    url: NotRequired[str]
    event_types: NotRequired[list[EventType]]


class RotateParams(TypedDict):
    keep_old_secret_active_for_24_hours: NotRequired[bool]


class TestParams(TypedDict):
    event_type: EventType


async def create_endpoint(request: Request) -> JSONResponse:
    """The only answer, besides that of a rotation, which shows the secret."""
    document = await body(request, CreateParams)
    _refuse_values(request, document)
    kit, now = kit_of(request), kit_of(request).clock.now()
    endpoint_id, secret = kit.ids.new("we_"), _new_secret()
    with kit.store.transaction() as db:
        db.execute(
            "INSERT INTO webhook_endpoints"
            " (id, owner, created_at, updated_at, name, url, event_types, secret)"
            " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
            (
                endpoint_id,
                keys.owner(request),
                now,
                now,
                document["name"],
                document["url"],
                json.dumps(document["event_types"]),
                secret,
            ),
        )
    shown = _shown(_own_or_404(request, endpoint_id))
    return JSONResponse(shown | {"signing_secret": secret})


async def list_endpoints(request: Request) -> JSONResponse:
    endpoints = page(
        request,
        table="webhook_endpoints",
        where="owner = ?",
        values=(keys.owner(request),),
        shown=_shown,
        default_limit=20,
        max_limit=100,
    )
    return JSONResponse(endpoints.reply_with_ids())


async def retrieve_endpoint(request: Request) -> JSONResponse:
    return JSONResponse(_shown(_own_or_404(request)))


async def update_endpoint(request: Request) -> JSONResponse:
    endpoint = _own_or_404(request)
    document = await body(request, UpdateParams)
    _refuse_values(request, document)
    if "event_types" in document:
        document["event_types"] = json.dumps(document["event_types"])
    changes = {key: document[key] for key in document if document[key] != endpoint[key]}
    if changes:
        _change(request, endpoint, changes)
    return JSONResponse(_shown(_own_or_404(request)))


async def delete_endpoint(request: Request) -> JSONResponse:
    """What is on its way to it is not sent any more."""
    endpoint_id = _own_or_404(request)["id"]
    with kit_of(request).store.transaction() as db:
        db.execute("DELETE FROM webhook_endpoints WHERE id = ?", (endpoint_id,))
    return JSONResponse(
        {"id": endpoint_id, "object": "webhook_endpoint.deleted", "deleted": True}
    )


async def rotate_secret(request: Request) -> JSONResponse:
    endpoint = _own_or_404(request)
    document = await body(request, RotateParams) if await request.body() else {}
    secret, keep = _new_secret(), document.get("keep_old_secret_active_for_24_hours")
    changes = {
        "secret": secret,
        "old_secret": endpoint["secret"] if keep else None,
        "old_secret_until": int(time.time()) + _OLD_SECRET_LIFETIME if keep else None,
    }
    _change(request, endpoint, changes)
    shown = _shown(_own_or_404(request))
    return JSONResponse(shown | {"signing_secret": secret})


async def test_endpoint(request: Request) -> JSONResponse:
    """Send a sample now; whatever the receiver answers is the result."""
    kit, endpoint = kit_of(request), _own_or_404(request)
    event_type = (await body(request, TestParams))["event_type"]
    event = deliveries.new_event(kit, event_type, "ftjob-sample", kit.clock.now())
    try:
        status = await anyio.to_thread.run_sync(
            deliveries.send, endpoint, event["id"], json.dumps(event)
        )
    except deliveries.NotReachedError as error:
        raise ApiError(
            400,
            f"No answer from {endpoint['url']}: {error}. Start the receiver, or change "
            "the endpoint's url.",
            param="url",
            code="webhook_not_reached",
        ) from None
    return JSONResponse(
        {
            "object": "webhook_endpoint.test",
            "webhook_endpoint_id": endpoint["id"],
            "event_type": event_type,
            "status_code": status,
            "success": True,
        }
    )


async def list_event_types(request: Request) -> JSONResponse:
    return JSONResponse({"object": "list", "data": list(deliveries.EVENT_TYPES)})


def _new_secret() -> str:
    return f"whsec_{base64.b64encode(secrets.token_bytes(32)).decode()}"


def _change(request: Request, endpoint: Row, changes: dict[str, Any]) -> None:
    kit = kit_of(request)
    changes = changes | {"updated_at": kit.clock.now()}
    columns = ", ".join(f"{name} = ?" for name in changes)
    with kit.store.transaction() as db:
        db.execute(
            f"UPDATE webhook_endpoints SET {columns} WHERE id = ?",
            (*changes.values(), endpoint["id"]),
        )


def _refuse_values(request: Request, document: dict[str, Any]) -> None:
    if "name" in document:
        string_length_in(document["name"], "name", 1, 256)
    if document.get("event_types") == []:
        raise _invalid("event_types", "empty array. Name at least one event type.")
    if "url" in document:
        _refuse_url(document["url"], kit_of(request).settings.webhooks_anywhere)


def _refuse_url(url: str, anywhere: bool) -> None:
    """Only http(s), and only to this computer unless the server allows more."""
    string_length_in(url, "url", 1, 2048)
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError as error:
        raise _invalid("url", f"{error}.") from None
    plain = url.isascii() and url.isprintable() and " " not in url
    if parts.scheme not in ("http", "https") or not host or not plain:
        raise _invalid("url", "expected an address such as http://127.0.0.1:8000/hook.")
    if not anywhere and not _is_loopback(host):
        raise _invalid(
            "url",
            f"'{host}' is another computer, and this local API sends nothing out. Use "
            "an address on 127.0.0.1, or start the server with --webhooks-anywhere.",
        )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _invalid(name: str, why: str) -> ApiError:
    return ApiError(400, f"Invalid '{name}': {why}", param=name, code="invalid_value")


def _own_or_404(request: Request, endpoint_id: str = "") -> Row:
    wanted = endpoint_id or request.path_params["endpoint_id"]
    row = kit_of(request).store.one(
        "SELECT * FROM webhook_endpoints WHERE owner = ? AND id = ?",
        keys.owner(request),
        wanted,
    )
    if row is None:
        raise ApiError(404, f"No such webhook endpoint: {wanted}", param="id")
    return row


def _shown(endpoint: Row) -> dict[str, Any]:
    return {
        "object": "webhook_endpoint",
        "id": endpoint["id"],
        "name": endpoint["name"],
        "url": endpoint["url"],
        "event_types": json.loads(endpoint["event_types"]),
        "created_at": endpoint["created_at"],
        "updated_at": endpoint["updated_at"],
        "signing_secret_hint": f"whsec_...{endpoint['secret'][-4:]}",
    }


_ONE = "/v1/webhook_endpoints/{endpoint_id}"
routes = [
    Route("/v1/webhook_event_types", list_event_types, methods=["GET"]),
    Route("/v1/webhook_endpoints", create_endpoint, methods=["POST"]),
    Route("/v1/webhook_endpoints", list_endpoints, methods=["GET"]),
    Route(_ONE, retrieve_endpoint, methods=["GET"]),
    Route(_ONE, update_endpoint, methods=["POST"]),
    Route(_ONE, delete_endpoint, methods=["DELETE"]),
    Route(f"{_ONE}/rotate_secret", rotate_secret, methods=["POST"]),
    Route(f"{_ONE}/test", test_endpoint, methods=["POST"]),
]
