"""What training costs, as a range, and after how many calls it has paid for itself.

Prices are the last known ones of the catalog, each with its date and source. The range
covers what cannot be known before: how the service counts, and how many epochs it
chooses when asked for `auto`.
"""

from __future__ import annotations

from dataclasses import dataclass
from numbers import Real
from typing import TYPE_CHECKING, Any, Literal

from finetune_kit import catalog
from finetune_kit.catalog import Base, Prices
from finetune_kit.display.cards import Card

if TYPE_CHECKING:
    from .read import Source
    from .sizes import Sizes

Epochs = int | Literal["auto"]

_TARGET_EPOCHS = 3
_LEAST_SEEN, _MOST_SEEN = 100, 25_000  # examples times epochs
_MOST_EPOCHS = 25

#: OpenAI's cookbook adds three tokens an example; that and a fifth more for what no
#: rule published so far counts (tool definitions, images) is the high end.
_PER_EXAMPLE = 3
_RESERVE = 1.2

#: How rows are counted for a model of another service: its own tokens are not known.
_COUNTED_LIKE = "gpt-4.1-mini"


@dataclass(frozen=True)
class Estimate:
    """What a job may cost, in USD: low, likely, high; with the price's source.

    ``tokens`` is what one epoch trains on, ``n_epochs`` its low, likely and high
    number, ``price`` USD per million trained tokens; ``left_out`` says which lines are
    not counted.
    """

    low: float
    likely: float
    high: float
    tokens: int
    source: str
    model: str = ""
    n_epochs: tuple[int, int, int] = (1, 1, 1)
    price: float = 0.0
    left_out: tuple[str, ...] = ()

    def __repr__(self) -> str:
        price = (
            f"{self.low:.2f} to {self.high:.2f} USD, likely {self.likely:.2f} "
            f"({self.tokens:,} tokens an epoch; {self.source})"
        )
        return "\n".join((price, *self.left_out))

    def to_dict(self) -> dict[str, Any]:
        low, likely, high = self.n_epochs
        return {
            "model": self.model,
            "usd": {"low": self.low, "likely": self.likely, "high": self.high},
            "tokens_per_epoch": self.tokens,
            "n_epochs": {"low": low, "likely": likely, "high": high},
            "usd_per_million_tokens": self.price,
            "source": self.source,
        }

    def lines(self) -> list[str]:
        low, likely, high = self.n_epochs
        epochs = f"{likely}" if low == high else f"{likely} ({low} to {high})"
        return [
            f"likely {usd(self.likely)}, between {usd(self.low)} and {usd(self.high)}",
            f"{self.tokens:,} tokens an epoch, n_epochs {epochs}, "
            f"{self.price:g} USD per million tokens",
            f"last known price: {self.source}",
        ]

    def _repr_html_(self) -> str:
        title = f"Training {self.model} would cost about {usd(self.likely)}"
        return Card(title, [*self.lines(), *self.left_out])._repr_html_()


@dataclass(frozen=True)
class BreakEven:
    """When a tuned model with a short prompt has paid for its training.

    ``today`` and ``tuned`` are USD for a thousand calls, ``training`` what training
    costs: low, likely, high; ``calls`` how many it takes at each of these prices, None
    where tuned calls are not cheaper.
    """

    model: str
    against: str
    today: float
    tuned: float
    saved_tokens: float
    training: tuple[float, float, float]
    calls: tuple[int, int, int] | None
    source: str

    def __repr__(self) -> str:
        return "\n".join([self._title(), *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        tone = "good" if self.calls else "warn"
        return Card(self._title(), self._lines(), tone)._repr_html_()

    def to_dict(self) -> dict[str, Any]:
        keys = ("low", "likely", "high")
        return {
            "model": self.model,
            "against": self.against,
            "usd_per_1000_calls": {"today": self.today, "tuned": self.tuned},
            "saved_tokens_per_call": self.saved_tokens,
            "calls": dict(zip(keys, self.calls, strict=True)) if self.calls else None,
            "source": self.source,
        }

    def _title(self) -> str:
        if self.calls is None:
            return "Training would never pay for itself by shorter prompts"
        return f"Training pays for itself after about {self.calls[1]:,} calls"

    def _lines(self) -> list[str]:
        lines = [
            f"1,000 calls of {self.against} with the long prompt: {usd(self.today)}",
            f"1,000 calls of the tuned {self.model} without it: {usd(self.tuned)}",
            f"{self.saved_tokens:,.0f} tokens saved a call; "
            f"last known prices: {self.source}",
            "Cached prompts are not counted: a long prompt that is always the same "
            "costs less than this where the service caches it.",
        ]
        if self.calls:
            low, _, high = self.calls
            lines.insert(2, f"between {low:,} and {high:,} calls")
        return lines


def auto_epochs(n_examples: int) -> int:
    """OpenAI cookbook's rule: 3, but at least 100 and at most 25,000 examples seen."""
    if n_examples * _TARGET_EPOCHS < _LEAST_SEEN:
        return min(_MOST_EPOCHS, _LEAST_SEEN // max(1, n_examples))
    if n_examples * _TARGET_EPOCHS > _MOST_SEEN:
        return max(1, _MOST_SEEN // n_examples)
    return _TARGET_EPOCHS


def estimate(
    source: Source | Sizes,
    model: str,
    n_epochs: Epochs = "auto",
    price: float | None = None,
) -> Estimate:
    """What training ``model`` on the rows of ``source`` may cost.

    Tokens (each example cut at the model's limit) times epochs times the last known
    price, or ``price``, USD per million tokens, as another service asks. Low leaves
    out the tokens around messages; high adds three an example and a fifth. With
    `auto`, one epoch less and one more. Raises ValueError where no price by the token
    is known or given, where no row can be trained on, and for a wrong ``n_epochs``.
    """
    from .sizes import Sizes, sizes

    if n_epochs != "auto" and (type(n_epochs) is not int or n_epochs < 1):
        raise ValueError(
            f"n_epochs is {n_epochs!r}. Give a whole number from 1 on, such as 3, or "
            '"auto".'
        )
    base = catalog.base(model)
    counted_like = base.name if base else _COUNTED_LIKE
    cited = f"given by you; tokens counted as for {counted_like}"
    if price is None:
        price, cited = _training_price(model)
    measured = source if isinstance(source, Sizes) else sizes(source, counted_like)
    measured.require_tokens()
    likely = auto_epochs(measured.examples) if n_epochs == "auto" else n_epochs
    spread = 1 if n_epochs == "auto" else 0
    epochs = (max(1, likely - spread), likely, likely + spread)
    high = (measured.trained + _PER_EXAMPLE * measured.examples) * _RESERVE
    low_usd, likely_usd, high_usd = (
        count * times * price / 1e6
        for count, times in zip(
            (measured.bare, measured.trained, high), epochs, strict=True
        )
    )
    return Estimate(
        low_usd,
        likely_usd,
        high_usd,
        measured.trained,
        cited,
        base.name if base else model,
        epochs,
        price,
        tuple(measured.left_out()),
    )


def price_or_none(
    source: Source | Sizes, model: str, n_epochs: Epochs = "auto"
) -> Estimate | None:
    """The estimate; None without a known price by the token, or data to train on."""
    from .sizes import Sizes, sizes

    base = catalog.base(model)
    if base is None or base.prices is None or base.prices.training is None:
        return None
    measured = source if isinstance(source, Sizes) else sizes(source, model)
    return estimate(measured, model, n_epochs) if measured.trained else None


def break_even(
    source: Source | Sizes,
    model: str,
    saved_tokens: float,
    against: str | None = None,
    n_epochs: Epochs = "auto",
) -> BreakEven:
    """After how many calls training ``model`` has paid for itself.

    A call of the tuned model is an average row of ``source``; today's call is the same
    with ``saved_tokens`` more in its prompt, to the untuned ``against`` (the same base
    where not given). Raises ValueError where a price is not known.
    """
    from .sizes import Sizes, sizes

    if not isinstance(saved_tokens, Real):
        raise TypeError(
            f"saved_tokens is {saved_tokens!r:.60}; give how many tokens a call of the "
            "tuned model saves, such as 500."
        )
    base, prices = _priced(model)
    other, untuned = _untuned(against or model)
    measured = source if isinstance(source, Sizes) else sizes(source, model)
    cost = estimate(measured, model, n_epochs)
    output = measured.mean("assistant", "completion")
    prompt = sum(measured.tokens) / max(1, measured.examples) - output
    tuned = _call(prices, prompt, output)
    today = _call(untuned, prompt + saved_tokens, output)
    gain = today - tuned
    training = (cost.low, cost.likely, cost.high)
    calls = None
    if gain > 0:
        low, likely, high = (-int(-usd // gain) for usd in training)
        calls = (low, likely, high)
    return BreakEven(
        base.name,
        other.name,
        1000 * today,
        1000 * tuned,
        saved_tokens,
        training,
        calls,
        _cited(prices),
    )


def usd(amount: float) -> str:
    """An amount for people: two places, more where it is below ten cents."""
    if 0 < amount < 0.1:
        return f"{amount:.2g} USD" if amount >= 1e-4 else "less than 0.0001 USD"
    return f"{amount:,.2f} USD"


def _priced(model: str) -> tuple[Base, Prices]:
    base = catalog.base(model)
    if base is None or base.prices is None:
        raise ValueError(_no_price(model))
    return base, base.prices


def _training_price(model: str) -> tuple[float, str]:
    """USD per million tokens, and where that stands."""
    _, prices = _priced(model)
    if prices.training is None:
        raise ValueError(_no_price(model))
    return prices.training, _cited(prices)


def _untuned(model: str) -> tuple[Base, Prices]:
    base = catalog.base(model)
    if base is None or base.untuned is None:
        raise ValueError(f"No price of calls to the untuned {model!r} is known.")
    return base, base.untuned


def _call(prices: Prices, prompt: float, output: float) -> float:
    """USD of one call; a price that is not known counts as nothing."""
    return ((prices.input or 0) * prompt + (prices.output or 0) * output) / 1e6


def _no_price(model: str) -> str:
    return (
        f"No training price is known for {model!r}. Where you know it, give it to "
        "estimate(…) as price, in USD per million tokens."
    )


def _cited(prices: Prices) -> str:
    return f"{prices.source.text}, {prices.source.date}"
