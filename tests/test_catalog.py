"""The catalog: names, aliases, dates and prices, each with where it comes from."""

import tomllib
from datetime import date
from importlib import resources

import pytest

from finetune_kit import catalog

EVIDENCE = {"official", "observed", "assumed", "ours"}
TRAINED_ON_THE_SERVICE = [
    "gpt-4.1-2025-04-14",
    "gpt-4.1-mini-2025-04-14",
    "gpt-4.1-nano-2025-04-14",
    "gpt-4o-2024-08-06",
    "gpt-4o-mini-2024-07-18",
    "o4-mini-2025-04-16",
    "gpt-3.5-turbo-0613",
    "gpt-3.5-turbo-1106",
    "gpt-3.5-turbo-0125",
    "gpt-4-0613",
    "babbage-002",
    "davinci-002",
]


def written() -> dict:
    path = resources.files("finetune_kit").joinpath("catalog.toml")
    return tomllib.loads(path.read_text(encoding="utf-8"))


@pytest.mark.parametrize(
    ("alias", "snapshot"),
    [
        ("gpt-4o-mini", "gpt-4o-mini-2024-07-18"),
        ("gpt-4o", "gpt-4o-2024-08-06"),
        ("gpt-4.1", "gpt-4.1-2025-04-14"),
        ("gpt-4.1-mini", "gpt-4.1-mini-2025-04-14"),
        ("gpt-4.1-nano", "gpt-4.1-nano-2025-04-14"),
        ("o4-mini", "o4-mini-2025-04-16"),
        ("gpt-3.5-turbo", "gpt-3.5-turbo-0125"),
        ("gpt-4", "gpt-4-0613"),
        ("gpt-3.5-turbo-0613", "gpt-3.5-turbo-0613"),
        ("tinygpt", "tinygpt"),
    ],
)
def test_an_alias_resolves_to_its_snapshot(alias, snapshot):
    assert catalog.base(alias).name == snapshot


def test_a_name_that_nobody_knows_resolves_to_nothing():
    assert catalog.base("gpt-9") is None


def test_no_name_stands_for_two_models():
    names = [name for base in catalog.bases() for name in (base.name, *base.aliases)]
    assert len(names) == len(set(names))


@pytest.mark.parametrize("name", TRAINED_ON_THE_SERVICE)
def test_every_base_of_the_service_is_tunable_here(name):
    assert catalog.base(name).tunable


@pytest.mark.parametrize("name", ["ada", "babbage", "curie", "davinci"])
def test_the_bases_of_the_2023_api_are_known_but_not_tunable_through_jobs(name):
    assert not catalog.base(name).tunable
    assert catalog.base(name).shutdown_date == date(2024, 1, 4)


@pytest.mark.parametrize("base", catalog.bases(), ids=lambda base: base.name)
def test_the_auto_multiplier_gives_the_engines_good_rate(base):
    rate = base.auto_learning_rate_multiplier * base.learning_rate
    assert rate == pytest.approx(2.5e-4)


@pytest.mark.parametrize("base", catalog.bases(), ids=lambda base: base.name)
def test_a_base_has_an_encoding_that_is_shipped_and_sensible_limits(base):
    assert base.encoding in {"o200k_base", "cl100k_base"}
    assert 0 < base.training_example_tokens <= base.context_window


def test_the_multiplier_of_gpt_4o_mini_is_the_observed_one():
    assert catalog.base("gpt-4o-mini").auto_learning_rate_multiplier == 1.8
    assert catalog.base("gpt-3.5-turbo").auto_learning_rate_multiplier == 2


@pytest.mark.parametrize(
    ("name", "training", "input_", "output"),
    [
        ("gpt-4.1", 25, 3, 12),
        ("gpt-4.1-mini", 5, 0.8, 3.2),
        ("gpt-4o-mini", 3, 0.3, 1.2),
        ("gpt-3.5-turbo", 8, 3, 6),
        ("babbage-002", 0.4, 1.6, 1.6),
        ("davinci", 30, 120, 120),
        ("tinygpt", 0, 0, 0),
    ],
)
def test_last_known_prices_are_those_of_the_dated_page(name, training, input_, output):
    prices = catalog.base(name).prices
    assert (prices.training, prices.input, prices.output) == (training, input_, output)
    assert prices.source.date
    assert prices.source.text


def test_reinforcement_is_priced_by_the_hour():
    prices = catalog.base("o4-mini").prices
    assert prices.training is None
    assert prices.training_hour == 100


def test_the_last_four_bases_end_in_january_2027():
    ending = {b.name for b in catalog.bases() if b.shutdown_date == date(2027, 1, 14)}
    assert ending == set(TRAINED_ON_THE_SERVICE[:2] + TRAINED_ON_THE_SERVICE[3:5])
    for name in ending:
        assert catalog.base(name).training_end_date == date(2027, 1, 6)


def test_our_own_model_never_ends():
    assert catalog.base("tinygpt").shutdown_date is None


def test_every_figure_names_a_source_with_text_date_and_evidence():
    sources = written()["sources"]
    for name, entry in written()["models"].items():
        for key, figure in entry.items():
            if key in {"aliases", "chat"}:
                continue
            assert figure["source"] in sources, f"{name}.{key}"
    for source in sources.values():
        assert set(source) == {"text", "date", "evidence"}
        assert isinstance(source["date"], date)
        assert source["evidence"] in EVIDENCE


def test_every_source_is_used():
    used = {
        figure["source"]
        for entry in [*written()["models"].values(), written()["engine"]]
        for figure in entry.values()
        if isinstance(figure, dict)
    }
    assert used == set(written()["sources"])
