"""`/v1/models`: the catalog's bases, our own `tinygpt`, and the caller's models."""

from dataclasses import dataclass
from pathlib import Path
from sqlite3 import Connection, Row
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit import catalog
from finetune_kit.localapi import housekeeping, keys
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import Kit, kit_of
from finetune_kit.localapi.weights import of_base

ENGINE = "tinygpt"


@dataclass(frozen=True)
class Served:
    """A model that can answer or be tuned further.

    `weights` is None for the shipped weights; `base` is the catalog's name behind
    it; `name` is what the service calls it (an alias becomes its snapshot).
    """

    weights: Path | None
    base: str
    name: str


def find(kit: Kit, owner: str, name: str) -> Served | None:
    """The model that `owner` may use under `name`: a base, an alias, an `ft:` model
    or one of its checkpoints."""
    if base := catalog.base(name):
        return Served(of_base(base.name), base.name, base.name)
    row = _own(kit, owner, name)
    if row is None:
        return None
    return Served(kit.home.models / row["weights"], row["base"], name)


def resolve(kit: Kit, owner: str, name: str) -> Served:
    """As `find`, for inference; ApiError 404 `model_not_found` for anything else."""
    served = find(kit, owner, name)
    if served is None:
        raise ApiError(
            404,
            f"The model `{name}` does not exist or you do not have access to it.",
            param="model",
            code="model_not_found",
        )
    return served


def fingerprint(ready: dict[str, Any]) -> str:
    """`system_fingerprint`: says that no model of OpenAI answered. `ready` is the
    answer process's first line."""
    return f"fp_{ENGINE}_{ready['weights_sha256'][:8]}"


def record(
    db: Connection,
    *,
    name: str,
    owner: str,
    created_at: int,
    base: str,
    weights: str,
    is_checkpoint: bool,
) -> None:
    """Make a tuned model known; `weights` is relative to the folder of models."""
    db.execute(
        "INSERT INTO models (name, owner, created_at, base, weights, is_checkpoint)"
        " VALUES (?, ?, ?, ?, ?, ?)",
        (name, owner, created_at, base, weights, is_checkpoint),
    )


async def list_models(request: Request) -> JSONResponse:
    """Tuned models newest first, then the bases in the catalog's order."""
    kit = kit_of(request)
    rows = kit.store.all(
        "SELECT * FROM models WHERE owner = ? ORDER BY seq DESC", keys.owner(request)
    )
    data = [_tuned_object(row) for row in rows]
    data += [_base_object(base) for base in catalog.bases()]
    return JSONResponse({"object": "list", "data": data})


async def retrieve_model(request: Request) -> JSONResponse:
    name = request.path_params["model"]
    if base := catalog.base(name):
        return JSONResponse(_base_object(base) | {"id": name})
    return JSONResponse(_tuned_object(_own_or_404(request, name)))


async def delete_model(request: Request) -> JSONResponse:
    """Removes one of the caller's models; the weights go with it."""
    kit, name = kit_of(request), request.path_params["model"]
    if catalog.base(name):
        raise ApiError(
            403,
            f"You have insufficient permissions for this operation. The model '{name}' "
            "is a base model; only your own fine-tuned models can be deleted.",
            param="model",
        )
    row = _own_or_404(request, name)
    with kit.store.transaction() as db:
        db.execute("DELETE FROM models WHERE name = ?", (name,))
    housekeeping.remove(kit.home.models / row["weights"])
    return JSONResponse({"id": name, "object": "model", "deleted": True})


def _own(kit: Kit, owner: str, name: str) -> Row | None:
    return kit.store.one(
        "SELECT * FROM models WHERE owner = ? AND name = ?", owner, name
    )


def _own_or_404(request: Request, name: str) -> Row:
    row = _own(kit_of(request), keys.owner(request), name)
    if row is None:
        raise ApiError(
            404,
            f"The model '{name}' does not exist",
            param="model",
            code="model_not_found",
        )
    return row


def _tuned_object(row: Row) -> dict[str, Any]:
    base = catalog.base(row["base"])
    return {
        "id": row["name"],
        "object": "model",
        "created": row["created_at"],
        "owned_by": keys.ORGANIZATION,
        "shutdown_date": _date(base),
    }


def _base_object(base: catalog.Base) -> dict[str, Any]:
    """`owned_by` says who really answers under this name."""
    return {
        "id": base.name,
        "object": "model",
        "created": base.created,
        "owned_by": "finetune-kit",
        "shutdown_date": _date(base),
    }


def _date(base: catalog.Base | None) -> str | None:
    return base.shutdown_date.isoformat() if base and base.shutdown_date else None


routes = [
    Route("/v1/models", list_models, methods=["GET"]),
    Route("/v1/models/{model:path}", retrieve_model, methods=["GET"]),
    Route("/v1/models/{model:path}", delete_model, methods=["DELETE"]),
]
