"""A class on one server: `python -m benchmarks.classroom`.

Three questions, each asked of the real server on a fresh workspace: how long a poll
takes while a full room polls and two jobs train; whether a room that presses the button
at once is served in fair order and as fast as its cores can; and how many requests a
second the endpoints serve beside aimock, a mock of the same API in Node. Run it on an
idle computer: the load before it began is said at the top.
"""

import argparse
import asyncio
import json
import math
import os
import shutil
import sqlite3
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

from benchmarks.server import Line, form, start
from benchmarks.speed import DATA, Row, p99, seconds
from finetune_kit import key_file
from finetune_kit.key_file import Key

AIMOCK = "@copilotkit/aimock@1.43.0"
JOBS_AT_ONCE = 2
_KIND = "multipart/form-data; boundary=benchmark"
_ROUND = 20  # calls of one server before the other one's turn


class Room:
    """A server for a class of `size`, and a line to it for whoever asks."""

    def __init__(self, folder: Path, size: int) -> None:
        self.home, self.keys = folder / "home", folder / "keys.txt"
        learners = [Key(f"sk-bench-{n:04}", f"Learner {n}") for n in range(size)]
        key_file.write(self.keys, learners, "for a benchmark")
        self.learners = [key.value for key in learners]
        options = ("--jobs-at-once", str(JOBS_AT_ONCE))
        self.process = start(self.home, "--api-key-file", str(self.keys), *options)
        noted = (self.home / "server" / "server.json").read_text("utf-8")
        self.port = int(json.loads(noted)["port"])

    def line(self, learner: int) -> Line:
        return Line(self.port, self.learners[learner])

    def upload(self, learner: int, rows: int) -> str:
        """The id of a file with the first `rows` of the proverbs."""
        lines = (DATA / "train.jsonl").read_bytes().splitlines(keepends=True)
        reply = self.line(learner).call(
            "POST", "/v1/files", form(b"".join(lines[:rows])), _KIND
        )
        return str(json.loads(reply)["id"])

    def train(self, learner: int, file: str, epochs: int) -> str:
        asked = {
            "model": "gpt-4o-mini",
            "training_file": file,
            "seed": 1,
            "hyperparameters": {"n_epochs": epochs, "batch_size": 1},
        }
        reply = self.line(learner).call(
            "POST", "/v1/fine_tuning/jobs", json.dumps(asked).encode()
        )
        return str(json.loads(reply)["id"])

    def cancelled(self, learner: int) -> str:
        job = self.train(learner, self.upload(learner, 10), 1)
        self.line(learner).call("POST", f"/v1/fine_tuning/jobs/{job}/cancel")
        return job

    def status(self, learner: int, job: str) -> str:
        reply = self.line(learner).call("GET", f"/v1/fine_tuning/jobs/{job}")
        return str(json.loads(reply)["status"])

    def wait(self, learner: int, job: str, *statuses: str) -> str:
        while (status := self.status(learner, job)) not in statuses:
            time.sleep(0.05)
        return status


@contextmanager
def room(size: int) -> Iterator[Room]:
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        opened = Room(Path(folder), size)
        try:
            yield opened
        finally:
            opened.process.terminate()
            opened.process.wait()


def processor_time(pid: int) -> float | None:
    """Seconds that a process has used so far, its threads included (Linux only)."""
    try:
        fields = Path(f"/proc/{pid}/stat").read_text("utf-8").rpartition(")")[2].split()
    except OSError:
        return None
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def polling(learners: int, duration: float) -> list[Row]:
    """Everybody asks each second for a job and its events; two jobs train."""
    with room(learners) as opened:
        jobs = []
        for learner in range(JOBS_AT_ONCE):
            job = opened.train(learner, opened.upload(learner, 100), 50)
            opened.wait(learner, job, "running")
            jobs.append(job)
        # Nobody else's job is at work: a cancelled one is polled as well as any.
        watched = [
            opened.cancelled(learner) for learner in range(JOBS_AT_ONCE, learners)
        ]
        before = processor_time(opened.process.pid)
        started = time.perf_counter()
        times = asyncio.run(_poll(opened, jobs + watched, duration))
        spent = time.perf_counter() - started
        after = processor_time(opened.process.pid)
        still = [opened.status(n, job) for n, job in enumerate(jobs)]
    trained = "" if still == ["running"] * len(jobs) else f" (jobs: {still})"
    share = "not measured here"
    if before is not None and after is not None:
        share = f"{(after - before) / spent:.0%}"
    asked = f"{len(times)} polls, {len(times) / spent:.0f} a second"
    median = sorted(times)[len(times) // 2] * 1000
    name = f"{learners} learners poll while {JOBS_AT_ONCE} jobs train"
    return [
        (
            f"{name}, p99",
            f"{p99(times) * 1000:.1f} ms (p50 {median:.1f}; {asked}){trained}",
            "<= 50 ms",
        ),
        ("the server's share of one core meanwhile", share, "<= 50 %"),
    ]


async def _poll(opened: Room, jobs: Sequence[str], duration: float) -> list[float]:
    times: list[float] = []
    end = time.perf_counter() + duration

    async def learner(number: int, job: str) -> None:
        await asyncio.sleep(number / len(jobs))  # not all in the same moment
        reader, writer = await asyncio.open_connection("127.0.0.1", opened.port)
        paths = [f"/v1/fine_tuning/jobs/{job}{more}" for more in ("", "/events")]
        while (began := time.perf_counter()) < end:
            key = opened.learners[number]
            times.extend([await _timed(reader, writer, path, key) for path in paths])
            await asyncio.sleep(max(0.0, began + 1 - time.perf_counter()))
        writer.close()

    await asyncio.gather(*(learner(n, job) for n, job in enumerate(jobs)))
    return times


async def _timed(
    reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str, key: str
) -> float:
    """Seconds of one request on a kept-alive connection."""
    started = time.perf_counter()
    head = f"GET {path} HTTP/1.1\r\nHost: 127.0.0.1\r\nAuthorization: Bearer {key}\r\n"
    writer.write(f"{head}\r\n".encode())
    answer = await reader.readuntil(b"\r\n\r\n")
    assert answer.startswith(b"HTTP/1.1 200"), answer
    length = answer.lower().partition(b"content-length: ")[2].partition(b"\r\n")[0]
    await reader.readexactly(int(length))
    return time.perf_counter() - started


def rush(learners: int) -> list[Row]:
    """Each learner starts a job at once; the first one three, before all others."""
    rows, epochs = 30, 3
    with room(learners) as opened:
        files = [opened.upload(learner, rows) for learner in range(learners)]
        alone = seconds(
            lambda: opened.wait(0, opened.train(0, files[0], epochs), "succeeded")
        )
        started = time.perf_counter()
        jobs = [(0, opened.train(0, files[0], epochs)) for _ in range(3)]
        jobs += [(n, opened.train(n, files[n], epochs)) for n in range(1, learners)]
        ends = [opened.wait(n, job, "succeeded", "failed") for n, job in jobs]
        spent = time.perf_counter() - started
        unfair = _passed_over(opened.home, {job: n for n, job in jobs})
    ideal = len(jobs) * alone / min(JOBS_AT_ONCE, os.cpu_count() or 1)
    lost = len(ends) - ends.count("succeeded")
    return [
        (f"{len(jobs)} jobs of {learners} learners at once: lost", str(lost), "0"),
        ("first jobs that waited while somebody's second began", str(unfair), "0"),
        (
            "time to the last result / (jobs x seconds of one alone / cores)",
            f"{spent / ideal:.2f} ({spent:.1f} s / {ideal:.1f} s; alone {alone:.2f} s)",
            "near 1",
        ),
    ]


def _passed_over(home: Path, learner_of: dict[str, int]) -> int:
    """How many queued first jobs of learners a second one of somebody overtook."""
    with closing(sqlite3.connect(home / "server" / "localapi.sqlite3")) as db:
        rows = db.execute("SELECT seq, job_id, message FROM events ORDER BY seq")
        events = [row for row in rows if row[1] in learner_of]
    queued = {job: seq for seq, job, said in events if said.startswith("Files valid")}
    began = {job: seq for seq, job, said in events if said == "Fine-tuning job started"}
    first_of: dict[int, str] = {}
    for job in began:
        first_of.setdefault(learner_of[job], job)
    firsts = set(first_of.values())
    return sum(
        queued[job] < began[other] < began[job]
        for other in began.keys() - firsts
        for job in firsts
    )


@contextmanager
def aimock() -> Iterator[int | None]:
    """aimock from its registry, in a folder of its own; its port, or None."""
    npm, node = shutil.which("npm"), shutil.which("node")
    if not (npm and node):
        yield None
        return
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        install = [npm, "install", "--silent", "--prefix", folder, AIMOCK]
        subprocess.run(install, check=True)
        fixtures = Path(folder) / "fixtures.json"
        hello = {"match": {"userMessage": "hello"}, "response": {"content": "Hi"}}
        fixtures.write_text(json.dumps({"fixtures": [hello]}), "utf-8")
        program = Path(folder) / "node_modules/@copilotkit/aimock/dist/cli.js"
        words = ["-p", "0", "-f", str(fixtures)]
        process = subprocess.Popen(
            [node, str(program), *words], stdout=subprocess.PIPE, encoding="utf-8"
        )
        assert process.stdout
        try:
            said = next(line for line in process.stdout if "listening on" in line)
            yield int(said.strip().rpartition(":")[2])
        finally:
            process.terminate()
            process.wait()


def beside_aimock(n: int) -> list[Row]:
    """Both called `n` times in turn, for the same things; requests a second."""
    with ExitStack() as stack:
        port = stack.enter_context(aimock())
        if port is None:
            return [("beside aimock", "not run: node and npm are missing", ">= 1.0")]
        opened = stack.enter_context(room(1))
        lines = opened.line(0), Line(port)
        made = [_finished_job(line) for line in lines]
        found: list[tuple[str, float, float, str]] = []
        for name, path in [
            ("models.list", "/v1/models"),
            ("files.list", "/v1/files"),
            ("files.retrieve", "/v1/files/{file}"),
            ("files.content", "/v1/files/{file}/content"),
            ("jobs.list", "/v1/fine_tuning/jobs"),
            ("jobs.retrieve", "/v1/fine_tuning/jobs/{job}"),
            ("jobs.list_events", "/v1/fine_tuning/jobs/{job}/events?limit=4"),
        ]:
            # New lines: aimock hangs up on those that were silent for five seconds.
            lines = opened.line(0), Line(port)
            calls = [
                partial(line.call, "GET", path.format(**ids))
                for line, ids in zip(lines, made, strict=True)
            ]
            found.append((name, *_rates(calls, n)))
        upload = ("POST", "/v1/files", _training(), _KIND)
        calls = [partial(line.call, *upload) for line in lines]
        found.append(("files.create", *_rates(calls, n)))
    rows = [
        (
            f"{name}, ours / aimock",
            f"{ours / theirs:.2f} ({ours:.0f} / {theirs:.0f} a second; {sizes})",
            ">= 1.0",
        )
        for name, ours, theirs, sizes in found
    ]
    ratios = [ours / theirs for _, ours, theirs, _ in found]
    mean = math.exp(sum(map(math.log, ratios)) / len(ratios))
    return [*rows, ("all of them, geometric mean", f"{mean:.2f}", ">= 1.0")]


def _training() -> bytes:
    lines = (DATA / "train.jsonl").read_bytes().splitlines(keepends=True)
    return form(b"".join(lines[:12]))


def _finished_job(line: Line) -> dict[str, str]:
    file = json.loads(line.call("POST", "/v1/files", _training(), _KIND))["id"]
    asked = json.dumps({"model": "gpt-4o-mini", "training_file": file}).encode()
    job = json.loads(line.call("POST", "/v1/fine_tuning/jobs", asked))["id"]
    path = f"/v1/fine_tuning/jobs/{job}"
    while json.loads(line.call("GET", path))["status"] != "succeeded":
        time.sleep(0.2)
    return {"file": file, "job": job}


def _rates(calls: Sequence[Callable[[], bytes]], n: int) -> tuple[float, float, str]:
    """Calls a second of both servers, and how many bytes each answers."""
    sizes = " / ".join(str(len(call())) for call in calls)
    rounds, spent = max(1, n // _ROUND), [0.0, 0.0]
    for _ in range(rounds):
        for side, call in enumerate(calls):
            started = time.perf_counter()
            for _ in range(_ROUND):
                call()
            spent[side] += time.perf_counter() - started
    ours, theirs = (rounds * _ROUND / each for each in spent)
    return ours, theirs, f"{sizes} bytes"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--learners", type=int, default=200, help="who poll")
    parser.add_argument("--seconds", type=float, default=30, help="of polling")
    parser.add_argument("--rush", type=int, default=30, help="who start a job at once")
    parser.add_argument("-n", type=int, default=1000, help="requests of each kind")
    parser.add_argument("--only", choices=("polling", "rush", "aimock"))
    arguments = parser.parse_args()
    load = os.getloadavg()[0] if hasattr(os, "getloadavg") else float("nan")
    print(f"load of the computer before: {load:.1f} on {os.cpu_count()} cores\n")
    parts: dict[str, Callable[[], list[Row]]] = {
        "polling": lambda: polling(arguments.learners, arguments.seconds),
        "rush": lambda: rush(arguments.rush),
        "aimock": lambda: beside_aimock(arguments.n),
    }
    print("| what | measured | goal |\n| --- | --- | --- |")
    for name, part in parts.items():
        if arguments.only in (None, name):
            for row in part():
                print("| " + " | ".join(row) + " |", flush=True)


if __name__ == "__main__":
    main()
