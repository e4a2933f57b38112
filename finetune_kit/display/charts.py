"""The loss curve, drawn so that it reads on a projector, in print and aloud.

Colours are Okabe and Ito's, and every line also differs by dash or marker; the
background is opaque white for dark themes; text for screen readers is made with the
picture.
"""

from __future__ import annotations

import base64
import html
from collections.abc import Iterable
from io import BytesIO
from typing import TYPE_CHECKING, Any

from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from PIL import Image

from finetune_kit.display.cards import TONES

if TYPE_CHECKING:
    import pandas
    from matplotlib.axes import Axes
    from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint

INCHES, DPI, POINTS = (8.0, 4.4), 80, 14  # 640 x 352 pixels
COLORS = 64
BLUE, ORANGE = TONES["plain"], TONES["bad"]


class Chart(Figure):
    """A matplotlib figure that shows itself, with its ``alt`` text, in a notebook."""

    alt: str = ""

    def png(self) -> bytes:
        """The picture; 64 colours are enough and make it a quarter of the size."""
        self.set_dpi(DPI)
        canvas = FigureCanvasAgg(self)
        canvas.draw()  # type: ignore[no-untyped-call]
        size = canvas.get_width_height()
        pixels = canvas.buffer_rgba()  # type: ignore[no-untyped-call]
        drawn = Image.frombuffer("RGBA", size, pixels).convert("RGB")
        out = BytesIO()
        drawn.quantize(COLORS, dither=Image.Dither.NONE).save(
            out, format="png", optimize=True
        )
        return out.getvalue()

    def _repr_html_(self) -> str:
        image = base64.b64encode(self.png()).decode()
        style = "max-width:100%;border-radius:4px"
        return (
            f'<img src="data:image/png;base64,{image}" '
            f'alt="{html.escape(self.alt)}" style="{style}">'
        )

    def __repr__(self) -> str:
        return self.alt


def loss_chart(
    results: pandas.DataFrame,
    checkpoints: Iterable[FineTuningJobCheckpoint] | None = None,
) -> Chart:
    """Training and validation loss by step, with the checkpoints marked.

    ``results`` as from `results(client, job)`. The training loss of a step is that of
    a few examples and jumps; the line is its mean over a fifteenth of the run, the dots
    are the steps. The validation loss of a step is that of a few examples, too; the
    diamonds are that of all of them, which the API gives with each checkpoint.
    """
    if not {"step", "train_loss"} <= set(getattr(results, "columns", ())):
        raise TypeError(
            "kit.loss_chart takes the table of losses that kit.results(client, job) "
            f"gives; this is {results!r:.60}."
        )
    train = results[["step", "train_loss"]].dropna()
    if train.empty:
        raise ValueError("There is no loss to draw: these results have no step.")
    chart = Chart(figsize=INCHES, facecolor="white", layout="constrained")
    axes = chart.add_subplot(facecolor="white")
    window = max(1, len(train) // 15)
    mean = train.train_loss.rolling(window, min_periods=1, center=True).mean()
    axes.plot(train.step, train.train_loss, ".", color=BLUE, alpha=0.25, ms=4)
    axes.plot(train.step, mean, "-", color=BLUE, lw=2.5)
    ends = [(train.step.iloc[-1], mean.iloc[-1], "training", BLUE)]
    whole = _whole_validation(checkpoints or ())
    losses = [(step, loss) for step, loss in whole.items() if loss is not None]
    valid = _validation(results)
    if valid is not None:
        pale = {"alpha": 0.45, "lw": 1.2, "ms": 4} if losses else {"lw": 2, "ms": 5}
        axes.plot(
            valid.step, valid.valid_loss, "--o", color=ORANGE, mfc="white", **pale
        )
        last_step, last_loss = losses[-1] if losses else valid.iloc[-1]
        ends.append((last_step, last_loss, "validation", ORANGE))
    _diamonds(axes, losses)
    _label(axes, ends)
    _mark(axes, list(whole))
    _dress(axes)
    chart.alt = _alt(mean, valid, int(train.step.iloc[-1]), whole)
    return chart


def _whole_validation(
    checkpoints: Iterable[FineTuningJobCheckpoint],
) -> dict[int, float | None]:
    """Step of each checkpoint -> loss on all validation examples, where it is known."""
    found = sorted(checkpoints, key=lambda checkpoint: checkpoint.step_number)
    return {c.step_number: c.metrics.full_valid_loss for c in found}


def _diamonds(axes: Axes, losses: list[tuple[int, float]]) -> None:
    """Losses on all validation examples, each with its figure."""
    for step, loss in losses:
        axes.plot(step, loss, "D", color=ORANGE, ms=8, mec="white")
        axes.annotate(
            f"{loss:.2f}",
            (step, loss),
            xytext=(-8, 10),
            textcoords="offset points",
            ha="right",
            color=ORANGE,
            fontsize=POINTS - 2,
            bbox={"facecolor": "white", "edgecolor": "none", "pad": 1, "alpha": 0.8},
        )


def _validation(results: pandas.DataFrame) -> pandas.DataFrame | None:
    if "valid_loss" not in results:
        return None
    valid = results[["step", "valid_loss"]].dropna()
    return valid if len(valid) else None


def _label(axes: Axes, ends: list[tuple[float, float, str, str]]) -> None:
    """Names at the lines' right ends, the higher line's name pushed up."""
    apart = abs(ends[0][1] - ends[-1][1]) / (axes.get_ylim()[1] or 1)
    push = 9 if len(ends) == 2 and apart < 0.12 else 0
    highest = max(value for _, value, _, _ in ends)
    for step, value, name, color in ends:
        axes.annotate(
            name,
            (step, value),
            xytext=(8, push if value == highest else -push),
            textcoords="offset points",
            va="center",
            color=color,
            fontsize=POINTS,
            annotation_clip=False,
        )


def _mark(axes: Axes, steps: list[int]) -> None:
    for step in steps:
        axes.axvline(step, color="#555555", lw=1, ls=":")
        axes.annotate(
            f"checkpoint\n{step}",
            (step, 1),
            xycoords=("data", "axes fraction"),
            xytext=(-4, -2),
            textcoords="offset points",
            ha="right",
            va="top",
            color="#333333",
            fontsize=POINTS - 3,
        )


def _dress(axes: Axes) -> None:
    axes.set_xlabel("step", fontsize=POINTS, color="black")
    axes.set_ylabel("loss (lower is better)", fontsize=POINTS, color="black")
    axes.tick_params(labelsize=POINTS - 2, colors="black")
    axes.set_ylim(bottom=0)
    axes.spines[["top", "right"]].set_visible(False)
    axes.grid(axis="y", color="#dddddd", lw=0.8)
    axes.set_axisbelow(True)


def _alt(mean: Any, valid: Any, last_step: int, whole: dict[int, float | None]) -> str:
    parts = [
        f"Line chart of the loss over {last_step} steps. The training loss goes from "
        f"{mean.iloc[0]:.3f} to {mean.iloc[-1]:.3f}."
    ]
    if valid is not None:
        low = valid.loc[valid.valid_loss.idxmin()]
        parts.append(
            f"The validation loss goes from {valid.valid_loss.iloc[0]:.3f} to "
            f"{valid.valid_loss.iloc[-1]:.3f}; it is lowest, {low.valid_loss:.3f}, at "
            f"step {int(low.step)}."
        )
    if whole:
        parts.append(f"Checkpoints at steps {', '.join(map(str, whole))}.")
    losses = [f"{loss:.3f}" for loss in whole.values() if loss is not None]
    if losses:
        parts.append(f"There, all validation examples give {', '.join(losses)}.")
    return " ".join(parts)
