"""Fine-tuning is reproducible, continues where it stopped, and really learns."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from finetune_kit.engines.tinygpt.chat import Example, encode_example
from finetune_kit.engines.tinygpt.model import Config, Parameters
from finetune_kit.engines.tinygpt.tokenizer import load
from finetune_kit.engines.tinygpt.train import Settings, Training

SMALL = Config(n_layer=2, n_head=2, n_embd=32, context=64)
ROWS = [
    {
        "messages": [
            {"role": "system", "content": "Count."},
            {"role": "user", "content": f"What comes after {i}?"},
            {"role": "assistant", "content": f"{i + 1} comes after {i}."},
        ]
    }
    for i in range(12)
]


def examples(rows: Sequence[dict] = ROWS) -> list[Example]:
    return [encode_example(load(), row, SMALL.context) for row in rows]


def training(seed: int = 1, n_epochs: int = 3) -> Training:
    settings = Settings(n_epochs, batch_size=2, learning_rate=1e-2, seed=seed)
    p = Parameters.initial(SMALL, seed=0)
    return Training(p, examples(), examples()[:5], settings)


def test_the_same_seed_gives_the_same_weights_and_another_seed_others() -> None:
    runs = [training(seed=1), training(seed=1), training(seed=2)]
    for run in runs:
        list(run)
    assert runs[0].p.flat.tobytes() == runs[1].p.flat.tobytes()
    assert runs[0].p.flat.tobytes() != runs[2].p.flat.tobytes()


@pytest.mark.parametrize("rate", [1e9, 1e25])
def test_a_model_that_has_burst_is_no_model_of_full_accuracy(rate: float) -> None:
    settings = Settings(2, batch_size=6, learning_rate=rate, seed=1)
    p = Parameters.initial(SMALL, seed=0)
    with pytest.raises(FloatingPointError, match="learning rate is far too high"):
        list(Training(p, examples(), examples()[:5], settings))


@pytest.mark.parametrize("rate", [1e4, 1e9, 1e25])
def test_it_is_found_where_the_processor_reports_no_overflow(
    rate: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As NumPy has it of products on Apple's M4 (numpy#28687)."""
    silent = np.errstate
    monkeypatch.setattr(np, "errstate", lambda **_: silent(all="ignore"))
    test_a_model_that_has_burst_is_no_model_of_full_accuracy(rate)


def test_an_overflow_that_is_reported_of_any_product_ends_no_training(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    def as_on_an_m4(*given: Any) -> Any:
        np.multiply(np.float32(3e38), np.float32(3e38))
        return plain(*given)

    plain = np.vecdot
    monkeypatch.setattr(np, "vecdot", as_on_an_m4)
    assert len(list(training(n_epochs=1))) == 6


@pytest.mark.parametrize("stopped_at", [1, 6, 11])
def test_a_saved_and_continued_run_equals_an_uninterrupted_one(
    tmp_path: Path, stopped_at: int
) -> None:
    whole = training()
    expected = list(whole)
    first = training()
    before = [first.step() for _ in range(stopped_at)]
    first.save_state(tmp_path)
    second = training()
    second.load_state(tmp_path)
    assert before + list(second) == expected
    assert second.p.flat.tobytes() == whole.p.flat.tobytes()


def test_the_loss_falls_and_validation_is_measured_when_it_should_be() -> None:
    run = training(n_epochs=8)
    metrics = list(run)
    assert [m["step"] for m in metrics] == list(range(1, 49))
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"] / 2
    assert [m["step"] for m in metrics if "full_valid_loss" in m] == list(
        range(6, 49, 6)
    )
    assert {10, 20, 30, 40} <= {m["step"] for m in metrics if "valid_loss" in m}


def test_only_assistant_messages_with_weight_are_learnt() -> None:
    row = {
        "messages": [
            {"role": "user", "content": "one"},
            {"role": "assistant", "content": "two", "weight": 0},
            {"role": "user", "content": "three"},
            {"role": "assistant", "content": "four"},
        ]
    }
    example = encode_example(load(), row, context=64)
    learnt = [t for t, w in zip(example.tokens, example.weights, strict=True) if w]
    assert load().decode(learnt) == "four"


def test_a_prompt_is_read_and_only_its_completion_is_learnt() -> None:
    example = encode_example(
        load(), {"prompt": "one two", "completion": " three"}, context=64
    )
    learnt = [t for t, w in zip(example.tokens, example.weights, strict=True) if w]
    assert load().decode(learnt).strip() == "three"


def test_an_example_longer_than_the_context_is_cut_and_says_so() -> None:
    row = {"messages": [{"role": "assistant", "content": "word " * 100}]}
    example = encode_example(load(), row, context=16)
    assert example.truncated
    assert len(example.tokens) == len(example.weights) == 17


def test_weights_are_saved_and_loaded_unchanged(tmp_path: Path) -> None:
    from finetune_kit.engines.tinygpt import weights

    p = Parameters.initial(SMALL, seed=3)
    weights.save(p, tmp_path / "model.npz")
    np.testing.assert_array_equal(weights.load(tmp_path / "model.npz").flat, p.flat)
