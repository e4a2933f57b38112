"""What `auto` becomes (contract 2.6)."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from finetune_kit import catalog
from finetune_kit.localapi import hyperparameters


@pytest.mark.parametrize(
    ("examples", "epochs"),
    [(1, 25), (3, 25), (10, 10), (33, 3), (34, 3), (100, 3), (8333, 3), (8334, 2)],
)
def test_auto_epochs_follow_the_cookbook_s_rule(examples, epochs):
    base = catalog.base("gpt-4o-mini")
    resolved = hyperparameters.resolved(hyperparameters.of_request({}), examples, base)
    assert resolved["n_epochs"] == epochs


@pytest.mark.parametrize(
    ("examples", "size"), [(10, 1), (101, 1), (1000, 2), (50_000, 100), (10**6, 256)]
)
def test_auto_batch_size_is_a_five_hundredth_of_the_examples(examples, size):
    assert hyperparameters.auto_batch_size(examples) == size


@given(examples=st.integers(1, 10**7))
def test_auto_always_gives_values_that_a_request_may_give(examples):
    base = catalog.base("gpt-4o-mini")
    automatic = hyperparameters.of_request({})
    resolved = hyperparameters.resolved(automatic, examples, base)
    assert hyperparameters.of_request({"hyperparameters": resolved}) == resolved


def test_a_given_value_stays():
    given_values = {
        "n_epochs": 7,
        "batch_size": "auto",
        "learning_rate_multiplier": 0.1,
    }
    base = catalog.base("gpt-4o-mini")
    assert hyperparameters.resolved(given_values, 100, base) == {
        "n_epochs": 7,
        "batch_size": 1,
        "learning_rate_multiplier": 0.1,
    }
