"""How fast the local API is: `python -m benchmarks.server`.

Speeds are ratios (of medians) to a bare Starlette route that sends the same bytes,
called in turn with ours in the same run, since times alone say more about the computer.
Run it on an idle computer: what else runs is said at the top as the load.
"""

import argparse
import http.client
import json
import os
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

from benchmarks.speed import ROOT, Row, p99, peak_memory, seconds

_KEY = "sk-benchmark"
_BOUNDARY = "benchmark"
_CHAT = json.dumps(
    {
        "model": "tinygpt",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 2,
    }
).encode()
_BARE = """
import socket, sys, uvicorn
from starlette.applications import Starlette
from starlette.responses import Response
from starlette.routing import Route

async def get(request):
    return Response(reply, media_type="application/json")

async def post(request):
    async with request.form() as form:
        await form["file"].read()
    return Response(b"{}", media_type="application/json")

reply = b"{}"
async def set_reply(request):
    global reply
    reply = await request.body()
    return Response(b"{}")

listening = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
listening.bind(("127.0.0.1", 0))
listening.listen()
print(listening.getsockname()[1], flush=True)
routes = [
    Route("/get", get), Route("/post", post, methods=["POST"]),
    Route("/reply", set_reply, methods=["POST"]),
]
config = uvicorn.Config(Starlette(routes=routes), http="h11", log_level="error")
uvicorn.Server(config).run(sockets=[listening])
"""


class Line:
    """One kept-alive connection to a server on this computer."""

    def __init__(self, port: int, key: str = _KEY) -> None:
        self._headers = {"Authorization": f"Bearer {key}"}
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=600)

    def call(
        self, method: str, path: str, body: bytes | None = None, kind: str = ""
    ) -> bytes:
        headers = self._headers | ({"Content-Type": kind} if kind else {})
        self._connection.request(method, path, body, headers)
        reply = self._connection.getresponse()
        content = reply.read()
        assert reply.status == 200, content
        return content


def chat_lines(size: int) -> bytes:
    """About `size` bytes of rows."""
    row = b'{"messages": [{"role": "user", "content": "Hello there"}]}\n'
    return row * (size // len(row))


def form(content: bytes) -> bytes:
    """A file as a multipart body."""
    head = (
        f'--{_BOUNDARY}\r\nContent-Disposition: form-data; name="purpose"\r\n\r\n'
        f"fine-tune\r\n--{_BOUNDARY}\r\nContent-Disposition: form-data; "
        'name="file"; filename="a.jsonl"\r\n\r\n'
    )
    return head.encode() + content + f"\r\n--{_BOUNDARY}--\r\n".encode()


@contextmanager
def bare() -> Iterator[int]:
    """A server with nothing but routes; its port."""
    process = subprocess.Popen(
        [sys.executable, "-c", _BARE], stdout=subprocess.PIPE, encoding="utf-8"
    )
    assert process.stdout
    try:
        yield int(process.stdout.readline())
    finally:
        process.kill()
        process.wait()


@contextmanager
def ours() -> Iterator[tuple[int, int, Path]]:
    """The local API on a fresh workspace; its port and pid, and its folder."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        process = start(Path(folder))
        noted = Path(folder, "server", "server.json").read_text("utf-8")
        try:
            yield json.loads(noted)["port"], process.pid, Path(folder)
        finally:
            process.terminate()
            process.wait()


def start(home: Path, *options: str) -> subprocess.Popen[str]:
    """Returns when it listens."""
    command = [sys.executable, "-m", "finetune_kit.localapi"]
    process = subprocess.Popen(
        [*command, "--home", str(home), "--api-key", _KEY, *options],
        cwd=ROOT,
        stdout=subprocess.PIPE,
        encoding="utf-8",
    )
    assert process.stdout
    process.stdout.readline()
    return process


def compared(
    name: str, our_call: Callable[[], bytes], bare_call: Callable[[], bytes], n: int
) -> Row:
    """Both called `n` times, in turns of ten, so that a busy moment hits both."""
    for call in (our_call, bare_call):
        call()
    mine, theirs = list[float](), list[float]()
    for _ in range(n // 10):
        mine += [seconds(our_call) for _ in range(10)]
        theirs += [seconds(bare_call) for _ in range(10)]
    ratio = _median(theirs) / _median(mine)
    detail = (
        f"{ratio:.2f} ({n / sum(mine):.0f} / {n / sum(theirs):.0f} a second; "
        f"p50 {_median(mine):.2f} / {_median(theirs):.2f} ms, "
        f"p99 {p99(mine) * 1000:.2f} / {p99(theirs) * 1000:.2f} ms)"
    )
    return f"{name}, ratio to a bare route", detail, ">= 0.5"


def _median(values: list[float]) -> float:
    return sorted(values)[len(values) // 2] * 1000


def requests(n: int) -> list[Row]:
    """`models.list`, `files.create` with 1 MB, and the polls of a job."""
    kind = f"multipart/form-data; boundary={_BOUNDARY}"
    upload = form(chat_lines(2**20))
    with ExitStack() as stack:
        port, pid, _ = stack.enter_context(ours())
        line, other = Line(port), Line(stack.enter_context(bare()))
        file = json.loads(line.call("POST", "/v1/files", upload, kind))["id"]
        asked = json.dumps({"model": "tinygpt", "training_file": file}).encode()
        job = json.loads(line.call("POST", "/v1/fine_tuning/jobs", asked))["id"]
        line.call("POST", f"/v1/fine_tuning/jobs/{job}/cancel")
        line.call("POST", "/v1/chat/completions", _CHAT)  # all is loaded after it
        rows = []
        for name, path in [
            ("models.list", "/v1/models"),
            ("jobs.retrieve", f"/v1/fine_tuning/jobs/{job}"),
            ("jobs.list_events", f"/v1/fine_tuning/jobs/{job}/events"),
        ]:
            other.call("POST", "/reply", line.call("GET", path))  # the same bytes
            rows.append(
                compared(
                    name,
                    lambda path=path: line.call("GET", path),  # type: ignore[misc]
                    lambda: other.call("GET", "/get"),
                    n,
                )
            )
        rows.append(
            compared(
                "files.create of 1 MB",
                lambda: line.call("POST", "/v1/files", upload, kind),
                lambda: other.call("POST", "/post", upload, kind),
                max(10, n // 10),
            )
        )
        rows.append(("memory of the server, peak", _mib(pid), "reference"))
    return rows


def cold_start(repeats: int) -> Row:
    """From nothing to the first answer of `models.list`."""

    def once() -> float:
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
            started = time.perf_counter()
            process = start(Path(folder))
            noted = Path(folder, "server", "server.json").read_text("utf-8")
            Line(json.loads(noted)["port"]).call("GET", "/v1/models")
            spent = time.perf_counter() - started
            process.terminate()
            process.wait()
            return spent

    found = [once() for _ in range(repeats)]
    return "cold start to the first answer, median", f"{_median(found):.0f} ms", "1.5 s"


def big_upload(size: int) -> Row:
    """Memory of the server after one upload of `size` bytes in pieces."""
    piece = form(chat_lines(2**20))
    head, _, rest = piece.partition(b"\r\n\r\n{")
    content, tail = b"{" + rest.rpartition(b"\r\n--")[0], f"\r\n--{_BOUNDARY}--\r\n"
    count = size // len(content)
    length = len(head) + 4 + count * len(content) + len(tail)
    with ours() as (port, pid, folder):
        started = time.perf_counter()
        with socket.create_connection(("127.0.0.1", port)) as line:
            line.sendall(
                (
                    f"POST /v1/files HTTP/1.1\r\nHost: 127.0.0.1:{port}\r\n"
                    f"Authorization: Bearer {_KEY}\r\nContent-Length: {length}\r\n"
                    f"Content-Type: multipart/form-data; boundary={_BOUNDARY}\r\n\r\n"
                ).encode()
            )
            line.sendall(head + b"\r\n\r\n")
            for _ in range(count):
                line.sendall(content)
            line.sendall(tail.encode())
            status = line.recv(100).split(b" ")[1]
        spent = time.perf_counter() - started
        assert status == b"200", status
        memory = _mib(pid)
        (kept,) = (folder / "server" / "files").iterdir()
        assert kept.stat().st_size == count * len(content)
    name = f"memory of the server after an upload of {size // 2**20} MB, peak"
    return name, f"{memory} ({spent:.1f} s)", "<= 150 MiB"


def _mib(pid: int) -> str:
    peak = peak_memory(pid)
    return f"{peak / 2**20:.0f} MiB" if peak else "not measured here"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("-n", type=int, default=1000, help="requests of each kind")
    parser.add_argument("--megabytes", type=int, default=500, help="the big upload")
    arguments = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"load of the computer before: {load:.1f} on {os.cpu_count()} cores\n")
    rows = [
        *requests(arguments.n),
        cold_start(5),
        big_upload(arguments.megabytes * 2**20),
    ]
    print("| what | measured | goal |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
