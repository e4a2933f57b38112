"""How fast data files are checked: `python -m benchmarks.checking`.

The check of structure runs beside the loop that notebooks use today: `json.loads`
for each line and the checks of OpenAI's cookbook ("Data preparation and analysis for
chat model fine-tuning", 2023) without its count of tokens. Both read the same file
in turn; processor time counts, so that other work on the computer does not.
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable
from pathlib import Path

from finetune_kit.dataset import check

ROLES = ("system", "user", "assistant", "function")
KEYS = ("role", "content", "name", "function_call", "weight")
TEXT = """the library opens at nine and closes when last reader has found her book;
some ask "where?", others know naïve answers about Zürich <b> or {"a": 1} | """
WORDS = TEXT.split()
#: One line in so many has the role `assitant`.
FAULTY = 2_000


def write(path: Path, megabytes: float, seed: int = 1) -> int:
    """A chat file of lines of about 800 bytes; returns the number of faulty ones."""
    dice = random.Random(seed)
    lines = faulty = 0
    with path.open("w", encoding="utf-8", newline="\n") as out:
        written = 0
        while written < megabytes * 1e6:
            lines += 1
            wrong = lines % FAULTY == 0
            faulty += wrong
            row = {
                "messages": [
                    {"role": "system", "content": "You answer in the library's name."},
                    {"role": "user", "content": _text(dice, lines)},
                    {
                        "role": "assitant" if wrong else "assistant",
                        "content": _text(dice, lines),
                    },
                ]
            }
            ascii_only = lines % 2 == 0
            written += out.write(json.dumps(row, ensure_ascii=ascii_only) + "\n")
    return faulty


def _text(dice: random.Random, number: int) -> str:
    words = dice.choices(WORDS, k=dice.randint(20, 100))
    return f"Request {number}: {' '.join(words)}.\nThanks."


def cookbook(path: Path) -> dict[str, int]:
    """The cookbook's checks, line by line."""
    errors: dict[str, int] = defaultdict(int)
    with path.open(encoding="utf-8") as lines:
        for line in lines:
            example = json.loads(line)
            if not isinstance(example, dict):
                errors["data_type"] += 1
                continue
            messages = example.get("messages", None)
            if not messages:
                errors["missing_messages_list"] += 1
                continue
            for message in messages:
                if "role" not in message or "content" not in message:
                    errors["message_missing_key"] += 1
                if any(key not in KEYS for key in message):
                    errors["message_unrecognized_key"] += 1
                if message.get("role", None) not in ROLES:
                    errors["unrecognized_role"] += 1
                content = message.get("content", None)
                function_call = message.get("function_call", None)
                if (not content and not function_call) or not isinstance(content, str):
                    errors["missing_content"] += 1
            if not any(m.get("role", None) == "assistant" for m in messages):
                errors["example_missing_assistant_message"] += 1
    return dict(errors)


def seconds(action: Callable[[], object]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def throughput(path: Path, repeats: int, faulty: int) -> None:
    size = path.stat().st_size / 1e6
    ours, theirs = [], []
    for _ in range(repeats):
        theirs.append(seconds(lambda: cookbook(path)))
        ours.append(seconds(lambda: check(path, structure_only=True)))
    report = check(path, structure_only=True)
    assert report.counts == {"unknown_role": faulty}, report.counts
    everything = seconds(lambda: check(path))
    _say("notebooks' loop", f"{size / min(theirs):.0f} MB/s", "")
    _say("check of structure", f"{size / min(ours):.0f} MB/s", "")
    _say("ratio", f"{min(theirs) / min(ours):.2f}", ">= 1.0")
    _say("check of everything", f"{size / everything:.0f} MB/s", "")
    cores = os.cpu_count() or 1
    alone = _wall(lambda: check(path, structure_only=True))
    shared = _wall(lambda: check(path, structure_only=True, workers=0))
    _say(f"gain by {cores} processes (wall time)", f"{alone / shared:.2f}", "")


def _wall(action: Callable[[], object]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def memory(path: Path) -> None:
    """The peak of a process that checks everything in the file."""
    if sys.platform == "win32":
        _say("memory", "not measured on Windows", "")
        return
    code = (
        "import resource, sys; from finetune_kit.dataset import check\n"
        "check(sys.argv[1])\n"
        "print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code, str(path)], capture_output=True, check=True
    )
    unit = 1 if sys.platform == "darwin" else 1024
    peak = int(ran.stdout) * unit / 1e6
    name = f"memory for {path.stat().st_size / 1e6:.0f} MB"
    _say(name, f"{peak:.0f} MB", "<= 200 MB")


def _say(name: str, figure: str, goal: str) -> None:
    print(f"{name:<36} {figure:>24}  {goal}", flush=True)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=100)
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--memory-megabytes", type=float, default=512)
    args = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "chat.jsonl"
        throughput(path, args.repeats, write(path, args.megabytes))
        write(path, args.memory_megabytes)
        memory(path)


if __name__ == "__main__":
    main()
