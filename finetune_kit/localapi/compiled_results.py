"""The result file of a `fine-tune` of 2023: `compiled_results.csv` (contract 5.3)."""

import csv
import io
from typing import Any

from finetune_kit.localapi.results import cell

FILENAME = "compiled_results.csv"
# Column of the file -> key of a metric event's data.
_TRAINING = {
    "step": "step",
    "elapsed_tokens": "elapsed_tokens",
    "elapsed_examples": "elapsed_examples",
    "training_loss": "train_loss",
    "training_sequence_accuracy": "train_sequence_accuracy",
    "training_token_accuracy": "train_mean_token_accuracy",
}
_VALIDATION = {
    "validation_loss": "valid_loss",
    "validation_sequence_accuracy": "valid_sequence_accuracy",
    "validation_token_accuracy": "valid_mean_token_accuracy",
}


def compiled(metrics: list[dict[str, Any]]) -> str:
    """CSV with one row a step; what was not measured at a step stays empty, and what
    was measured at none (no validation file, no classes) has no column."""
    classification = dict.fromkeys(
        key for data in metrics for key in data if key.startswith("classification/")
    )
    columns = _TRAINING | {name: name for name in classification}
    if any("valid_loss" in data for data in metrics):
        columns |= _VALIDATION
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(columns)
    for data in metrics:
        writer.writerow(cell(data.get(key)) for key in columns.values())
    return text.getvalue()
