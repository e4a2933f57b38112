"""The server's process: its socket, its files for others to find it, its end."""

import asyncio
import errno
import logging
import os
import random
import shutil
import signal
import socket
import sys
import tempfile
import time
from pathlib import Path
from types import FrameType

import uvicorn
from filelock import FileLock, Timeout
from starlette.applications import Starlette

import finetune_kit
from finetune_kit.localapi import app as application
from finetune_kit.localapi import housekeeping, weights
from finetune_kit.localapi.answers import Answers
from finetune_kit.localapi.clock import Clock, DeterministicClock
from finetune_kit.localapi.deliveries import Deliveries
from finetune_kit.localapi.faults import Faults
from finetune_kit.localapi.home import Home
from finetune_kit.localapi.ids import DeterministicIds, Ids
from finetune_kit.localapi.keys import Keys, workspace_key
from finetune_kit.localapi.kit import Kit, Settings
from finetune_kit.localapi.lifecycle import Lifecycle
from finetune_kit.localapi.limits import Limits
from finetune_kit.localapi.presence import Presence
from finetune_kit.localapi.runner import LocalRunner, write_json
from finetune_kit.localapi.store import Store
from finetune_kit.patience import patiently

IDLE_LIMIT = 8 * 3600  # seconds without a request and without a job
_IDLE_INTERVAL = 60  # seconds between two looks
_MOVED_INTERVAL = 1
_LISTENING_INTERVAL = 1.0
# Seconds that a server before this one may take to end: 2 each for requests under way,
# answers and webhooks, and some more on a busy computer.
_HANDING_OVER = 10.0
# Below the ranges from which systems take ports for outgoing connections.
_PORTS = range(20_000, 30_000)
_LOG_LIMIT = 5 * 2**20  # bytes; a longer log starts anew
_BACKLOG = 2048

log = logging.getLogger("finetune_kit.localapi")


class StartError(Exception):
    """Says why, and what to do about it."""


def serve(settings: Settings) -> None:
    """Serve until stopped; raises StartError."""
    home = Home(settings.workspace)
    home.make()
    lock = FileLock(home.running)
    try:
        lock.acquire(timeout=_HANDING_OVER)
    except Timeout:
        raise StartError(
            f"A server runs already on {home.workspace}. Stop it with `finetune-kit "
            "stop`, or choose another workspace with --home."
        ) from None
    with lock:
        # of a server that was killed: nobody need call it any more
        patiently(lambda: home.info.unlink(missing_ok=True))
        _log_to(home.log)
        _empty(home.temporary)
        tempfile.tempdir = str(home.temporary)  # uploads; the system's may be memory
        listening = listen(settings, home.port)
        kit = assemble(settings, home)
        housekeeping.tidy(kit)
        try:
            asyncio.run(_serve(kit, listening))
        except KeyboardInterrupt:
            pass
        finally:
            patiently(lambda: home.info.unlink(missing_ok=True))
            kit.store.close()


def assemble(settings: Settings, home: Home) -> Kit:
    """The server's parts, over the workspace's database."""
    store = Store(home.database)
    generation = store.fact("starts")
    store.set_fact("starts", generation + 1)
    newest = store.newest_time()
    clock = DeterministicClock if settings.deterministic else Clock
    kit = Kit(
        settings=settings,
        home=home,
        keys=Keys(workspace_key(home.key), settings.api_keys),
        store=store,
        clock=clock(not_before=newest),
        ids=DeterministicIds(generation) if settings.deterministic else Ids(),
        runner=LocalRunner(home.jobs, slots=settings.jobs_at_once),
        package_version=finetune_kit.__version__,
        weights_sha256=weights.sha256(weights.SHIPPED),
    )
    kit.lifecycle = Lifecycle(kit)
    kit.answers = Answers()
    kit.deliveries = Deliveries(kit)
    kit.faults, kit.limits, kit.presence = Faults(), Limits(), Presence()
    return kit


def listen(settings: Settings, port_file: Path) -> socket.socket:
    """A listening socket on the workspace's port, which is chosen once and kept."""
    if settings.port is not None:
        return _bind(settings.host, settings.port)
    for port in [*_kept_port(port_file), *random.sample(_PORTS, 20)]:
        try:
            listening = _bind(settings.host, port)
        except StartError as error:
            last = error
            continue
        port_file.write_text(f"{port}\n", encoding="utf-8")
        return listening
    raise StartError(
        f"No free port found on {settings.host}; choose one with --port. "
        f"The last one that was tried: {last}"
    )


def _kept_port(port_file: Path) -> list[int]:
    try:
        return [int(port_file.read_text(encoding="utf-8"))]
    except (FileNotFoundError, ValueError):
        return []


def _bind(host: str, port: int) -> socket.socket:
    try:
        found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        family, _, _, _, address = found[0]
        # asyncio sets TCP_NODELAY only on sockets that say IPPROTO_TCP; without it
        # every answer waits 40 ms (Kludex/uvicorn#3149).
        listening = socket.socket(family, socket.SOCK_STREAM, socket.IPPROTO_TCP)
        if sys.platform == "win32":  # there SO_REUSEADDR would share the port
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_EXCLUSIVEADDRUSE, 1)
        else:
            listening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        listening.bind(address)
        listening.listen(_BACKLOG)
    except OSError as error:
        way_out = (
            "Choose another port with --port, or end the program that uses this one."
        )
        if error.errno == errno.EADDRNOTAVAIL or isinstance(error, socket.gaierror):
            way_out = (
                "Choose an address of this computer with --host, such as 127.0.0.1."
            )
        raise StartError(
            f"Cannot listen on {host}:{port} ({error.strerror}). {way_out}"
        ) from None
    return listening


async def _serve(kit: Kit, listening: socket.socket) -> None:
    app = application.create(kit)
    server = uvicorn.Server(
        uvicorn.Config(
            app,
            http="auto",  # httptools, or h11, which takes half as long again
            ws="none",
            lifespan="on",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_keep_alive=75,  # a learner reads between two cells: keep the line
            timeout_graceful_shutdown=2,
        )
    )

    def stop() -> None:
        server.should_exit = True

    app.state.stop = stop
    served = kit.home.database.stat()
    # uvicorn raises the signal again after its shutdown; clean up then as well.
    signal.signal(signal.SIGTERM, _exit)
    _announce(kit, listening)
    tasks = [
        asyncio.create_task(_stop_when_idle(app)),
        asyncio.create_task(_stop_when_deaf(app, listening)),
        asyncio.create_task(_remove_expired(kit)),
        asyncio.create_task(_end_when_moved(kit, served)),
    ]
    await server.serve(sockets=[listening])
    for task in tasks:
        task.cancel()


async def _remove_expired(kit: Kit) -> None:
    while True:
        await asyncio.sleep(_IDLE_INTERVAL)
        try:
            await asyncio.to_thread(housekeeping.remove_expired, kit)
        except Exception:  # a full disk, say: the next look may succeed
            log.exception("what has expired cannot be removed")


async def _stop_when_idle(app: Starlette) -> None:
    kit: Kit = app.state.kit
    while True:
        await asyncio.sleep(_IDLE_INTERVAL)
        if any(job["status"] != "paused" for job in kit.lifecycle.active_jobs()):
            kit.latest_request = time.monotonic()
        if time.monotonic() - kit.latest_request > IDLE_LIMIT:
            log.info("nothing to do for %s h: stopping", IDLE_LIMIT // 3600)
            app.state.stop()


async def _end_when_moved(kit: Kit, served: os.stat_result) -> None:
    """Without a workspace there is nothing to serve: it was moved or deleted.

    At once, as when killed: another server's files may lie in the old place by now.
    """
    while True:
        await asyncio.sleep(_MOVED_INTERVAL)
        try:
            there = os.path.samestat(kit.home.database.stat(), served)
        except FileNotFoundError:
            there = False
        except OSError:
            continue  # a drive of the network that is away for a moment
        if not there:
            os._exit(0)


async def _stop_when_deaf(app: Starlette, listening: socket.socket) -> None:
    """Let the next connect() start a server that listens.

    On Windows, asyncio stops listening when a client hangs up in the moment of its
    call (python/cpython#93821).
    """
    while listening.fileno() != -1:
        await asyncio.sleep(_LISTENING_INTERVAL)
    log.error("the server does not listen any more: stopping")
    app.state.stop()


def _announce(kit: Kit, listening: socket.socket) -> None:
    host, port = listening.getsockname()[:2]
    info = {
        "version": 1,
        "pid": os.getpid(),
        "host": {"0.0.0.0": "127.0.0.1", "::": "::1"}.get(host, host),
        "port": port,
        "package_version": kit.package_version,
        "weights_sha256": kit.weights_sha256,
        "started_at": int(time.time()),
    }
    write_json(kit.home.info, info)
    print(
        f"finetune-kit's local API listens on http://{host}:{port}/v1\n"
        f"its key is in {kit.home.key}",
        flush=True,
    )


def _exit(number: int, frame: FrameType | None) -> None:
    raise SystemExit(0)


def _log_to(path: Path) -> None:
    if path.exists() and path.stat().st_size > _LOG_LIMIT:
        path.write_bytes(b"")
    logging.basicConfig(
        filename=path,
        encoding="utf-8",
        level=logging.WARNING,
        format="%(asctime)s %(levelname)s %(name)s: %(message)s",
    )


def _empty(folder: Path) -> None:
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(exist_ok=True)
