"""The front door: what every request passes, before and after its handler.

Plain ASGI, since Starlette's BaseHTTPMiddleware costs a task per request.
"""

import base64
import logging
import time
from collections.abc import Mapping
from urllib.parse import quote

from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from finetune_kit.localapi import errors, keys, limits
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.hosts import Hosts, is_here
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.requests import JSON_LIMIT

UPLOAD_LIMIT = 512 * 2**20  # bytes of a file (contract 1.1)
_FORM_OVERHEAD = 2**16  # boundaries and part headers around the file
_PROTECTED = ("/v1/", "/_kit/")

log = logging.getLogger(__name__)


class Front:
    """Checks host, key and the body's size, and signs every reply with headers."""

    def __init__(self, app: ASGIApp, kit: Kit) -> None:
        self.app = app
        self.kit = kit
        self.hosts = Hosts(kit.settings.host, kit.settings.allowed_hosts)
        self.signature = [
            (b"openai-organization", keys.ORGANIZATION.encode()),
            (b"openai-version", b"2020-10-01"),
            (b"x-finetune-kit-engine", f"tinygpt {kit.package_version}".encode()),
        ]

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        started = time.perf_counter()
        self.kit.latest_request = time.monotonic()
        scope["path"] = scope["path"].rstrip("/") or "/"
        state = scope.setdefault("state", {})
        state["request_id"] = self.kit.ids.new("req_")
        answered = False

        async def signed_send(message: Message) -> None:
            nonlocal answered
            if message["type"] == "http.response.start":
                if message["status"] >= 400:
                    self._note_refusal(scope, message["status"])
                answered = True
                elapsed = round((time.perf_counter() - started) * 1000)
                owner = state.get("owner")
                limited = self.kit.limits.headers(owner) if owner else {}
                message["headers"] = [
                    *message.get("headers", ()),
                    (b"x-request-id", state["request_id"].encode()),
                    (b"openai-processing-ms", str(elapsed).encode()),
                    *self.signature,
                    *(
                        (name.encode(), value.encode())
                        for name, value in limited.items()
                    ),
                ]
            await send(message)

        # Read once into a dictionary: a tenth of the time that `Headers` would take.
        headers = {
            name.decode("latin-1"): value.decode("latin-1")
            for name, value in scope["headers"]
        }
        try:
            self.hosts.refuse_foreign(headers)
            if scope["path"].startswith(_PROTECTED):
                state["owner"] = self._owner(headers, scope)
            bounded = _Bounded(headers, receive, is_known="owner" in state)
            await bounded.refuse_if_announced()
            if scope["path"].startswith("/v1/"):
                self.kit.presence.note(state["owner"], headers)
                self._charge(state["owner"], scope["path"], bounded.announced)
            await self.app(scope, bounded, signed_send)
        except ApiError as error:
            state["refusal"] = error.message
            await error.response()(scope, receive, signed_send)
        except ClientDisconnect:
            pass  # nobody reads an answer
        except Exception:
            log.error("request %s failed", state["request_id"])
            if not answered:
                unexpected = errors.unexpected(state["request_id"])
                state["refusal"] = unexpected.message
                await unexpected.response()(scope, receive, signed_send)
            raise  # the server logs the traceback

    def _charge(self, owner: str, path: str, content_length: int) -> None:
        """Raises the ApiError of a limit that is reached, or of a lesson."""
        self.kit.limits.take(owner, "requests", 1)
        tokens = limits.estimated_tokens(path, content_length)
        self.kit.limits.take(owner, "tokens", tokens)
        self.kit.faults.strike(owner, path)

    def _owner(self, headers: Mapping[str, str], scope: Scope) -> str:
        key = _bearer(headers.get("authorization", ""))
        owner = self.kit.keys.owner_of(key) if key else None
        if owner is not None:
            return owner
        self.kit.presence.note_stranger(str((scope.get("client") or ("",))[0]))
        # Other computers need not know where this one keeps its files.
        key_file = str(self.kit.home.key) if is_here(scope) else None
        if not key:
            raise errors.missing_key(key_file)
        raise errors.wrong_key(quote(key, safe="-_.~*"), key_file)

    def _note_refusal(self, scope: Scope, status: int) -> None:
        state = scope["state"]
        if "owner" in state and scope["path"].startswith("/v1/"):
            call = f"{scope['method']} {scope['path']}"
            said = state.get("refusal", "")
            self.kit.presence.note_refusal(state["owner"], call, status, said)


class _Bounded:
    """`receive` that refuses a body beyond the limit of its kind.

    The rest of a refused body is read and dropped: a client that is still sending
    would otherwise see a broken connection instead of the answer.
    """

    def __init__(
        self, headers: Mapping[str, str], receive: Receive, *, is_known: bool
    ) -> None:
        kind = headers.get("content-type", "").lower()
        form = kind.startswith("multipart/form-data")
        self.limit = UPLOAD_LIMIT if form else JSON_LIMIT
        if not is_known:  # a key in a form
            self.limit = _FORM_OVERHEAD
        self._slack = _FORM_OVERHEAD if form else 0
        length = headers.get("content-length", "")
        self.announced = int(length) if length.isdigit() else 0
        self._receive = receive
        self._seen = 0

    async def refuse_if_announced(self) -> None:
        if self.announced > self.limit + self._slack:
            await self._refuse({"more_body": True})

    async def __call__(self) -> Message:
        message = await self._receive()
        self._seen += len(message.get("body", b""))
        if self._seen > self.limit + self._slack:
            await self._refuse(message)
        return message

    async def _refuse(self, message: Message) -> None:
        while message.get("more_body"):
            message = await self._receive()
        raise errors.too_large(self.limit)


def _bearer(authorization: str) -> str:
    """The key in an Authorization header: Bearer, or Basic's password."""
    scheme, _, value = authorization.partition(" ")
    if scheme.lower() == "basic":
        try:
            decoded = base64.b64decode(value, validate=True).decode("utf-8")
        except ValueError:  # not base64, or not UTF-8 in it
            return ""
        return decoded.partition(":")[2]
    return value.strip() if scheme.lower() == "bearer" else ""
