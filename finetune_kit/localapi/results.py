"""The result file of a job: `step_metrics.csv` (contract 2.4)."""

import base64
import csv
import io
from collections.abc import Iterable
from typing import Any

FILENAME = "step_metrics.csv"
# Column of the file -> key of a metric event's data.
_COLUMNS = {
    "step": "step",
    "train_loss": "train_loss",
    "train_accuracy": "train_mean_token_accuracy",
    "valid_loss": "valid_loss",
    "valid_mean_token_accuracy": "valid_mean_token_accuracy",
}
# Of method dpo besides; the service's names are not known, these are ours.
_REWARD_COLUMNS = {
    f"{kind}_reward_{figure}": f"{kind}_reward_{figure}"
    for kind in ("train", "valid")
    for figure in ("accuracy", "margin")
}


def step_metrics(metrics: Iterable[dict[str, Any]]) -> str:
    """CSV with one row a step; cells that were not computed stay empty."""
    rows = list(metrics)
    preferences = any("train_reward_margin" in data for data in rows)
    columns = _COLUMNS | (_REWARD_COLUMNS if preferences else {})
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for data in rows:
        writer.writerow(cell(data.get(key)) for key in columns.values())
    return text.getvalue()


def content(csv_text: str, *, as_base64: bool) -> bytes:
    """What the content endpoint returns; the service's is base64-encoded."""
    plain = csv_text.encode("utf-8")
    return base64.b64encode(plain) if as_base64 else plain


def cell(value: float | None) -> float | str:
    return "" if value is None else round(value, 5)
