"""The worker process, as the server starts it: spec in, events and checkpoints out."""

import json
import math
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROWS = [
    {
        "messages": [
            {"role": "user", "content": f"Say the number {i}"},
            {"role": "assistant", "content": f"The number is {i}"},
        ]
    }
    for i in range(12)
]


def make_job(folder: Path, **changes: Any) -> Path:
    (folder / "train.jsonl").write_text("\n".join(map(json.dumps, ROWS)), "utf-8")
    spec = {
        "version": 1,
        "job_id": "ftjob-test",
        "method": "supervised",
        "base_weights": None,
        "base_sha256": "",
        "training_file": str(folder / "train.jsonl"),
        "validation_file": str(folder / "train.jsonl"),
        "hyperparameters": {
            "n_epochs": 4,
            "batch_size": 2,
            "learning_rate_multiplier": 1.0,
        },
        "learning_rate": 5e-4,
        "seed": 7,
        "resume_from": None,
        "pace_seconds_per_step": 0.0,
    }
    (folder / "spec.json").write_text(json.dumps(spec | changes), "utf-8")
    return folder


def start(folder: Path) -> "subprocess.Popen[bytes]":
    return subprocess.Popen(
        [sys.executable, "-m", "finetune_kit.engines.tinygpt.worker", str(folder)]
    )


def events(folder: Path) -> list[dict[str, Any]]:
    path = folder / "events.jsonl"
    if not path.exists():
        return []
    lines = path.read_text("utf-8").splitlines(keepends=True)
    return [json.loads(line) for line in lines if line.endswith("\n")]


def steps(folder: Path) -> list[int]:
    return [e["data"]["step"] for e in events(folder) if e["type"] == "metrics"]


def wait_for_step(folder: Path, step: int) -> None:
    deadline = time.monotonic() + 180
    while step not in steps(folder):
        assert time.monotonic() < deadline, "the worker makes no progress"
        time.sleep(0.02)


def weights_of(folder: Path, step: int) -> bytes:
    import numpy as np

    with np.load(folder / "ckpt" / f"step-{step}" / "weights.npz") as arrays:
        return b"".join(arrays[name].tobytes() for name in sorted(arrays.files))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = make_job(tmp_path_factory.mktemp("job"))
    assert start(folder).wait(180) == 0
    return folder


def test_every_step_is_logged_once_in_order(finished: Path) -> None:
    lines = events(finished)
    assert [e["seq"] for e in lines] == list(range(1, len(lines) + 1))
    assert steps(finished) == list(range(1, 25))
    assert lines[-1]["type"] == "done"
    assert lines[-1]["path"] == "ckpt/step-24"


def test_each_epoch_makes_a_checkpoint_and_the_last_three_are_kept(
    finished: Path,
) -> None:
    made = [e["step"] for e in events(finished) if e["type"] == "checkpoint"]
    assert made == [6, 12, 18, 24]
    kept = sorted(p.name for p in (finished / "ckpt").iterdir())
    assert kept == ["step-12", "step-18", "step-24"]


def test_a_killed_worker_goes_on_and_ends_with_the_same_events_and_weights(
    finished: Path, tmp_path: Path
) -> None:
    folder = make_job(tmp_path, pace_seconds_per_step=0.2)
    first = start(folder)
    wait_for_step(folder, 9)
    first.kill()
    first.wait()
    make_job(tmp_path)
    assert start(folder).wait(180) == 0
    expected = [(e["type"], e.get("data")) for e in events(finished)]
    assert [(e["type"], e.get("data")) for e in events(folder)] == expected
    assert weights_of(folder, 24) == weights_of(finished, 24)


def test_a_half_written_line_is_cut_off_and_written_again(
    finished: Path, tmp_path: Path
) -> None:
    folder = make_job(tmp_path)
    whole = (finished / "events.jsonl").read_bytes()
    (folder / "events.jsonl").write_bytes(whole[:200])
    assert start(folder).wait(180) == 0
    assert steps(folder) == list(range(1, 25))


def test_a_worker_killed_between_a_checkpoint_and_its_line_writes_the_line(
    finished: Path, tmp_path: Path
) -> None:
    folder = make_job(tmp_path)
    lines = (finished / "events.jsonl").read_text("utf-8").splitlines(keepends=True)
    found = [json.loads(line) for line in lines]
    saved = next(i for i, e in enumerate(found) if e.get("path") == "ckpt/step-18")
    (folder / "events.jsonl").write_text("".join(lines[:saved]), "utf-8")
    for step in (12, 18):
        name = f"ckpt/step-{step}"
        shutil.copytree(finished / name, folder / name)
    assert start(folder).wait(180) == 0
    assert [(e["type"], e.get("step")) for e in events(folder)] == [
        (e["type"], e.get("step")) for e in found
    ]
    assert weights_of(folder, 24) == weights_of(finished, 24)


@pytest.mark.parametrize("save", [True, False])
def test_a_stop_file_ends_the_worker_with_or_without_a_checkpoint(
    tmp_path: Path, save: bool
) -> None:
    folder = make_job(tmp_path, pace_seconds_per_step=1.0)  # an epoch has six
    worker = start(folder)
    wait_for_step(folder, 1)
    (folder / "stop.json").write_text(json.dumps({"save": save}), "utf-8")
    assert worker.wait(180) == 0
    last = events(folder)[-1]
    assert (last["type"], last["saved"]) == ("stopped", save)
    assert (folder / "ckpt").exists() == save


@pytest.mark.skipif(sys.platform == "win32", reason="no SIGTERM on Windows")
def test_sigterm_ends_the_worker_quietly(tmp_path: Path) -> None:
    folder = make_job(tmp_path, pace_seconds_per_step=0.05)
    worker = start(folder)
    wait_for_step(folder, 2)
    worker.send_signal(signal.SIGTERM)
    assert worker.wait(180) == 0


def test_too_long_an_example_is_cut_and_told(tmp_path: Path) -> None:
    row = {"messages": [{"role": "assistant", "content": "word " * 1000}]}
    make_job(tmp_path)
    rows = [*ROWS, row]
    (tmp_path / "train.jsonl").write_text("\n".join(map(json.dumps, rows)), "utf-8")
    assert start(tmp_path).wait(180) == 0
    told = [e["message"] for e in events(tmp_path) if e["type"] == "message"]
    assert any("Example 13 is longer than the 512 tokens" in text for text in told)


def test_missing_weights_end_with_an_error_line(tmp_path: Path) -> None:
    folder = make_job(tmp_path, base_weights=str(tmp_path / "nothing.npz"))
    assert start(folder).wait(180) == 1
    assert events(folder)[-1]["type"] == "error"


def test_a_loss_that_is_no_number_ends_the_job_and_says_what_to_change(
    tmp_path: Path,
) -> None:
    folder = make_job(tmp_path, learning_rate=1e30)
    assert start(folder).wait(180) == 1
    *before, error = events(folder)
    assert error["type"] == "error"
    assert "lower learning_rate_multiplier" in error["message"]
    assert all(math.isfinite(event["data"]["train_loss"]) for event in before)


def test_a_job_of_one_step_ends_with_whole_weights_or_not_at_all(
    tmp_path: Path,
) -> None:
    once = {"n_epochs": 1, "batch_size": 12, "learning_rate_multiplier": 1.0}
    folder = make_job(tmp_path, learning_rate=1e300, hyperparameters=once)
    assert start(folder).wait(180) == 1
    assert not (folder / "ckpt").exists()


def test_answers_beyond_the_context_cannot_be_learnt_and_the_error_says_so(
    tmp_path: Path,
) -> None:
    folder = make_job(tmp_path)
    question = {"role": "user", "content": "word " * 1000}
    row = {"messages": [question, {"role": "assistant", "content": "Yes."}]}
    (folder / "train.jsonl").write_text(json.dumps(row), "utf-8")
    assert start(folder).wait(180) == 1
    assert "within the first 512 tokens" in events(folder)[-1]["message"]


def test_a_carriage_return_between_tokens_of_json_is_white_space(tmp_path):
    folder = make_job(tmp_path)
    lines = [json.dumps(row).replace('": [', '":\r [') for row in ROWS]
    data = b"\xef\xbb\xbf" + "\r\n".join(lines).encode()
    (folder / "train.jsonl").write_bytes(data)
    assert start(folder).wait(60) == 0
    assert events(folder)[-1]["type"] == "done"


@pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")
def test_without_room_for_a_checkpoint_it_ends_without_a_last_word_and_goes_on_later(
    tmp_path: Path,
) -> None:
    import resource

    folder = make_job(tmp_path, pace_seconds_per_step=0.2)
    worker = start(folder)
    wait_for_step(folder, 1)
    limits = (2**20, resource.RLIM_INFINITY)  # the weights have 2.4 MB
    resource.prlimit(worker.pid, resource.RLIMIT_FSIZE, limits)
    assert worker.wait(180) == 1
    assert {event["type"] for event in events(folder)} == {"metrics"}
    assert start(folder).wait(180) == 0
    assert steps(folder) == list(range(1, 25))


@pytest.mark.skipif(sys.platform == "win32", reason="there folders in use stay")
def test_a_folder_that_was_moved_is_not_made_again(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    folder = make_job(tmp_path / "here", pace_seconds_per_step=0.2)
    worker = start(folder)
    wait_for_step(folder, 1)
    there = folder.rename(tmp_path / "there")
    assert worker.wait(180) == 1
    assert not folder.exists()
    assert {event["type"] for event in events(there)} == {"metrics"}
