"""Hyperparameters: where they stand in a request, their ranges, and `auto`."""

import math
from typing import Any

from finetune_kit.catalog import Base
from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import integer_in

NAMES = ("n_epochs", "batch_size", "learning_rate_multiplier")
OF_METHOD = {"supervised": NAMES, "dpo": (*NAMES, "beta")}

_BATCH_SHARE = 0.002
_MAX_BATCH = 256
_AUTO_BETA = 0.1  # commonly stated, not verified (contract 2.6)
_MAX_BETA = 2
# Share of the supervised learning rate: with 1e-4 instead of 5e-4, tinygpt learns a
# preference and still answers in whole sentences; with more it over-optimises.
_LEARNING_RATE = {"supervised": 1.0, "completion": 1.0, "dpo": 0.2}


def of_request(document: dict[str, Any]) -> dict[str, Any]:
    """The hyperparameters of a valid job request; what is absent is `auto`.

    They stand in `method.<type>.hyperparameters`; those of the supervised method also,
    deprecated, at the top.
    """
    method = document.get("method") or {"type": "supervised"}
    kind, top = method["type"], document.get("hyperparameters")
    own = method.get(kind, {}).get("hyperparameters")
    if top and (own or kind != "supervised"):
        why = "stand also in" if own else f"of method '{kind}' belong into"
        raise ApiError(
            400,
            f"Hyperparameters {why} 'method.{kind}.hyperparameters'. Put all of them "
            "there and leave 'hyperparameters' out, which is deprecated.",
            param="hyperparameters",
            code="invalid_value",
        )
    path = f"method.{kind}.hyperparameters" if own else "hyperparameters"
    given = own or top or {}
    _refuse_out_of_range(given, path)
    return dict.fromkeys(OF_METHOD[kind], "auto") | given


def resolved(given: dict[str, Any], n_examples: int, base: Base) -> dict[str, Any]:
    """`given` with each `auto` replaced by its number for this data and base."""
    from finetune_kit.dataset.money import auto_epochs

    automatic = {
        "n_epochs": auto_epochs(n_examples),
        "batch_size": auto_batch_size(n_examples),
        "learning_rate_multiplier": base.auto_learning_rate_multiplier,
        "beta": _AUTO_BETA,
    }
    return {
        name: automatic[name] if value == "auto" else value
        for name, value in given.items()
    }


def learning_rate(resolved: dict[str, Any], method: str, base: Base) -> float:
    """The engine's peak learning rate."""
    multiplier = float(resolved["learning_rate_multiplier"])
    return multiplier * base.learning_rate * _LEARNING_RATE[method]


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
    _refuse_outside(given, path, "learning_rate_multiplier", math.inf, "a value > 0")
    _refuse_outside(given, path, "beta", _MAX_BETA, f"0 < beta <= {_MAX_BETA}")


def _refuse_outside(
    given: dict[str, Any], path: str, name: str, high: float, wanted: str
) -> None:
    """Refuse a number that is not above 0, or above a finite `high`, or infinite."""
    value = given.get(name, "auto")
    if value == "auto" or (0 < value <= high and value < math.inf):
        return
    side = "below minimum" if value <= 0 else "above maximum"
    raise ApiError(
        400,
        f"Invalid '{path}.{name}': decimal {side} value. Expected {wanted}, but got "
        f"{value} instead.",
        param=f"{path}.{name}",
        code=f"decimal_{'below_min' if value <= 0 else 'above_max'}_value",
    )
