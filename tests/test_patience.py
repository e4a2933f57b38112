"""Files that another program has open: Windows refuses, and is asked again."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from pathlib import Path

import pytest

from finetune_kit import workspace
from finetune_kit.dataset.saving import write_lines
from finetune_kit.engines.tinygpt import weights
from finetune_kit.localapi import validation
from finetune_kit.localapi.runner import write_json
from finetune_kit.localapi.store import copy_file
from finetune_kit.patience import patiently


def refuse(monkeypatch: pytest.MonkeyPatch, name: str, times: int) -> None:
    """Let a method of Path fail so often for each path, as Windows lets it."""
    plain, asked = getattr(Path, name), Counter[Path]()

    def called(path: Path, *given: object, **named: object) -> object:
        asked[path] += 1
        if asked[path] <= times and path.suffix != ".toml":
            raise PermissionError(13, "The process cannot access the file")
        return plain(path, *given, **named)

    monkeypatch.setattr(Path, name, called)


def remember(folder: Path) -> None:
    workspace.remember(seed=7)


def save_weights(folder: Path) -> None:
    weights.save(weights.load(None), folder / "w.npz", half=True)


def copy(folder: Path) -> None:
    (folder / "a").write_bytes(b"a")
    copy_file(folder / "a", folder / "b")


@pytest.mark.parametrize(
    "write",
    [
        lambda folder: write_json(folder / "server.json", {}),
        lambda folder: write_lines(folder / "rows.jsonl", ["{}"]),
        copy,
        remember,
        save_weights,
    ],
)
def test_a_virus_scanner_that_looks_at_a_new_file_is_waited_for(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, write: Callable[[Path], None]
):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    refuse(monkeypatch, "replace", times=3)
    write(tmp_path)


def test_what_is_being_replaced_is_read_a_moment_later(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setenv("FINETUNE_KIT_HOME", str(tmp_path))
    workspace.remember(seed=7)
    write_json(tmp_path / "tokens.json", {"tokens": 12})
    refuse(monkeypatch, "read_text", times=3)
    assert workspace.facts() == {"seed": 7}
    assert validation.tokens(tmp_path) == 12


def test_a_refusal_that_stays_is_told():
    def act() -> None:
        asked.append(1)
        raise PermissionError(13, "Permission denied")

    asked: list[int] = []
    with pytest.raises(PermissionError):
        patiently(act)
    assert len(asked) > 1


def test_a_job_s_copy_of_a_file_is_no_link_on_windows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    """There nobody could delete a file whose other link is just read by a job."""
    (tmp_path / "file").write_bytes(b"rows")
    monkeypatch.setattr(sys, "platform", "win32")
    copy_file(tmp_path / "file", tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == b"rows"
    assert not (tmp_path / "copy").samefile(tmp_path / "file")
