"""Scores as dots with their intervals, one line a model: what overlaps can be seen."""

from __future__ import annotations

from typing import TYPE_CHECKING

from finetune_kit.display.charts import BLUE, INCHES, POINTS, Chart

if TYPE_CHECKING:
    from finetune_kit.evaluate import Metric, Scores

#: Inches of height for each model, and for the axis below them.
_LINE, _AXIS = 0.55, 1.0


def score_chart(scores: Scores, metric: str) -> Chart:
    """One ``metric`` of all models of ``scores``, best first, with 95 % intervals.

    Raises ValueError where a model has no such metric.
    """
    found = _found(scores, metric)
    height = _LINE * len(found) + _AXIS
    chart = Chart(figsize=(INCHES[0], height), facecolor="white", layout="constrained")
    axes = chart.add_subplot(facecolor="white")
    for place, grade in enumerate(found.values()):
        axes.plot([grade.low, grade.high], [place, place], "-", color=BLUE, lw=3)
        axes.plot(grade.value, place, "o", color="black", ms=8)
        axes.annotate(
            f"{grade.value:.2f}",
            (grade.value, place),
            xytext=(0, 8),
            textcoords="offset points",
            ha="center",
            color="black",
            fontsize=POINTS - 2,
        )
    axes.set_yticks(range(len(found)), list(found))
    axes.set_ylim(len(found) - 0.5, -0.7)
    axes.set_xlim(-0.03, 1.03)
    n = " or ".join(map(str, sorted({grade.n for grade in found.values()})))
    label = f"{metric}, {n} questions, 95 % interval"
    axes.set_xlabel(label, fontsize=POINTS, color="black")
    axes.tick_params(labelsize=POINTS - 1, colors="black", left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)
    chart.alt = _alt(found, metric, n)
    return chart


def _found(scores: Scores, metric: str) -> dict[str, Metric]:
    known = {name for metrics in scores.metrics.values() for name in metrics}
    if metric not in known:
        names = ", ".join(sorted(known))
        raise ValueError(f"There is no metric {metric!r} in these scores, but {names}.")
    found = {name: metrics[metric] for name, metrics in scores.metrics.items()}
    return dict(sorted(found.items(), key=lambda item: -item[1].value))


def _alt(found: dict[str, Metric], metric: str, n: str) -> str:
    parts = [
        f"{name} {grade.value:.2f} ({grade.low:.2f} to {grade.high:.2f})"
        for name, grade in found.items()
    ]
    return (
        f"Dots with 95 % intervals, {metric}, {n} questions each, best first: "
        f"{'; '.join(parts)}."
    )
