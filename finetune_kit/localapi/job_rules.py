"""What a job request must fulfil beyond the SDK's types (contract 1.3)."""

from typing import Any

from finetune_kit.localapi.errors import ApiError
from finetune_kit.localapi.requests import (
    array_length_in,
    integer_in,
    string_length_in,
    unknown_parameter,
)

_MAX_INTEGRATIONS = 5
_MAX_TAGS = 50
_MAX_TAG = 64  # characters


def refuse_values(document: dict[str, Any]) -> None:
    """Raise the ApiError for the first rule that a well-typed request breaks."""
    if document.get("seed") is not None:
        integer_in(document["seed"], "seed", 0, 2**31 - 1)
    if document.get("suffix") is not None:
        string_length_in(document["suffix"], "suffix", 1, 64)
    if metadata := document.get("metadata"):
        refuse_metadata(metadata)
    _refuse_integrations(document.get("integrations") or [])
    method = document.get("method") or {"type": "supervised"}
    for name in method:
        if name not in ("type", method["type"]):
            raise unknown_parameter(f"method.{name}")


def refuse_metadata(metadata: dict[str, str]) -> None:
    """At most 16 pairs, keys up to 64 and values up to 512 characters."""
    if len(metadata) > 16:
        raise ApiError(
            400,
            "Invalid 'metadata': too many properties. Expected an object with at most "
            f"16 properties, but got {len(metadata)} instead.",
            param="metadata",
            code="object_above_max_properties",
        )
    for key, value in metadata.items():
        string_length_in(key, "metadata", 0, 64)
        string_length_in(value, f"metadata.{key}", 0, 512)


def integrations_shown(given: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """As the job object echoes them: what was not given is null."""
    return [
        {
            "type": "wandb",
            "wandb": {"entity": None, "name": None, "tags": []} | entry["wandb"],
        }
        for entry in given
    ]


def _refuse_integrations(integrations: list[dict[str, Any]]) -> None:
    array_length_in(integrations, "integrations", 0, _MAX_INTEGRATIONS)
    for index, entry in enumerate(integrations):
        where = f"integrations[{index}].wandb"
        string_length_in(entry["wandb"]["project"], f"{where}.project", 1, 128)
        tags = entry["wandb"].get("tags") or []
        array_length_in(tags, f"{where}.tags", 0, _MAX_TAGS)
        for number, tag in enumerate(tags):
            string_length_in(tag, f"{where}.tags[{number}]", 1, _MAX_TAG)


def no_reinforcement(model: str) -> ApiError:
    """As an account sees it that has no base for reinforcement (contract 7.2)."""
    return ApiError(
        400,
        f"Model {model} is not available for fine-tuning or does not exist. No base "
        "model can be trained with method 'reinforcement': o4-mini-2025-04-16, the "
        "only public one, was shut down on 2026-10-23. Use 'supervised' or 'dpo'.",
        param="model",
        code="model_not_available",
    )
