"""Under which names this server may be called: the guard against DNS rebinding.

A web page of an attacker can make its own host name point to 127.0.0.1 and let the
visitor's browser call us. Such a call carries that name in `Host`, and calls from
other pages carry theirs in `Origin`. An address in digits cannot be rebound, so it may
stand in `Host`; a page must come from this computer or from where the call goes.
"""

import ipaddress
import socket
from collections.abc import Iterable, Mapping
from functools import lru_cache
from urllib.parse import urlsplit

from starlette.types import Scope

from finetune_kit.localapi.errors import ApiError


class Hosts:
    """The names by which this computer may be called, when listening on `host`.

    `allowed`: further names, such as that of a hub in front of this server.
    """

    def __init__(self, host: str, allowed: Iterable[str] = ()) -> None:
        named = {_name(name if "//" in name else f"//{name}") for name in allowed}
        self._names = {"localhost", host.lower(), *named} - {""}
        if not is_loopback(host):
            name = socket.gethostname().lower()
            self._names |= {name, f"{name}.local"}

    def refuse_foreign(self, headers: Mapping[str, str]) -> None:
        """ApiError 403 where the request came by a foreign name or page."""
        host, origin = headers.get("host", ""), headers.get("origin")
        called = _name(f"http://{host}")
        if called not in self._names and not _is_address(called):
            raise _refusal("Host", host)
        if origin is not None:
            page = _name(origin)
            if not (page in self._names or page == called or is_loopback(page)):
                raise _refusal("Origin", origin)


@lru_cache(maxsize=64)
def _name(origin: str) -> str:
    """The host's name in an origin; "" for what is none (as `null`)."""
    try:
        return (urlsplit(origin).hostname or "").rstrip(".")
    except ValueError:
        return ""


@lru_cache(maxsize=64)
def _is_address(name: str) -> bool:
    try:
        return bool(ipaddress.ip_address(name))
    except ValueError:
        return False


def is_loopback(name: str) -> bool:
    is_local = _is_address(name) and ipaddress.ip_address(name).is_loopback
    return name == "localhost" or is_local


def is_here(scope: Scope) -> bool:
    """Does the request come from the computer on which this server runs?"""
    caller, called = scope.get("client"), scope.get("server")
    if not caller:
        return False
    return is_loopback(caller[0]) or bool(called and caller[0] == called[0])


def _refusal(header: str, value: str) -> ApiError:
    shown = value if len(value) <= 64 else value[:61] + "..."
    return ApiError(
        403,
        f"The local API does not answer requests with the {header} '{shown}': a web "
        "page could misuse it that way. Call it as 127.0.0.1 or localhost, or by this "
        "computer's address in digits.",
        code="foreign_host",
    )
