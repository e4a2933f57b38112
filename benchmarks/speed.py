"""How fast the kit is: `python -m benchmarks.speed`.

Prints one table: the figure, its goal, and what it was measured against. Everything
runs on this computer, in a fresh workspace, against the real server.
"""

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
DATA = ROOT / "data" / "proverbs"

Row = tuple[str, str, str]


@contextmanager
def workspace() -> Iterator[Path]:
    """A fresh home for the kit; its server is stopped at the end."""
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as folder:
        os.environ["FINETUNE_KIT_HOME"] = folder
        try:
            yield Path(folder)
        finally:
            stop()


def stop() -> None:
    command = [sys.executable, "-m", "finetune_kit.cli", "stop"]
    subprocess.run(command, check=False, capture_output=True)


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def p99(values: list[float]) -> float:
    return sorted(values)[int(0.99 * (len(values) - 1))]


def say(client: Any, max_tokens: int = 5) -> None:
    client.chat.completions.create(
        model="gpt-4o-mini",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=max_tokens,
    )


def connecting(repeats: int) -> list[Row]:
    """From nothing, and to a running server, to the first answer."""
    import openai  # noqa: F401  its import is not counted

    from finetune_kit import connect

    cold, warm = [], []
    for _ in range(repeats):
        with workspace():
            cold.append(seconds(lambda: say(connect())))
            warm += [seconds(connect) for _ in range(3)]
    return [
        ("connect() from nothing to a first answer, median", _s(cold), "<= 1.5 s"),
        ("connect() to a running server, median", _s(warm), "<= 0.1 s"),
    ]


def _s(values: list[float]) -> str:
    return f"{statistics.median(values):.2f} s"


def training() -> list[Row]:
    """One job of 75 examples x 3 epochs, and the memory of its worker."""
    from finetune_kit import connect

    rows = (DATA / "train.jsonl").read_text("utf-8").splitlines()[:75]
    with workspace() as home:
        client = connect()
        say(client)  # the server has started up: a learner has looked at data by now
        path = home / "train.jsonl"
        path.write_text("\n".join(rows) + "\n", "utf-8")
        train = client.files.create(file=path, purpose="fine-tune")
        held_out = client.files.create(
            file=DATA / "validation.jsonl", purpose="fine-tune"
        )
        started = time.perf_counter()
        job = client.fine_tuning.jobs.create(
            training_file=train.id, validation_file=held_out.id, model="gpt-4o-mini"
        )
        peak = 0
        while job.status not in ("succeeded", "failed", "cancelled"):
            peak = max(peak, *(peak_memory(pid) for pid in worker_pids(home)), 0)
            time.sleep(0.02)
            job = client.fine_tuning.jobs.retrieve(job.id)
        spent = time.perf_counter() - started
        memory = f"{peak / 2**20:.0f} MiB" if peak else "not measured here"
        return [
            (
                f"75 examples x 3 epochs, create to {job.status}",
                f"{spent:.1f} s",
                "<= 5 s",
            ),
            ("peak memory of the worker", memory, "<= 200 MB"),
        ]


def worker_pids(home: Path) -> list[int]:
    found = home.glob("server/jobs/*/worker.pid")
    return [int(path.read_text("utf-8") or 0) for path in found]


def peak_memory(pid: int) -> int:
    """Largest resident size of a process so far, in bytes (0 where not known)."""
    try:
        status = Path(f"/proc/{pid}/status").read_text("utf-8")
    except OSError:
        return 0
    lines = [line for line in status.splitlines() if line.startswith("VmHWM")]
    return int(lines[0].split()[1]) * 1024 if lines else 0


def polling() -> list[Row]:
    """How long a poll takes while a long answer is generated."""
    from finetune_kit import connect

    with workspace():
        client = connect()
        say(client)
        idle = polls(client, lambda: None)
        busy = polls(client, lambda: long_answer(client))
    return [
        ("polling while a model talks, p99", f"{p99(busy) * 1000:.1f} ms", "<= 50 ms"),
        ("polling an idle server, p99", f"{p99(idle) * 1000:.1f} ms", "reference"),
    ]


def long_answer(client: Any) -> None:
    for _ in range(4):
        client.chat.completions.create(
            model="gpt-4o-mini",
            messages=[{"role": "user", "content": "Hello"}],
            max_tokens=450,
            logit_bias={"5": -100},  # the end token: the answer goes on
        )


def polls(client: Any, meanwhile: Callable[[], None], n: int = 200) -> list[float]:
    talk = threading.Thread(target=meanwhile)
    talk.start()
    found = [seconds(lambda: client.fine_tuning.jobs.list(limit=1)) for _ in range(n)]
    talk.join()
    return found


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--repeats", type=int, default=5)
    arguments = parser.parse_args()
    rows = [
        *connecting(arguments.repeats),
        *training(),
        *polling(),
    ]
    print("| what | measured | goal |\n| --- | --- | --- |")
    for row in rows:
        print("| " + " | ".join(row) + " |")


if __name__ == "__main__":
    main()
