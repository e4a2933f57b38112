"""The weights in the package are those that the model card speaks of."""

from finetune_kit.engines.tinygpt import weights


def test_the_model_card_names_the_sha256_of_the_shipped_weights():
    card = weights.shipped().with_name("MODEL_CARD.md").read_text(encoding="utf-8")
    assert f"`{weights.sha256()}`" in card


def test_the_shipped_weights_are_less_than_3_mb():
    assert weights.shipped().stat().st_size < 3_000_000
