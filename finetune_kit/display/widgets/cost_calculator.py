"""What would training cost, and when has it paid for itself? Numbers to play with."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune_kit.dataset.money import auto_epochs, break_even, estimate, usd
from finetune_kit.dataset.read import Source
from finetune_kit.dataset.sizes import sizes
from finetune_kit.display.saving_chart import break_even_chart
from finetune_kit.display.tables import Table
from finetune_kit.display.widgets.panel import Panel, Stack

if TYPE_CHECKING:
    import ipywidgets

MOST_EPOCHS = 50  # that a job takes
CALLS, SAVED_TOKENS = 1_000, 500  # to begin with
MOST_CALLS, MOST_SAVED = 200_000, 5_000


def cost_calculator(
    path: Source,
    model: str,
    calls: int = CALLS,
    saved_tokens: int = SAVED_TOKENS,
    n_epochs: int | None = None,
    against: str | None = None,
) -> CostCalculator:
    """Price of training on ``path`` and the break-even, by epochs, calls, tokens.

    ``calls`` a month; ``saved_tokens`` by which the tuned model's prompt is shorter;
    ``n_epochs`` as `auto` would choose where not given; ``against`` the untuned model
    of today's calls, where it is another one. Raises ValueError for an unknown price.
    """
    return CostCalculator(path, model, calls, saved_tokens, n_epochs, against)


class CostCalculator(Panel):
    """A file's tokens, and the three numbers that its price hangs on."""

    def __init__(
        self,
        path: Source,
        model: str,
        calls: int,
        saved_tokens: int,
        n_epochs: int | None,
        against: str | None,
    ) -> None:
        self.model, self.against = model, against
        self.sizes = sizes(path, model)
        self.n_epochs = n_epochs or auto_epochs(self.sizes.examples)
        self.calls, self.saved_tokens = calls, saved_tokens
        self.result()  # where a price is not known, it is said now

    def twin(self) -> Stack:
        return self.result()

    def controls(self) -> ipywidgets.Widget:
        from ipywidgets import VBox

        most_calls = max(MOST_CALLS, self.calls)
        least = min(100, self.calls)
        most_saved = max(MOST_SAVED, self.saved_tokens)
        return VBox(
            [
                self._slider("n_epochs", "Epochs", 1, MOST_EPOCHS, 1),
                self._slider("calls", "Calls a month", least, most_calls, 100),
                self._slider("saved_tokens", "Tokens saved a call", 0, most_saved, 10),
            ]
        )

    def result(self) -> Stack:
        cost = estimate(self.sizes, self.model, self.n_epochs)
        gain = break_even(
            self.sizes, self.model, self.saved_tokens, self.against, self.n_epochs
        )
        never = ["never"] * 3
        months = [_months(calls / self.calls) for calls in gain.calls or ()]
        rows = [
            ["price of training", usd(cost.low), usd(cost.likely), usd(cost.high)],
            ["calls until it has paid", *(_counts(gain.calls) or never)],
            [f"months, at {self.calls:,} calls each", *(months or never)],
        ]
        table = Table(
            ["", "low", "likely", "high"],
            rows,
            f"Training {cost.model}: {cost.tokens:,} tokens, {self.n_epochs} epochs; "
            f"prompts {self.saved_tokens:,} tokens shorter",
            f"Last known prices: {cost.source}. Cached prompts are not counted.",
        )
        return Stack([table, break_even_chart(gain)])

    def _slider(self, name: str, label: str, low: int, high: int, step: int) -> Any:
        from ipywidgets import IntSlider, Layout

        slider = IntSlider(
            getattr(self, name),
            min=low,
            max=high,
            step=step,
            description=label,
            continuous_update=False,
            readout_format="d",
            style={"description_width": "11em"},
            layout=Layout(width="34em", max_width="98%"),
        )
        slider.observe(lambda change: self._set(name, change.new), "value")
        return slider

    def _set(self, name: str, value: int) -> None:
        setattr(self, name, value)
        self.refresh()


def _months(number: float) -> str:
    return f"{number:,.1f}" if number >= 0.1 else "less than 0.1"


def _counts(calls: tuple[int, int, int] | None) -> list[str]:
    return [f"{count:,}" for count in calls or ()]
