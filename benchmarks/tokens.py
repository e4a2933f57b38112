"""How fast tokens are counted: `python -m benchmarks.tokens [--megabytes N]`.

The reference is the loop that notebooks use: `len(encode_ordinary(content))` over the
same messages, already parsed, and nothing else. Both run in turns, in one process.
"""

import argparse
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune_kit.dataset import tokens
from finetune_kit.dataset.sizes import sizes

ROOT = Path(__file__).parent.parent
TURNS = 5
PIECE = 500  # chats


def rows_of(megabytes: float) -> list[dict[str, Any]]:
    """Chats with the proverbs' system prompt and texts that differ in each of them."""
    lines = (ROOT / "data" / "proverbs" / "proverbs.jsonl").read_text("utf-8")
    proverbs = [json.loads(line) for line in lines.splitlines()]
    prompt = "You are a smart assistant that replies with Latin proverbs."
    rows: list[dict[str, Any]] = []
    size = 0
    while size < megabytes * 1e6:
        number = len(rows)
        chosen = [proverbs[(number + step * 7) % len(proverbs)] for step in range(4)]
        texts = " ".join(proverb["english"] for proverb in chosen)
        question = f"Case {number}: {texts} What would you say?"
        answer = f"{chosen[0]['latin']} {chosen[1]['latin']} ({number})"
        rows.append(
            {
                "messages": [
                    {"role": "system", "content": prompt},
                    {"role": "user", "content": question},
                    {"role": "assistant", "content": answer},
                ]
            }
        )
        size += len(json.dumps(rows[-1], ensure_ascii=False).encode())
    return rows


def bare(rows: list[dict[str, Any]]) -> int:
    encode = tokens.encoding("o200k_base").encode_ordinary
    return sum(
        len(encode(message["content"])) for row in rows for message in row["messages"]
    )


def ours(rows: list[dict[str, Any]]) -> int:
    return sum(tokens.chat_tokens(row["messages"], "o200k_base") for row in rows)


def processor_seconds(action: Callable[[], Any]) -> float:
    started = time.process_time()
    action()
    return time.process_time() - started


def in_turns(rows: list[dict[str, Any]]) -> tuple[float, float]:
    """Processor seconds of both, piece by piece, so that other load hits both alike."""
    reference = counting = 0.0
    for start in range(0, len(rows), PIECE):
        piece = rows[start : start + PIECE]
        for which in (bare, ours) if start // PIECE % 2 else (ours, bare):
            took = processor_seconds(lambda: which(piece))  # noqa: B023
            if which is bare:
                reference += took
            else:
                counting += took
    return reference, counting


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=10.0)
    megabytes = parser.parse_args().megabytes
    rows = rows_of(megabytes)
    ours(rows[:10])  # loads the vocabulary
    turns = [in_turns(rows) for _ in range(TURNS)]
    ratio = statistics.median(reference / counting for reference, counting in turns)
    print(f"{len(rows):,} chats, {megabytes:g} MB, median of {TURNS}, processor time")
    for name, times in zip(
        ("bare loop", "chat_tokens"), zip(*turns, strict=True), strict=True
    ):
        print(f"{name:<12} {megabytes / statistics.median(times):6.1f} MB/s")
    print(f"chat_tokens / bare loop: {ratio:.2f} (goal >= 0.9)")
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "chats.jsonl"
        file.write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
        for workers in dict.fromkeys((1, os.cpu_count() or 1)):
            started = time.perf_counter()
            sizes(file, "gpt-4.1", workers)
            took = time.perf_counter() - started
            print(
                f"sizes of the file, {workers} process(es): "
                f"{megabytes / took:.1f} MB/s on the clock, reading included"
            )


if __name__ == "__main__":
    main()
