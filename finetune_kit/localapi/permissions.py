"""`/v1/fine_tuning/checkpoints/{model}/permissions`: with which projects a tuned model
is shared.

Permissions are kept and shown, and open nothing: a key is a user here, and there are no
projects. The service wants an admin key for these calls; here any key may share what is
its own.
"""

from sqlite3 import Row
from typing import Any

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import JSONResponse
from starlette.routing import Route

from finetune_kit.localapi import keys, models
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.kit import kit_of
from finetune_kit.localapi.paging import ascending, page
from finetune_kit.localapi.requests import (
    array_length_in,
    body,
    from_sdk,
    string_length_in,
)

_DEFAULT_LIMIT, _MAX_LIMIT = 10, 100
_MOST_PROJECTS = 100  # in one request: ours
_OBJECT = "checkpoint.permission"


@from_sdk
def parameters() -> Any:
    """The SDK's type of the request (late: importing it takes 0.3 s)."""
    from openai.types.fine_tuning.checkpoints import PermissionCreateParams

    return PermissionCreateParams


async def create_permissions(request: Request) -> JSONResponse:
    """A permission for each project; one that has it already keeps the one it has."""
    kit, owner, model = kit_of(request), keys.owner(request), _own_model(request)
    schema = await anyio.to_thread.run_sync(parameters)
    projects = list((await body(request, schema))["project_ids"])
    _refuse_projects(projects)
    now = kit.clock.now()
    with kit.store.transaction() as db:
        for project in projects:
            db.execute(
                "INSERT OR IGNORE INTO checkpoint_permissions"
                " (id, owner, model, project_id, created_at) VALUES (?, ?, ?, ?, ?)",
                (kit.ids.new("cp_"), owner, model, project, now),
            )
    granted = [
        _shown(row)
        for row in kit.store.all(
            "SELECT * FROM checkpoint_permissions WHERE model = ? ORDER BY seq DESC",
            model,
        )
        if row["project_id"] in projects
    ]
    reply = {"object": "list", "data": granted, "has_more": False}
    return JSONResponse(
        reply | {"first_id": granted[0]["id"], "last_id": granted[-1]["id"]}
    )


async def list_permissions(request: Request) -> JSONResponse:
    """Newest first, unless asked otherwise; of one project, if it is named."""
    where, values = "model = ?", [_own_model(request)]
    if project := request.query_params.get("project_id"):
        where += " AND project_id = ?"
        values.append(project)
    permissions = page(
        request,
        table="checkpoint_permissions",
        where=where,
        values=tuple(values),
        shown=_shown,
        default_limit=_DEFAULT_LIMIT,
        max_limit=_MAX_LIMIT,
        ascending=ascending(request, "descending", ("ascending", "descending")),
    )
    return JSONResponse(permissions.reply_with_ids())


async def delete_permission(request: Request) -> JSONResponse:
    model, wanted = _own_model(request), request.path_params["permission_id"]
    with kit_of(request).store.transaction() as db:
        gone = db.execute(
            "DELETE FROM checkpoint_permissions WHERE model = ? AND id = ?",
            (model, wanted),
        ).rowcount
    if not gone:
        raise ApiError(
            404,
            f"No permission '{wanted}' for this model. List those that there are: "
            "client.fine_tuning.checkpoints.permissions.list(model).",
            param="permission_id",
        )
    return JSONResponse({"id": wanted, "object": _OBJECT, "deleted": True})


def _own_model(request: Request) -> str:
    """The name of one of the caller's tuned models, or checkpoints of them."""
    name: str = request.path_params["model"]
    found = models.find(kit_of(request), keys.owner(request), name)
    if found is None or found.weights is None:
        raise ApiError(
            404,
            f"Fine-tuned model checkpoint '{name}' not found. Permissions belong to "
            "your own tuned models: job.fine_tuned_model, or a checkpoint's "
            "fine_tuned_model_checkpoint.",
            param="fine_tuned_model_checkpoint",
            code="model_not_found",
        )
    return name


def _refuse_projects(projects: list[str]) -> None:
    array_length_in(projects, "project_ids", 1, _MOST_PROJECTS)
    for index, project in enumerate(projects):
        string_length_in(project, f"project_ids[{index}]", 1, 128)


def _shown(row: Row) -> dict[str, Any]:
    return {
        "object": _OBJECT,
        "id": row["id"],
        "created_at": row["created_at"],
        "project_id": row["project_id"],
    }


_ALL = "/v1/fine_tuning/checkpoints/{model:path}/permissions"
routes = [
    Route(_ALL, create_permissions, methods=["POST"]),
    Route(_ALL, list_permissions, methods=["GET"]),
    Route(f"{_ALL}/{{permission_id}}", delete_permission, methods=["DELETE"]),
]
