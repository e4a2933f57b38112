"""Put on PYTHONPATH, this makes every Python process note and refuse the network.

Only loopback passes. Each address goes to the file in ``SOCKET_LOG``.
"""

import os
import sys
from pathlib import Path

LOOPBACK = {"127.0.0.1", "::1", "localhost", "", None}


def watch(event: str, arguments: tuple) -> None:
    if event == "socket.getaddrinfo":
        host = arguments[0]
    elif event in {"socket.connect", "socket.bind", "socket.sendto"}:
        address = arguments[1]
        if not isinstance(address, tuple):
            return  # a Unix socket
        host = address[0]
    else:
        return
    host = host.decode() if isinstance(host, bytes) else host
    with Path(os.environ["SOCKET_LOG"]).open("a", encoding="utf-8") as log:
        log.write(f"{event} {host} {' '.join(sys.orig_argv[1:4])}\n")
    if host not in LOOPBACK:
        raise PermissionError(f"{event} to {host}: only loopback is allowed here")


if "SOCKET_LOG" in os.environ:
    sys.addaudithook(watch)
