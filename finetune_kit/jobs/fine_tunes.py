"""The fine-tunes API of 2023 through today's SDK, which has no methods for it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from finetune_kit.jobs import tidy

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


def wait(client: OpenAI, fine_tune_id: str) -> FineTune:
    """The fine-tune as it is when it has ended."""
    for _ in stream(client, fine_tune_id):
        pass
    return retrieve(client, fine_tune_id)


def remove(client: OpenAI, job: FineTune) -> None:
    """Delete an ended fine-tune with its model and files; some may be gone already."""
    from openai import NotFoundError

    with suppress(NotFoundError):
        delete(client, job["id"])
    kinds = ("training_files", "validation_files", "result_files")
    files = [file["id"] for kind in kinds for file in job[kind]]
    tidy.delete(client, [job["fine_tuned_model"]], files)


def results(client: OpenAI, fine_tune_id: str) -> str:
    """The text of the result file; ValueError where there is none."""
    files = retrieve(client, fine_tune_id)["result_files"]
    if not files:
        raise ValueError(f"No results file available for fine-tune {fine_tune_id}")
    return client.files.content(files[0]["id"]).read().decode("utf-8")


def complete(client: OpenAI, model: str, prompts: Iterable[str]) -> list[str]:
    """What ``model`` writes after each prompt, to the end of the line; greedy."""
    said = [
        client.completions.create(model=model, prompt=each, temperature=0, stop="\n")
        for each in prompts
    ]
    return [reply.choices[0].text.strip() for reply in said]


def _path(fine_tune_id: str) -> str:
    return f"/fine-tunes/{fine_tune_id}"
