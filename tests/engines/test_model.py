"""The backward pass and the KV cache against slow and plain references."""

import numpy as np
import pytest

from finetune_kit.engines.tinygpt.model import (
    Config,
    Parameters,
    all_logits,
    loss_and_gradient,
)
from finetune_kit.engines.tinygpt.reading import Cache, read, read_next

SMALL = Config(vocab_size=50, n_layer=2, n_head=2, n_embd=16, context=32)


def small_batch() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(0)
    tokens = rng.integers(0, SMALL.vocab_size, (3, 9))
    weights = rng.integers(0, 2, (3, 8)).astype(np.float32)
    return tokens[:, :-1], tokens[:, 1:], weights


def in_double_precision(seed: int) -> Parameters:
    p = Parameters.initial(SMALL, seed)
    return Parameters(SMALL, (p.flat * 5).astype(np.float64))  # far from linear


@pytest.mark.parametrize("name", list(Parameters(SMALL).views))
def test_the_gradient_equals_finite_differences(name: str) -> None:
    p = in_double_precision(seed=1)
    inputs, targets, weights = small_batch()
    g = Parameters(SMALL, np.zeros_like(p.flat))
    loss_and_gradient(p, inputs, targets, weights, g)
    rng = np.random.default_rng(2)
    view = p[name].reshape(-1)
    for i in rng.choice(view.size, size=5, replace=False):
        kept, h = view[i], 1e-6
        view[i] = kept + h
        above = loss_and_gradient(p, inputs, targets, weights).loss
        view[i] = kept - h
        below = loss_and_gradient(p, inputs, targets, weights).loss
        view[i] = kept
        expected = (above - below) / (2 * h)
        assert g[name].reshape(-1)[i] == pytest.approx(expected, rel=1e-4, abs=1e-7)


@pytest.mark.parametrize("alike", [1, 4, 7])
def test_a_common_beginning_is_read_once_and_changes_nothing(alike: int) -> None:
    p = in_double_precision(seed=1)
    inputs, targets, single = small_batch()
    weights = single.astype(np.float64)
    inputs[:, :alike] = inputs[0, :alike]
    weights[:, :alike] = 0.0
    weights[:, -1] = 1.0
    together, apart = (Parameters(SMALL, np.zeros_like(p.flat)) for _ in range(2))
    loss = loss_and_gradient(p, inputs, targets, weights, together)
    one, losses = Parameters(SMALL, np.zeros_like(p.flat)), []
    for row in range(len(inputs)):  # alone, a sequence has nothing in common
        part = slice(row, row + 1)
        found = loss_and_gradient(p, inputs[part], targets[part], weights[part], one)
        share = weights[row].sum() / weights.sum()
        apart.flat += share * one.flat
        losses.append(share * found.loss)
    assert loss.loss == pytest.approx(sum(losses), rel=1e-9)
    np.testing.assert_allclose(together.flat, apart.flat, atol=1e-9)


def test_reading_token_by_token_equals_the_full_forward_pass() -> None:
    p = Parameters.initial(SMALL, seed=3)
    tokens = np.random.default_rng(4).integers(0, SMALL.vocab_size, 12)
    full = all_logits(p, tokens[None])[0]
    cache = Cache(SMALL)
    first = read(p, tokens[:5], cache)
    np.testing.assert_allclose(first, full[4], atol=1e-5)
    other = cache.copy()
    for i in range(5, 12):
        one_by_one = read(p, tokens[i : i + 1], cache)
        np.testing.assert_allclose(one_by_one, full[i], atol=1e-5)
        (beside_others,) = read_next(p, [int(tokens[i])], [other])
        np.testing.assert_allclose(beside_others, full[i], atol=1e-5)


def test_a_position_never_sees_what_comes_after_it() -> None:
    p = Parameters.initial(SMALL, seed=5)
    tokens = np.random.default_rng(6).integers(0, SMALL.vocab_size, (1, 10))
    changed = tokens.copy()
    changed[0, 6:] = 7
    before, after = all_logits(p, tokens), all_logits(p, changed)
    np.testing.assert_array_equal(before[0, :6], after[0, :6])
    assert not np.allclose(before[0, 6], after[0, 6])
