"""Hyperparameters: where they stand in a request, their ranges, and `auto`."""

import math
from typing import Any

from finetune_kit.catalog import Base
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import integer_in

NAMES = ("n_epochs", "batch_size", "learning_rate_multiplier")
AUTO = dict.fromkeys(NAMES, "auto")

_TARGET_EPOCHS = 3
_MIN_TARGET_EXAMPLES = 100
_MAX_TARGET_EXAMPLES = 25_000
_MAX_DEFAULT_EPOCHS = 25
_BATCH_SHARE = 0.002
_MAX_BATCH = 256


def of_request(document: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a valid job request; what is absent is `auto`.

    They may stand in `method.supervised.hyperparameters` or, deprecated, at the top.
    """
    method = document.get("method", {}).get("supervised", {}).get("hyperparameters")
    top = document.get("hyperparameters")
    if method and top:
        raise ApiError(
            400,
            "Hyperparameters stand both in 'hyperparameters' and in "
            "'method.supervised.hyperparameters'. Keep the second; the first is "
            "deprecated.",
            param="hyperparameters",
            code="invalid_value",
        )
    path = "method.supervised.hyperparameters" if method else "hyperparameters"
    given = method or top or {}
    _refuse_out_of_range(given, path)
    return AUTO | given


def resolved(given: dict[str, Any], n_examples: int, base: Base) -> dict[str, Any]:
    """`given` with each `auto` replaced by its number for this data and base."""
    automatic = {
        "n_epochs": auto_epochs(n_examples),
        "batch_size": auto_batch_size(n_examples),
        "learning_rate_multiplier": base.auto_learning_rate_multiplier,
    }
    return {
        name: automatic[name] if value == "auto" else value
        for name, value in given.items()
    }


def auto_epochs(n_examples: int) -> int:
    """OpenAI cookbook's rule: 3, but at least 100 and at most 25,000 examples seen."""
    if n_examples * _TARGET_EPOCHS < _MIN_TARGET_EXAMPLES:
        return min(_MAX_DEFAULT_EPOCHS, _MIN_TARGET_EXAMPLES // max(1, n_examples))
    if n_examples * _TARGET_EPOCHS > _MAX_TARGET_EXAMPLES:
        return max(1, _MAX_TARGET_EXAMPLES // n_examples)
    return _TARGET_EPOCHS


def auto_batch_size(n_examples: int) -> int:
    """0.2 % of the examples, 1 .. 256 (2023 specification; observed 1 for 10..101)."""
    return min(_MAX_BATCH, max(1, round(_BATCH_SHARE * n_examples)))


def _refuse_out_of_range(given: dict[str, Any], path: str) -> None:
    n_epochs = given.get("n_epochs", "auto")
    if n_epochs != "auto":
        integer_in(n_epochs, f"{path}.n_epochs", 1, 50)
    batch_size = given.get("batch_size", "auto")
    if batch_size != "auto":
        integer_in(batch_size, f"{path}.batch_size", 1, _MAX_BATCH)
    multiplier = given.get("learning_rate_multiplier", "auto")
    if multiplier != "auto" and not 0 < multiplier < math.inf:
        raise ApiError(
            400,
            f"Invalid '{path}.learning_rate_multiplier': decimal below minimum value. "
            f"Expected a value > 0, but got {multiplier} instead.",
            param=f"{path}.learning_rate_multiplier",
            code="decimal_below_min_value",
        )
