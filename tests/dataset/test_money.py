"""The price of training as a range, and when it has paid for itself."""

import pytest

from finetune_kit import catalog
from finetune_kit.dataset.money import auto_epochs, break_even, estimate, usd
from finetune_kit.dataset.sizes import sizes
from tests.learner import PROVERBS, chat_file

TRAIN = PROVERBS / "train.jsonl"


def test_likely_is_tokens_times_epochs_times_the_dated_price():
    price = estimate(TRAIN, "gpt-4.1-mini")
    assert price.likely == pytest.approx(price.tokens * 3 * 5 / 1e6)
    assert "2025-11-01" in repr(price)
    assert "pricing page" in price._repr_html_()


@pytest.mark.parametrize(("rows", "epochs"), [(10, 10), (34, 3), (100, 3)])
def test_auto_takes_the_cookbooks_epochs_one_less_and_one_more(rows, epochs, tmp_path):
    price = estimate(chat_file(tmp_path / "rows.jsonl", rows), "gpt-4o")
    assert price.n_epochs == (epochs - 1, epochs, epochs + 1)
    assert price.low < price.likely < price.high


def test_epochs_that_are_given_are_sure():
    price = estimate(TRAIN, "gpt-4o", n_epochs=2)
    assert price.n_epochs == (2, 2, 2)
    assert price.low < price.likely < price.high


def test_epochs_fall_to_one_for_large_files():
    assert [auto_epochs(n) for n in (0, 1, 12_500, 1_000_000)] == [25, 25, 2, 1]


def test_examples_over_the_limit_are_paid_up_to_it():
    long = {"messages": [{"role": "assistant", "content": "word " * 9000}]}
    assert estimate([long], "gpt-3.5-turbo-0613").tokens == 4096


@pytest.mark.parametrize("model", ["gpt-6", "gpt-4", "o4-mini"])
def test_without_a_price_by_the_token_there_is_no_estimate(model):
    with pytest.raises(ValueError, match=f"No training price is known for '{model}'"):
        estimate(TRAIN, model)


@pytest.mark.parametrize(
    "rows", [[], [{"question": "a", "answer": "b"}], [{"prompt": "", "completion": ""}]]
)
def test_where_there_is_nothing_to_train_on_there_is_no_price(rows):
    with pytest.raises(ValueError, match=r"nothing to train on.*check.*convert"):
        estimate(rows, "gpt-4.1-mini")
    with pytest.raises(ValueError, match="nothing to train on"):
        break_even(rows, "gpt-4.1-mini", 900)


def test_lines_that_are_not_counted_are_told_with_the_price(tmp_path):
    path = tmp_path / "half.jsonl"
    path.write_text(f"{TRAIN.read_text().splitlines()[0]}\nnot json\n")
    found = estimate(path, "gpt-4.1-mini")
    for shown in (repr(found), found._repr_html_()):
        assert "hold no example: 1 (line 2)" in shown


@pytest.mark.parametrize("n_epochs", [0, -1, 1.5, True, "3", None])
def test_epochs_are_a_whole_number_from_one_on(n_epochs):
    with pytest.raises(ValueError, match="whole number from 1 on"):
        estimate(TRAIN, "gpt-4.1-mini", n_epochs)


def test_our_own_model_is_free():
    assert estimate(TRAIN, "tinygpt").high == 0


def test_break_even_is_the_price_over_what_a_call_saves():
    gain = break_even(TRAIN, "gpt-4.1-mini", saved_tokens=1000)
    measured = sizes(TRAIN, "gpt-4.1-mini")
    answer = sum(measured.roles["assistant"]) / 100
    prompt = sum(measured.tokens) / 100 - answer
    today = (prompt + 1000) * 0.4 + answer * 1.6
    tuned = prompt * 0.8 + answer * 3.2
    cost = estimate(TRAIN, "gpt-4.1-mini").likely * 1e6
    assert gain.calls[1] == pytest.approx(cost / (today - tuned), abs=1)
    assert gain.calls[0] < gain.calls[1] < gain.calls[2]
    assert (gain.today, gain.tuned) == pytest.approx((today / 1e3, tuned / 1e3))


def test_a_tuned_model_that_saves_too_little_never_pays():
    gain = break_even(TRAIN, "gpt-4.1-mini", saved_tokens=5)
    assert gain.calls is None
    assert "never" in repr(gain)


def test_a_small_tuned_model_may_replace_a_large_one():
    alone = break_even(TRAIN, "gpt-4.1-mini", 500)
    against = break_even(TRAIN, "gpt-4.1-mini", 500, against="gpt-4.1")
    assert against.calls[1] < alone.calls[1]
    assert against.against == "gpt-4.1-2025-04-14"


def test_how_much_is_saved_must_be_known():
    with pytest.raises(TypeError, match=r"saved_tokens is None; give how many"):
        break_even(TRAIN, "gpt-4.1-mini", None)


def test_calls_of_the_base_cost_no_more_than_calls_of_the_tuned_model():
    for base in catalog.bases():
        if base.untuned:
            assert base.untuned.input <= base.prices.input
            assert base.untuned.output <= base.prices.output


@pytest.mark.parametrize(
    ("amount", "text"),
    [
        (0, "0.00 USD"),
        (0.00000001, "less than 0.0001 USD"),
        (0.0314, "0.031 USD"),
        (1234.5, "1,234.50 USD"),
    ],
)
def test_small_amounts_do_not_read_as_nothing(amount, text):
    assert usd(amount) == text
