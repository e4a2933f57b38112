"""The cost calculator says what `estimate` and `break_even` say, for chosen numbers."""

import pytest

from finetune_kit import break_even, cost_calculator, estimate
from finetune_kit.dataset.money import usd
from tests.learner import PROVERBS

TRAIN = PROVERBS / "train.jsonl"
MODEL = "gpt-4.1-mini"


def sliders(calculator):
    return {one.description: one for one in calculator.controls().children}


def test_the_numbers_are_those_of_estimate_and_break_even():
    calculator = cost_calculator(TRAIN, MODEL, calls=5_000, saved_tokens=1_000)
    shown = sliders(calculator)
    shown["Epochs"].value = 7
    shown["Tokens saved a call"].value = 2_000
    text = repr(calculator.result())
    cost = estimate(TRAIN, MODEL, 7)
    gain = break_even(TRAIN, MODEL, 2_000, n_epochs=7)
    for amount in (cost.low, cost.likely, cost.high):
        assert usd(amount) in text
    for calls in gain.calls:
        assert f"{calls:,}" in text
    assert f"{gain.calls[1] / 5_000:,.1f}" in text


def test_more_calls_a_month_shorten_the_months_only():
    calculator = cost_calculator(TRAIN, MODEL, calls=200)
    few = calculator.result().parts[0].rows
    sliders(calculator)["Calls a month"].value = 400
    many = calculator.result().parts[0].rows
    assert few[:2] == many[:2]
    assert float(many[2][2]) == pytest.approx(float(few[2][2]) / 2, abs=0.1)


def test_where_tuned_calls_cost_more_it_is_never():
    text = repr(cost_calculator(TRAIN, MODEL, saved_tokens=0))
    assert text.count("never") == 7  # two rows of three, and the chart's words


def test_a_model_without_a_price_is_refused_at_once():
    with pytest.raises(ValueError, match="No training price is known"):
        cost_calculator(TRAIN, "o4-mini")
    with pytest.raises(ValueError, match=r"untuned 'gpt-3\.5-turbo'"):
        cost_calculator(TRAIN, "gpt-3.5-turbo")
    assert "price of training" in repr(
        cost_calculator(TRAIN, "gpt-3.5-turbo", against="gpt-4.1")
    )
