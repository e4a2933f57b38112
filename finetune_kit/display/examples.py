"""Looking at chat rows: who says what, and what the model learns to say."""

from __future__ import annotations

import json
from itertools import islice
from pathlib import Path

from finetune_kit.display.tables import Table


def examples(path: Path | str, n: int = 3) -> Table:
    """The first ``n`` rows of a chat JSONL file, one column a role."""
    with Path(path).open(encoding="utf-8") as lines:
        rows = [json.loads(line)["messages"] for line in islice(lines, n)]
    roles = list(dict.fromkeys(message["role"] for row in rows for message in row))
    said = [
        {message["role"]: message.get("content") for message in row} for row in rows
    ]
    return Table(
        ["line", *roles],
        [[number, *map(row.get, roles)] for number, row in enumerate(said, start=1)],
        caption=f"{Path(path).name}: {len(rows)} examples",
        note="The model is trained on what the assistant says; the rest is context.",
    )
