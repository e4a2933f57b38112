"""How fast tokens are counted: `python -m benchmarks.tokens [--megabytes N]`.

The reference is the loop that notebooks use: `len(encode_ordinary(content))` over the
same messages, already parsed, and nothing else. Both run in turns, in one process.
"""

import argparse
import json
import os
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from finetune_kit.dataset import tokens
from finetune_kit.dataset.sizes import sizes

ROOT = Path(__file__).parent.parent
TURNS = 5


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


def seconds(action: Callable[[], Any]) -> float:
    started = time.perf_counter()
    action()
    return time.perf_counter() - started


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--megabytes", type=float, default=10.0)
    megabytes = parser.parse_args().megabytes
    rows = rows_of(megabytes)
    ours(rows[:10])  # loads the vocabulary
    turns = [
        (seconds(lambda: bare(rows)), seconds(lambda: ours(rows))) for _ in range(TURNS)
    ]
    reference, counting = (
        statistics.median(times) for times in zip(*turns, strict=True)
    )
    print(f"{len(rows):,} chats, {megabytes:g} MB, median of {TURNS}, one process")
    print(f"bare encode_ordinary loop  {megabytes / reference:6.1f} MB/s")
    print(
        f"chat_tokens                {megabytes / counting:6.1f} MB/s   "
        f"{reference / counting:.2f} x (goal >= 0.9)"
    )
    for workers in (1, os.cpu_count() or 1):
        took = seconds(lambda: sizes(rows, "gpt-4.1", workers))  # noqa: B023
        print(
            f"sizes, {workers} process{'es' if workers > 1 else '  '}         "
            f"{megabytes / took:6.1f} MB/s   {reference / took:.2f} x, reading counted"
        )


if __name__ == "__main__":
    main()
