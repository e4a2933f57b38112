"""At which addresses a server can be reached, and what is said of it there."""

from __future__ import annotations

import ipaddress
import socket
from collections.abc import Sequence
from pathlib import Path
from typing import Any

_EVERYWHERE = ("0.0.0.0", "::")
# A datagram socket "connected" there sends nothing, but learns from which of its
# addresses this computer would send. First one for documentation (RFC 5737, 3849), to
# which a default route leads; a room without one may use a private network (RFC 1918).
_ELSEWHERE = {
    socket.AF_INET: (
        "192.0.2.1",
        "192.168.255.254",
        "10.255.255.254",
        "172.31.255.254",
    ),
    socket.AF_INET6: ("2001:db8::1", "fd00::1"),
}


def is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def address(host: str) -> str:
    """What learners type to reach a server that listens on ``host``.

    Raises RuntimeError where that is everywhere, and no network can be found.
    """
    if host not in _EVERYWHERE:
        return host
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    outward = [_towards(family, there) for there in _ELSEWHERE[family]]
    named = [found[4][0] for found in _by_name(family)]
    for found in (*outward, *named):
        if found and not is_loopback(str(found)):
            return str(found)
    raise RuntimeError(
        f"With --host {host} other computers shall reach this one, but it has no "
        "address in any network that could stand in the hand-outs. Connect it to the "
        "network first, or name its address there: --host 192.168.1.10, say."
    )


def _towards(family: int, there: str) -> str | None:
    """The address from which this computer would send something there."""
    try:
        with socket.socket(family, socket.SOCK_DGRAM) as outward:
            outward.connect((there, 9))
            return str(outward.getsockname()[0])
    except OSError:  # no way leads there
        return None


def _by_name(family: int) -> Sequence[tuple[Any, ...]]:
    try:
        return socket.getaddrinfo(socket.gethostname(), None, family)
    except OSError:
        return ()


def origin(host: str, port: int) -> str:
    shown = f"[{host}]" if ":" in host else host
    return f"http://{shown}:{port}"


def refuse_taken(host: str, port: int) -> None:
    """Raises RuntimeError where nobody can listen, before anything is written."""
    try:
        family, *_, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)[0]
        with socket.socket(family, socket.SOCK_STREAM) as trial:
            if hasattr(socket, "SO_EXCLUSIVEADDRUSE"):  # Windows
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
            else:
                trial.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            trial.bind(address)
            trial.listen()
    except OSError as error:
        raise RuntimeError(
            f"Cannot listen on {host}, port {port} ({error.strerror}). Choose another "
            "port with --port, or end the program that uses this one; --host takes an "
            "address of this computer."
        ) from None


def told(host: str, port: int, home: Path) -> str:
    """Who can reach the server, and what they find there."""
    if is_loopback(host):
        return (
            f"Only programs on this computer reach it ({host}). For learners' laptops, "
            "start it with --host 0.0.0.0, in a network that you trust."
        )
    own_key = home / "server" / "key"
    return f"""\
Every computer that can reach {address(host)}, port {port}, finds:
  with a learner's key       that learner's files, jobs, models and answers
  with the instructor's key  the page /class, to read
  with the workspace's key   everything, resets too; it lies in {own_key}
  without a key              that this server runs (/healthz), and the form of /class
Not reachable: your other files and programs. But a learner's webhooks may call
programs on this computer. It speaks plain http: who listens to the network can read
keys and data. Use it in a network that you trust, and stop it afterwards."""
