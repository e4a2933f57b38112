"""The API of 2023, which no SDK of today calls: its requests, and the exact shapes of
its replies as published then (replies of 2023-06, specification of 2023-08)."""

import json
from typing import Literal, NotRequired

from pydantic import ConfigDict, TypeAdapter
from typing_extensions import TypedDict

from tests.localapi.api_2023 import reviews
from tests.localapi.running import until, upload

_STRICT = ConfigDict(extra="forbid", strict=True)
_ENDED = ("succeeded", "failed", "cancelled")


class File(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["file"]
    id: str
    purpose: Literal["fine-tune", "fine-tune-results"]
    filename: str
    bytes: int
    created_at: int
    status: Literal["uploaded", "processed", "deleted"]
    status_details: None


class Event(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["fine-tune-event"]
    level: Literal["info", "warn", "error"]
    message: str
    created_at: int


class Hyperparams(TypedDict):
    __pydantic_config__ = _STRICT
    n_epochs: int
    batch_size: int | None
    prompt_loss_weight: float
    learning_rate_multiplier: float | None
    compute_classification_metrics: NotRequired[bool]
    classification_n_classes: NotRequired[int]
    classification_positive_class: NotRequired[str]
    classification_betas: NotRequired[list[float]]


class ListedFineTune(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["fine-tune"]
    id: str
    hyperparams: Hyperparams
    organization_id: str
    model: str
    training_files: list[File]
    validation_files: list[File]
    result_files: list[File]
    created_at: int
    updated_at: int
    status: Literal["pending", "running", "succeeded", "failed", "cancelled"]
    fine_tuned_model: str | None


class FineTune(ListedFineTune):
    events: list[Event]


class FineTunes(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["list"]
    data: list[ListedFineTune]


class Events(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["list"]
    data: list[Event]


class Deleted(TypedDict):
    __pydantic_config__ = _STRICT
    object: Literal["fine-tune"]
    id: str
    deleted: Literal[True]


def _create(scene, *, classes=False, **options):
    file = upload(scene.client, reviews(12))
    beside = {"validation_file": file} if classes else {}
    if classes and "classification_n_classes" not in options:
        beside["classification_positive_class"] = " positive"
    body = {"training_file": file, "n_epochs": 1, **beside, **options}
    return scene.client.post("/fine-tunes", body=body, cast_to=object)


def _made(scene):
    return _create(scene)["id"]


def _ended(scene):
    made = _made(scene)
    return until(
        lambda: scene.client.get(f"/fine-tunes/{made}", cast_to=object),
        lambda job: job["status"] in _ENDED,
    )["id"]


def _get(path, made=_made):
    return lambda scene: scene.client.get(
        path.format(made(scene)) if "{" in path else path, cast_to=object
    )


def _streamed(scene):
    """The events of a stream, which must end as it did."""
    path = f"/fine-tunes/{_made(scene)}/events?stream=true"
    text = scene.client.get(path, cast_to=str)
    *lines, last = [line for line in text.splitlines() if line.startswith("data: ")]
    assert last == "data: [DONE]"
    return [json.loads(line.removeprefix("data: ")) for line in lines]


# The request, as in the specification -> (how it is made, the shape of its reply).
CALLS = {
    "POST /v1/fine-tunes": (_create, FineTune),
    "GET /v1/fine-tunes": (_get("/fine-tunes"), FineTunes),
    "GET /v1/fine-tunes/{id}": (_get("/fine-tunes/{}", _ended), FineTune),
    "POST /v1/fine-tunes/{id}/cancel": (
        lambda scene: scene.client.post(
            f"/fine-tunes/{_made(scene)}/cancel", cast_to=object
        ),
        FineTune,
    ),
    "GET /v1/fine-tunes/{id}/events": (_get("/fine-tunes/{}/events", _ended), Events),
    "GET /v1/fine-tunes/{id}/events?stream=true": (_streamed, list[Event]),
    "DELETE /v1/fine-tunes/{id}": (
        lambda scene: scene.client.delete(
            f"/fine-tunes/{_ended(scene)}", cast_to=object
        ),
        Deleted,
    ),
}
_CLASSES = {"classes": True, "compute_classification_metrics": True}
# One value for each further parameter of a fine-tune, with what it needs beside it.
OPTIONS = {
    "validation_file": {"classes": True, "classification_positive_class": None},
    "model": {"model": "ada"},
    "n_epochs": {"n_epochs": 2},
    "batch_size": {"batch_size": 4},
    "learning_rate_multiplier": {"learning_rate_multiplier": 0.1},
    "prompt_loss_weight": {"prompt_loss_weight": 0.1},
    "compute_classification_metrics": _CLASSES,
    "classification_n_classes": _CLASSES | {"classification_n_classes": 2},
    "classification_positive_class": _CLASSES,
    "classification_betas": _CLASSES | {"classification_betas": [0.5, 2]},
    "suffix": {"suffix": "mine"},
}


def replied(scene, call):
    """The reply to one of CALLS; a pydantic error where its shape is another."""
    make, shape = CALLS[call]
    return TypeAdapter(shape).validate_python(make(scene))


def tuned_with(scene, option):
    """The ended fine-tune that was asked with one of OPTIONS."""
    made = _create(scene, **OPTIONS[option])["id"]
    job = until(
        lambda: scene.client.get(f"/fine-tunes/{made}", cast_to=object),
        lambda job: job["status"] in _ENDED,
    )
    return TypeAdapter(FineTune).validate_python(job)
