"""The weights in the package are those that the model card speaks of."""

import pytest

from finetune_kit.engines.tinygpt import weights

both = pytest.mark.parametrize("name", [weights.SHIPPED, weights.TASKS])


@both
def test_the_model_card_names_the_sha256_of_the_shipped_weights(name):
    path = weights.shipped(name)
    card = path.with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"`{weights.sha256(path)}`" in card


@both
def test_the_shipped_weights_are_less_than_4_mb(name):
    assert weights.shipped(name).stat().st_size < 4_000_000
