"""When training has paid for itself: the cost of calls with and without it."""

from __future__ import annotations

from typing import TYPE_CHECKING

from matplotlib.ticker import MaxNLocator

from finetune_kit.display.charts import BLUE, INCHES, ORANGE, POINTS, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from finetune_kit.dataset.money import BreakEven

#: Calls drawn where training never pays for itself.
_CALLS = 10_000
#: Part of the width by which the lines are drawn past the point where they meet.
_BEYOND = 1.8
#: Part of the height below which the lines' names would cover each other.
_CLOSE = 0.15


def break_even_chart(gain: BreakEven) -> Chart:
    """What calls cost in all: today's, and the tuned model's with its training.

    ``gain`` as from `break_even(file, model, saved_tokens)`; the band is the range of
    the price of training.
    """
    chart = Chart(figsize=INCHES, facecolor="white", layout="constrained")
    axes = chart.add_subplot(facecolor="white")
    last = _BEYOND * max(1, gain.calls[2]) if gain.calls else _CALLS
    low, likely, high = gain.training
    paid = last * gain.tuned / 1000
    axes.fill_between(
        [0, last], [low, low + paid], [high, high + paid], color=ORANGE, alpha=0.2, lw=0
    )
    axes.plot([0, last], [0, last * gain.today / 1000], "-", color=BLUE, lw=2.5)
    axes.plot([0, last], [likely, likely + paid], "--", color=ORANGE, lw=2.5)
    ends = [
        (last * gain.today / 1000, f"today,\n{gain.against}", BLUE),
        (likely + paid, f"tuned\n{gain.model}", "#9a4400"),
    ]
    _name(axes, last, sorted(ends))
    if gain.calls:
        _mark(axes, gain.calls[1], gain.calls[1] * gain.today / 1000)
    axes.set_xlim(0, last)
    axes.set_ylim(bottom=0)
    axes.set_xlabel("calls", fontsize=POINTS, color="black")
    axes.set_ylabel("USD in all", fontsize=POINTS, color="black")
    axes.xaxis.set_major_locator(MaxNLocator(6, integer=True))
    axes.xaxis.set_major_formatter("{x:,.0f}")
    axes.tick_params(labelsize=POINTS - 2, colors="black")
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)
    chart.alt = _alt(gain)
    return chart


def _name(axes: Axes, calls: float, ends: list[tuple[float, str, str]]) -> None:
    """Names at the lines' right ends, the lower one first; apart where they meet."""
    close = ends[1][0] - ends[0][0] < _CLOSE * ends[1][0]
    for (cost, name, color), push in zip(ends, (-18, 18), strict=True):
        axes.annotate(
            name,
            (calls, cost),
            xytext=(8, push if close else 0),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=POINTS - 2,
            annotation_clip=False,
        )


def _mark(axes: Axes, calls: int, cost: float) -> None:
    axes.plot([calls], [cost], "o", color="black", ms=7)
    axes.annotate(
        f"{calls:,} calls",
        (calls, cost),
        xytext=(-10, 12),
        textcoords="offset points",
        ha="right",
        color="black",
        fontsize=POINTS,
    )


def _alt(gain: BreakEven) -> str:
    low, likely, high = gain.training
    lines = (
        "Two lines of cost by number of calls. Today's starts at 0 and rises by "
        f"{gain.today:.2f} USD a thousand calls; the tuned model's starts at "
        f"{likely:.2f} USD ({low:.2f} to {high:.2f}) for training and rises by "
        f"{gain.tuned:.2f} USD. "
    )
    if gain.calls is None:
        return lines + "They never meet."
    first, middle, last = gain.calls
    return f"{lines}They meet at {middle:,} calls ({first:,} to {last:,})."
