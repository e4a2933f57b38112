"""Scores as dots with their intervals, models beside each other in each group."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from finetune_kit.display.cards import TONES
from finetune_kit.display.charts import INCHES, POINTS, Chart

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from finetune_kit.evaluate import Metric, Scores

#: Models are told apart by colour, by marker, and by name in the first group.
COLORS = (*TONES.values(), "#CC79A7")
MARKERS = "osD^v"
#: Inches of height for each dot, between groups, and for the axis below.
_LINE, _GAP, _AXIS = 0.3, 0.25, 1.0


def score_chart(models: Mapping[str, Scores], metric: str) -> Chart:
    """One ``metric`` in each group: a dot and its 95 % interval for every model.

    ``models`` maps a model to what `score_by` gives. Raises ValueError where a group
    has no such metric, and for more than five models.
    """
    if not isinstance(models, Mapping) or not models:
        raise ValueError(
            "There is no model to draw: give a dict of models and their scores, such "
            'as {"tuned": kit.score_by(…)}.'
        )
    groups = _groups(models, metric)
    if len(models) > len(MARKERS):
        raise ValueError(
            f"{len(models)} models are too many for one chart: {len(MARKERS)} fit."
        )
    height = len(groups) * (len(models) * _LINE + _GAP) + _AXIS
    chart = Chart(figsize=(INCHES[0], height), facecolor="white", layout="constrained")
    axes = chart.add_subplot(facecolor="white")
    ticks, bottom = [], 0.0
    for number, found in enumerate(groups.values()):
        for place, (model, grade) in enumerate(found.items()):
            _dot(axes, bottom + place * _LINE, grade, place, "" if number else model)
        ticks.append(bottom + (len(found) - 1) * _LINE / 2)
        bottom += len(found) * _LINE + _GAP
    axes.set_yticks(ticks, list(groups))
    axes.set_ylim(bottom - _GAP, -_LINE - 0.1)
    axes.set_xlim(-0.03, 1.03)
    label = f"{metric}, {_n(groups.values())} questions, 95 % interval"
    axes.set_xlabel(label, fontsize=POINTS, color="black")
    axes.tick_params(labelsize=POINTS - 2, colors="black", left=False)
    axes.spines[["top", "right", "left"]].set_visible(False)
    axes.grid(axis="x", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)
    chart.alt = _alt(groups, metric)
    return chart


def _groups(models: Mapping[str, Scores], metric: str) -> dict[str, dict[str, Metric]]:
    """Group -> model -> its metric."""
    groups: dict[str, dict[str, Metric]] = {}
    for model, scores in models.items():
        for group, metrics in scores.metrics.items():
            if metric not in metrics:
                known = ", ".join(sorted(metrics))
                raise ValueError(
                    f"There is no metric {metric!r} in these scores, but {known}."
                )
            groups.setdefault(group, {})[model] = metrics[metric]
    return groups


def _dot(axes: Axes, height: float, grade: Metric, number: int, name: str) -> None:
    color = COLORS[number]
    axes.plot([grade.low, grade.high], [height, height], "-", color=color, lw=2.5)
    axes.plot(grade.value, height, MARKERS[number], color=color, ms=9, mec="white")
    if name:
        right = grade.high < 0.75  # there is room
        axes.annotate(
            name,
            (grade.high if right else grade.low, height),
            xytext=(8 if right else -8, 0),
            textcoords="offset points",
            va="center",
            ha="left" if right else "right",
            color="black",
            fontsize=POINTS - 2,
            annotation_clip=False,
        )


def _n(groups: Iterable[Mapping[str, Metric]]) -> str:
    counts = sorted({grade.n for found in groups for grade in found.values()})
    return " to ".join(map(str, dict.fromkeys([counts[0], counts[-1]])))


def _alt(groups: Mapping[str, Mapping[str, Metric]], metric: str) -> str:
    parts = [
        f"{group} ({_n([found])} questions): "
        + ", ".join(
            f"{model} {grade.value:.2f} ({grade.low:.2f} to {grade.high:.2f})"
            for model, grade in found.items()
        )
        for group, found in groups.items()
    ]
    return f"Dots with 95 % intervals, {metric}. {'; '.join(parts)}."
