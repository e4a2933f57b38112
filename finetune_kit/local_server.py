"""The local API's process: find it, start it, stop it.

The server is a child that outlives the kernel (jobs go on when a kernel dies) and is
found again through ``server/server.json`` in the workspace.
"""

from __future__ import annotations

import http.client
import json
import subprocess
import sys
import time
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from filelock import FileLock, Timeout

import finetune_kit
from finetune_kit import disk
from finetune_kit.workspace import home, locked

START_SECONDS = 30.0
POLL_SECONDS = 0.02
ANSWER_SECONDS = 10.0  # for /healthz and the administration calls, on a busy machine


@dataclass(frozen=True)
class Server:
    """A running local API: where it listens and what `/healthz` says of it."""

    port: int
    pid: int
    package_version: str
    folder: Path
    host: str = "127.0.0.1"

    @property
    def base_url(self) -> str:
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http://{host}:{self.port}/v1"

    @property
    def key(self) -> str:
        """The workspace's key; the server writes it before it listens."""
        return (self.folder / "key").read_text(encoding="utf-8").strip()

    def admin(self, method: str, path: str) -> dict[str, Any]:
        """Call ``/_kit/…``: stop, status, reset."""
        try:
            status, body = _call(self.host, self.port, method, path, self.key)
        except TimeoutError:
            raise ServerError(
                f"The local API (process {self.pid}) did not answer {method} {path} "
                f"within {ANSWER_SECONDS:.0f} s. Try again; if it stays like this, end "
                "that process: the next connect() starts the local API anew."
            ) from None
        if status != 200:
            said = body.get("error", {}).get("message")
            raise ServerError(said or f"{method} {path} answered {status}: {body}")
        return body


class ServerError(RuntimeError):
    """The local API cannot be started, stopped or reached; says what to do."""

    def _render_traceback_(self) -> list[str]:
        return [f"{self}"]


class SilentError(ServerError):
    """The local API runs but does not answer; `pid` is its process."""

    def __init__(self, pid: int) -> None:
        way_out = f"If it was paused, continue it (fg, or kill -CONT {pid})"
        way_out += f"; else end it (kill -9 {pid})"
        if sys.platform == "win32":
            way_out = f"End it (taskkill /F /PID {pid})"
        super().__init__(
            f"The local API (process {pid}) runs but does not answer within "
            f"{ANSWER_SECONDS:.0f} s. {way_out}: the next connect() starts it anew."
        )
        self.pid = pid


def find() -> Server | None:
    """The workspace's server if it runs, in milliseconds; SilentError: no answer."""
    server, serves = _noted() or (None, None)
    return server if serves and _same(serves, home()) else None


def _noted() -> tuple[Server, Path] | None:
    """The server that `server.json` names, and the folder that it serves.

    That is another one where the workspace is a copy, or was moved.
    """
    folder = home() / "server"
    try:
        noted = json.loads((folder / "server.json").read_text(encoding="utf-8"))
        if not _is_served(folder):  # it was killed; to call nobody takes Windows 2 s
            return None
        host = noted.get("host", "127.0.0.1")
        status, health = _call(host, noted["port"], "GET", "/healthz")
        if status != 200 or health.get("pid") != noted["pid"]:
            return None  # something else listens on that port now
        version, serves = health["package_version"], health.get("home", home())
    except TimeoutError:
        raise SilentError(noted["pid"]) from None
    except (OSError, http.client.HTTPException):
        return None
    except (ValueError, KeyError, TypeError, AttributeError):
        return None  # not what a server notes, or says
    return Server(noted["port"], noted["pid"], version, folder, host), Path(serves)


def _is_served(folder: Path) -> bool:
    """Whether a server holds the lock of this folder, as each does while it runs."""
    try:
        with FileLock(folder / "running.lock", timeout=0):
            return False
    except Timeout:
        return True


def _same(one: Path, other: Path) -> bool:
    try:
        return one.samefile(other)
    except OSError:
        return False


def listens_at(url: str) -> bool:
    """True for the address of this workspace's server, whether it runs or not."""
    try:
        port = int((home() / "server" / "port").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return urlsplit(url).netloc == f"127.0.0.1:{port}"


def running(*arguments: str) -> Server:
    """The workspace's server, started with ``arguments`` if it does not run yet.

    A server of another version of this package is replaced, unless a job is at work.
    """
    server = find()
    if server and server.package_version == finetune_kit.__version__:
        return server
    with locked("server"):
        server = find()  # perhaps another notebook has started it meanwhile
        if server and not _outdated(server):
            return server
        if server:
            stop(server)
        moved, serves = _noted() or (None, None)
        if moved and serves and not serves.exists():
            stop(moved)  # it still writes to where the workspace was
        return _start(arguments)


def stop(server: Server, seconds: float = 10.0) -> None:
    """Ask the server to stop and wait for it; running jobs go on without it."""
    server.admin("POST", "/_kit/stop")
    if not _wait(lambda: not _is_served(server.folder), seconds):
        raise ServerError(
            f"The local API (process {server.pid}) did not stop within {seconds:.0f} s."
        )


def _outdated(server: Server) -> bool:
    if server.package_version == finetune_kit.__version__:
        return False
    return not server.admin("GET", "/_kit/status").get("active_jobs")


def _start(arguments: tuple[str, ...]) -> Server:
    folder = home() / "server"
    folder.mkdir(exist_ok=True)
    command = [sys.executable, "-m", "finetune_kit.localapi", "--home", str(home())]
    log = folder / "server.log"
    before = log.stat().st_size if log.exists() else 0
    with log.open("ab") as output:
        process = subprocess.Popen(
            [*command, *arguments],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=output,
            # `-m` finds the package there even where it is not installed
            cwd=Path(finetune_kit.__file__).parents[1],
            **detached(),
        )
    _wait(lambda: find() or process.poll() is not None, START_SECONDS)
    if server := find():
        process.returncode = 0  # it outlives us: do not warn that it still runs
        return server
    if not disk.has_room(folder):
        raise ServerError(
            f"The local API did not start: the disk of {home()} is full, or cannot be "
            "written. Make room, or set FINETUNE_KIT_HOME to a folder with room; then "
            "run this again. What was made before stays."
        )
    raise ServerError(
        "The local API did not start.\n"
        f"Its log, {log}, ends with:\n{_tail(log, before)}\n"
        "Try `finetune-kit doctor`; it says what is missing."
    )


def detached() -> dict[str, Any]:
    """Arguments for ``Popen`` that let a child outlive this process and its Ctrl-C."""
    if sys.platform == "win32":
        # not DETACHED_PROCESS: without a console, its children open one each, and the
        # Python of a virtual environment is such a child
        flags = subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP
        return {"creationflags": flags}
    return {"start_new_session": True}


def _call(
    host: str, port: int, method: str, path: str, key: str | None = None
) -> tuple[int, dict[str, Any]]:
    # http.client looks at no proxy variable, which is what loopback needs
    connection = http.client.HTTPConnection(host, port, timeout=ANSWER_SECONDS)
    headers = {"Authorization": f"Bearer {key}"} if key else {}
    try:
        connection.request(method, path, headers=headers)
        reply = connection.getresponse()
        body = reply.read()
        return reply.status, json.loads(body) if body else {}
    finally:
        connection.close()


def _wait(happened: Callable[[], Any], seconds: float) -> bool:
    deadline = time.monotonic() + seconds
    while not happened():
        if time.monotonic() > deadline:
            return False
        time.sleep(POLL_SECONDS)
    return True


def _tail(log: Path, before: int, lines: int = 8) -> str:
    """The last lines behind the first ``before`` bytes, which are of earlier days."""
    with suppress(OSError):
        added = log.read_bytes()[before:].decode("utf-8", errors="replace")
        return "\n".join(added.splitlines()[-lines:])
    return "(no log)"
