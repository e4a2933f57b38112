"""The models that the local API answers to: limits, dates, last known prices.

Figures live in ``catalog.toml``, each with the text it comes from, the date of that
text, and how good the evidence is; this module only reads them.
"""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from importlib import resources
from typing import Any


@dataclass(frozen=True, slots=True)
class Source:
    """Where a figure comes from; evidence: official, observed, assumed or ours."""

    text: str
    date: date
    evidence: str


@dataclass(frozen=True, slots=True)
class Prices:
    """Last known prices of a model, USD per million tokens.

    ``training`` is per million tokens trained (file x epochs), ``training_hour`` USD
    per hour of a reinforcement job. None: never offered, or not known.
    """

    source: Source
    training: float | None = None
    training_hour: float | None = None
    input: float | None = None
    cached: float | None = None
    output: float | None = None
    batch_input: float | None = None
    batch_output: float | None = None


@dataclass(frozen=True, slots=True)
class Base:
    """A base model under the name of its snapshot.

    ``methods`` are those that ``POST /v1/fine_tuning/jobs`` took for it; ``prices``
    are those of a model tuned from it, ``untuned`` those of calls to the base itself;
    ``learning_rate`` is the engine's peak rate that a multiplier of 1 stands for, so
    that the auto multiplier gives the same good rate for every base.
    """

    name: str
    aliases: tuple[str, ...]
    created: int
    chat: bool
    methods: tuple[str, ...]
    encoding: str
    context_window: int
    training_example_tokens: int
    auto_learning_rate_multiplier: float
    learning_rate: float
    training_end_date: date | None
    shutdown_date: date | None
    prices: Prices | None
    untuned: Prices | None
    sources: dict[str, Source] = field(hash=False, repr=False)

    @property
    def encoding_is_approximate(self) -> bool:
        """True where the model's own vocabulary is not shipped, and another counts."""
        return "approximate" in self.sources["encoding"].text

    @property
    def tunable(self) -> bool:
        """True where ``POST /v1/fine_tuning/jobs`` ever took this model as a base."""
        return bool(self.methods)


def base(name: str) -> Base | None:
    """The base called ``name`` (a snapshot or an alias such as ``gpt-4o-mini``)."""
    return _by_name().get(name)


def bases() -> list[Base]:
    """All bases, in the order of ``catalog.toml``: our own first, then newest first."""
    return list(_read().values())


@cache
def _by_name() -> dict[str, Base]:
    return _read() | {alias: base for base in bases() for alias in base.aliases}


@cache
def _read() -> dict[str, Base]:
    text = resources.files(__package__).joinpath("catalog.toml")
    catalog = tomllib.loads(text.read_text(encoding="utf-8"))
    sources = {name: Source(**entry) for name, entry in catalog["sources"].items()}
    rate = catalog["engine"]["learning_rate"]["value"]
    return {
        name: _base(name, entry, rate, sources)
        for name, entry in catalog["models"].items()
    }


def _base(
    name: str, entry: dict[str, Any], rate: float, sources: dict[str, Source]
) -> Base:
    figures = {key: item for key, item in entry.items() if isinstance(item, dict)}
    values: dict[str, Any] = {
        key: item["value"] for key, item in figures.items() if "value" in item
    }
    return Base(
        name=name,
        aliases=tuple(entry.get("aliases", ())),
        created=values["created"],
        chat=entry.get("chat", True),
        methods=tuple(values["methods"]),
        encoding=values["encoding"],
        context_window=values["context_window"],
        training_example_tokens=values["training_example_tokens"],
        auto_learning_rate_multiplier=values["auto_learning_rate_multiplier"],
        learning_rate=rate / values["auto_learning_rate_multiplier"],
        training_end_date=values.get("training_end_date"),
        shutdown_date=values.get("shutdown_date"),
        prices=_prices(entry.get("prices"), sources),
        untuned=_prices(entry.get("untuned"), sources),
        sources={key: sources[item["source"]] for key, item in figures.items()},
    )


def _prices(
    figures: dict[str, Any] | None, sources: dict[str, Source]
) -> Prices | None:
    if figures is None:
        return None
    amounts = {key: value for key, value in figures.items() if key != "source"}
    return Prices(source=sources[figures["source"]], **amounts)
