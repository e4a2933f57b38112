"""The ASGI application: routes, errors, and what starts and stops with it."""

import asyncio
import logging
import sqlite3
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from starlette.applications import Starlette
from starlette.exceptions import HTTPException
from starlette.middleware import Middleware
from starlette.requests import Request
from starlette.responses import JSONResponse

from finetune_kit.localapi import (
    admin,
    chat,
    checkpoints,
    classroom,
    completions,
    errors,
    events,
    faults,
    files,
    fine_tunes,
    graders,
    jobs,
    limits,
    model_limits,
    models,
    moderations,
    permissions,
    responses,
    storage,
    stored_completions,
    uploads,
    webhooks,
)
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.front import Front
from finetune_kit.localapi.kit import Kit

log = logging.getLogger(__name__)


def create(kit: Kit) -> Starlette:
    """The application around `kit`; its lifespan runs the job thread."""

    @asynccontextmanager
    async def lifespan(app: Starlette) -> AsyncIterator[None]:
        kit.lifecycle.start()
        kit.deliveries.start()
        starting = asyncio.create_task(kit.answers.start())
        threading.Thread(target=_warm_up, daemon=True).start()
        yield
        starting.cancel()
        await kit.answers.close()
        kit.lifecycle.close()
        kit.deliveries.close()

    app = Starlette(
        routes=[
            *files.routes,
            *uploads.routes,
            *jobs.routes,
            *events.routes,
            *checkpoints.routes,
            *permissions.routes,
            *graders.routes,
            *fine_tunes.routes,
            *model_limits.routes,
            *models.routes,
            *chat.routes,
            *stored_completions.routes,
            *completions.routes,
            *moderations.routes,
            *responses.routes,
            *webhooks.routes,
            *faults.routes,
            *limits.routes,
            *classroom.routes(kit.settings),
            *admin.routes,
        ],
        middleware=[Middleware(Front, kit=kit)],
        exception_handlers={
            ApiError: _api_error,
            HTTPException: _http_error,
            OSError: _storage_error,
            sqlite3.Error: _storage_error,
        },
        lifespan=lifespan,
    )
    app.router.redirect_slashes = False
    app.state.kit, app.state.class_sessions = kit, classroom.Sessions()
    return app


def _api_error(request: Request, error: Exception) -> JSONResponse:
    assert isinstance(error, ApiError)
    return _refused(request, error)


def _http_error(request: Request, error: Exception) -> JSONResponse:
    """Starlette's own refusals (no route, wrong method, bad form) in our envelope."""
    assert isinstance(error, HTTPException)
    method, path = request.method, request.url.path
    if error.status_code == 404:
        return _refused(request, errors.unknown_url(method, path))
    if error.status_code == 405:
        allow = (error.headers or {}).get("Allow", "")
        return _refused(request, errors.wrong_method(method, path, allow))
    return _refused(request, ApiError(error.status_code, error.detail))


def _storage_error(request: Request, error: Exception) -> JSONResponse:
    refusal = storage.refusal(error)
    if refusal is None:
        raise error
    log.error("request %s: %s", request.state.request_id, error)
    return _refused(request, refusal)


def _refused(request: Request, error: ApiError) -> JSONResponse:
    request.state.refusal = error.message  # the front door notes it
    return error.response()


def _warm_up() -> None:
    """Load what the first requests need (the SDK's types alone take 0.3 s)."""
    jobs.parameters()
    chat.warm_up()
    completions.parameters()
