"""The fine-tunes API of 2023 through today's SDK, which has no methods for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from openai import OpenAI

FineTune = dict[str, Any]
Event = dict[str, Any]


def create(client: OpenAI, **request: Any) -> FineTune:
    """`training_file` is an id; what is None is left to the API."""
    body = {name: value for name, value in request.items() if value is not None}
    return client.post("/fine-tunes", cast_to=dict[str, Any], body=body)


def retrieve(client: OpenAI, fine_tune_id: str) -> FineTune:
    return client.get(_path(fine_tune_id), cast_to=dict[str, Any])


def list_all(client: OpenAI) -> list[FineTune]:
    """Oldest first."""
    found: list[FineTune] = client.get("/fine-tunes", cast_to=dict[str, Any])["data"]
    return found


def cancel(client: OpenAI, fine_tune_id: str) -> FineTune:
    return client.post(f"{_path(fine_tune_id)}/cancel", cast_to=dict[str, Any])


def delete(client: OpenAI, fine_tune_id: str) -> dict[str, Any]:
    return client.delete(_path(fine_tune_id), cast_to=dict[str, Any])


def events(client: OpenAI, fine_tune_id: str) -> list[Event]:
    """Oldest first."""
    path = f"{_path(fine_tune_id)}/events"
    found: list[Event] = client.get(path, cast_to=dict[str, Any])["data"]
    return found


def stream(client: OpenAI, fine_tune_id: str) -> Iterator[Event]:
    """The events from the first one on, as they come, until the fine-tune ends."""
    from openai import Stream

    path = f"{_path(fine_tune_id)}/events?stream=true"
    options: Any = {"timeout": None}  # a queue may be long
    with client.get(
        path,
        cast_to=object,
        stream=True,
        stream_cls=Stream[dict[str, Any]],
        options=options,
    ) as lines:
        yield from lines


def results(client: OpenAI, fine_tune_id: str) -> str:
    """The text of the result file; ValueError where there is none."""
    files = retrieve(client, fine_tune_id)["result_files"]
    if not files:
        raise ValueError(f"No results file available for fine-tune {fine_tune_id}")
    return client.files.content(files[0]["id"]).read().decode("utf-8")


def _path(fine_tune_id: str) -> str:
    return f"/fine-tunes/{fine_tune_id}"
