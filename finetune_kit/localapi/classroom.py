"""`/class`: the instructor's page. It shows, and changes nothing.

It is there only where the server was given an instructor's key. The key is typed into
a form and becomes a session of this server's memory; it never stands in an address.
All links are relative, so that a proxy may serve the page under any path.
"""

import hashlib
import hmac
import secrets
import time
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import anyio.to_thread
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.templating import Jinja2Templates

from finetune_kit.localapi import class_view
from finetune_kit.localapi.kit import Kit, Settings, kit_of

SESSION = 12 * 3600  # seconds
REFRESH = 10  # seconds
_COOKIE = "finetune-kit-class"
_HERE = "?"  # as an address: this page, whatever path a proxy gives it
_TEMPLATES = Path(__file__).with_name("templates")
_HEADERS = {
    "cache-control": "no-store",
    "content-security-policy": "default-src 'none'; style-src 'unsafe-inline'; "
    "form-action 'self'; frame-ancestors 'self'; base-uri 'none'",
    # Not no-referrer: with it, browsers say `Origin: null` when they send a form.
    "referrer-policy": "same-origin",
    "x-content-type-options": "nosniff",
}


class Sessions:
    """Who is signed in, by a digest of the cookie; forgotten when the server ends."""

    def __init__(self) -> None:
        self._until: dict[str, float] = {}  # digest -> monotonic seconds

    def open(self) -> str:
        now = time.monotonic()
        self._until = {key: end for key, end in self._until.items() if end > now}
        cookie = secrets.token_urlsafe(32)
        self._until[_digest(cookie)] = now + SESSION
        return cookie

    def holds(self, cookie: str) -> bool:
        return self._until.get(_digest(cookie), 0) > time.monotonic()

    def close(self, cookie: str) -> None:
        self._until.pop(_digest(cookie), None)


def _digest(cookie: str) -> str:
    return hashlib.sha256(cookie.encode()).hexdigest()


async def show(request: Request) -> Response:
    """The page, or the form to sign in."""
    if not _sessions(request).holds(request.cookies.get(_COOKIE, "")):
        return _form(request, wrong=False)
    kit, refreshes = kit_of(request), request.query_params.get("refresh") != "off"
    traffic = class_view.Traffic.of(kit)
    seen = await anyio.to_thread.run_sync(class_view.build, kit, traffic)
    shown = {"seen": seen, "refresh": REFRESH if refreshes else None}
    return _templates().TemplateResponse(request, "class.html", shown, headers=_HEADERS)


async def act(request: Request) -> Response:
    """Sign in with `key`, or out with `leave`."""
    async with request.form() as form:
        key, leaves = form.get("key"), "leave" in form
    if leaves:
        _sessions(request).close(request.cookies.get(_COOKIE, ""))
        reply: Response = RedirectResponse(_HERE, 303, _HEADERS)
        reply.delete_cookie(_COOKIE, path=None)  # type: ignore[arg-type]
        return reply
    if not _is_instructors(kit_of(request), key if isinstance(key, str) else ""):
        return _form(request, wrong=True)
    reply = RedirectResponse(_HERE, 303, _HEADERS)
    reply.set_cookie(
        _COOKIE,
        _sessions(request).open(),
        max_age=SESSION,
        path=None,  # that of the page, so that a proxy's other pages do not get it
        httponly=True,
        samesite="strict",
        secure=request.url.scheme == "https",
    )
    return reply


def _form(request: Request, *, wrong: bool) -> Response:
    return _templates().TemplateResponse(
        request,
        "sign_in.html",
        {"wrong": wrong},
        status_code=403 if wrong else 200,
        headers=_HEADERS,
    )


def _is_instructors(kit: Kit, key: str) -> bool:
    expected = kit.settings.instructor_key
    return hmac.compare_digest(key.strip().encode(), expected.encode())


def _sessions(request: Request) -> Sessions:
    sessions: Sessions = request.app.state.class_sessions
    return sessions


@cache
def _templates() -> Jinja2Templates:
    return Jinja2Templates(directory=_TEMPLATES)


def routes(settings: Settings) -> Sequence[Route]:
    if not settings.instructor_key:
        return ()
    return (
        Route("/class", show, methods=["GET"]),
        Route("/class", act, methods=["POST"]),
    )
