"""What the tests of the learner's half share: a workspace of their own."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from openai.types.chat import ChatCompletionMessage

from finetune_kit import local_server

ROOT = Path(__file__).resolve().parents[1]
PROVERBS = ROOT / "data" / "proverbs"
SYSTEM = "You are a smart assistant that replies with Latin proverbs."


@contextmanager
def fresh_home(folder: Path) -> Iterator[Path]:
    """A new deterministic workspace in ``folder``; its server is stopped at the end."""
    before = dict(os.environ)
    os.environ.update(FINETUNE_KIT_HOME=str(folder), FINETUNE_KIT_DETERMINISTIC="1")
    os.environ.pop("FINETUNE_KIT_TARGET", None)
    try:
        yield folder
    finally:
        os.environ["FINETUNE_KIT_HOME"] = str(folder)
        if server := local_server.find():
            local_server.stop(server)
        os.environ.clear()
        os.environ.update(before)


def chat_file(path: Path, rows: int) -> Path:
    """The first ``rows`` of the proverbs' training rows, as a file of their own."""
    lines = (PROVERBS / "train.jsonl").read_text(encoding="utf-8").splitlines()
    path.write_text("\n".join(lines[:rows]) + "\n", encoding="utf-8")
    return path


def faulty_file(path: Path) -> Path:
    """Ten chat rows, the third with the role `assitant`."""
    rows = [json.loads(line) for line in chat_file(path, 10).open(encoding="utf-8")]
    rows[2]["messages"][-1]["role"] = "assitant"
    path.write_text("".join(f"{json.dumps(row)}\n" for row in rows), encoding="utf-8")
    return path


class FakeClient:
    """Keeps what was asked; always gives the same message."""

    def __init__(self, **message: Any) -> None:
        self.sent: list[dict[str, Any]] = []
        self.message = ChatCompletionMessage(role="assistant", **message)
        self.chat = SimpleNamespace(completions=self)

    def create(self, **request: Any) -> SimpleNamespace:
        self.sent.append(request)
        return SimpleNamespace(choices=[SimpleNamespace(message=self.message)])
