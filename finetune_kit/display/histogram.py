"""How long the examples are: a histogram of their tokens, with the model's limit."""

from __future__ import annotations

from statistics import median
from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from finetune_kit.display.cards import TONES
from finetune_kit.display.charts import INCHES, POINTS, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from finetune_kit.dataset.sizes import Sizes

BARS = 30
#: A limit so many times larger than the largest example is named, not drawn.
FAR = 5


def token_histogram(sizes: Sizes) -> Chart:
    """Examples by their number of tokens; what lies right of the limit is cut off.

    ``sizes`` as from `sizes(file, model)`.
    """
    if not hasattr(sizes, "examples"):
        raise TypeError(
            "kit.token_histogram takes what kit.sizes gives, such as "
            "kit.token_histogram(kit.sizes(path))."
        )
    if not sizes.examples:
        raise ValueError("There is no example to draw.")
    chart = Chart(figsize=INCHES, facecolor="white", layout="constrained")
    axes = chart.add_subplot(facecolor="white")
    largest = max(sizes.tokens)
    near = sizes.limit <= FAR * largest
    edges = _edges(min(sizes.tokens), largest)
    axes.hist(sizes.tokens, bins=edges, color=TONES["plain"], edgecolor="white")
    if near:
        _draw_limit(axes, sizes.limit)
    axes.set_xlabel("tokens in an example", fontsize=POINTS, color="black")
    axes.set_ylabel("examples", fontsize=POINTS, color="black")
    axes.tick_params(labelsize=POINTS - 2, colors="black")
    axes.spines[["top", "right"]].set_visible(False)
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.yaxis.set_major_locator(MaxNLocator(integer=True))
    axes.set_axisbelow(True)
    axes.grid(axis="y", color="#dddddd", lw=0.8)
    if not near:
        axes.set_title(
            f"the limit, {sizes.limit:,}, is far to the right", fontsize=POINTS - 2
        )
    chart.alt = _alt(sizes)
    return chart


def _edges(smallest: int, largest: int) -> list[float]:
    """Bars of whole tokens, so that no bar holds more numbers than its neighbour."""
    width = max(1, -(-(largest + 1 - smallest) // BARS))
    count = -(-(largest + 1 - smallest) // width)
    return [smallest - 0.5 + width * place for place in range(count + 1)]


def _draw_limit(axes: Axes, limit: int) -> None:
    axes.axvline(limit + 0.5, color=TONES["bad"], lw=2.5, ls="--")
    axes.annotate(
        f"limit {limit:,}",
        (limit, 1),
        xycoords=("data", "axes fraction"),
        xytext=(-6, -2),
        textcoords="offset points",
        ha="right",
        va="top",
        color="#9a4400",
        fontsize=POINTS,
        bbox={"facecolor": "white", "edgecolor": "none", "alpha": 0.8, "pad": 2},
    )


def _alt(sizes: Sizes) -> str:
    over = len(sizes.truncated)
    lie = "1 lies over it and is cut" if over == 1 else f"{over:,} lie over it, cut"
    cut = lie if over else "none lies over it"
    return (
        f"Histogram of {sizes.examples:,} examples by their tokens: from "
        f"{min(sizes.tokens):,} to {max(sizes.tokens):,}, median "
        f"{median(sizes.tokens):,.0f}. The limit of {sizes.model} is {sizes.limit:,} "
        f"tokens an example; {cut}."
    )
