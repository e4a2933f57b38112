"""The whole core flow through the SDK, with plain asserts and nothing of this project.

`python core_flow.py BASE_URL KEY` runs under any openai of 2 or newer, in an
environment that holds nothing else; its last line of output says which one it was.
"""

from __future__ import annotations

import json
import math
import sys
import time
from typing import Any

import openai
from openai import OpenAI

BASE = "gpt-4o-mini"
SNAPSHOT = "gpt-4o-mini-2024-07-18"
ANSWER = "Festina lente."
QUESTION = [{"role": "user", "content": "What about question 7?"}]
EPOCHS, ROWS = 4, 12
WAIT = 120  # seconds for a job, on a busy machine


def training_rows() -> bytes:
    rows = [
        {
            "messages": [
                {"role": "user", "content": f"What about question {number}?"},
                {"role": "assistant", "content": ANSWER},
            ]
        }
        for number in range(ROWS)
    ]
    return "".join(json.dumps(row) + "\n" for row in rows).encode()


def walk(client: OpenAI) -> None:
    """Everything a learner does in the first lesson, and what can go wrong in it."""
    file_id = files(client)
    job = tuned_job(client, file_id)
    story(client, job)
    cancelled_job(client, file_id)
    checkpoint = checkpoints(client, job)
    for model in (BASE, job.fine_tuned_model, checkpoint):
        chat(client, model)
    sampling(client, job.fine_tuned_model)
    streaming(client, job.fine_tuned_model)
    models(client, job.fine_tuned_model, checkpoint)
    errors(client)
    assert client.files.delete(file_id).deleted is True
    refused(openai.NotFoundError, 404, lambda: client.files.retrieve(file_id))


def files(client: OpenAI) -> str:
    made = client.files.create(
        file=("train.jsonl", training_rows()), purpose="fine-tune"
    )
    assert made.object == "file"
    assert made.bytes == len(training_rows())
    assert (made.filename, made.purpose) == ("train.jsonl", "fine-tune")
    assert made.status == "processed"
    assert client.files.retrieve(made.id) == made
    assert made.id in [file.id for file in client.files.list(purpose="fine-tune")]
    assert client.files.content(made.id).read() == training_rows()
    assert client.files.wait_for_processing(made.id).id == made.id
    return made.id


def tuned_job(client: OpenAI, file_id: str) -> Any:
    """A job that has succeeded."""
    created = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=file_id,
        validation_file=file_id,
        suffix="flow",
        seed=7,
        method={
            "type": "supervised",
            "supervised": {"hyperparameters": {"n_epochs": EPOCHS}},
        },
    )
    assert created.status == "validating_files"
    assert created.fine_tuned_model is None
    assert created.id in [job.id for job in client.fine_tuning.jobs.list()]
    job = waited_for(client, created.id)
    assert job.status == "succeeded", job.error
    assert (job.model, job.seed) == (SNAPSHOT, 7)
    assert job.hyperparameters.n_epochs == EPOCHS
    assert job.hyperparameters.batch_size == 1  # `auto`, resolved
    assert job.fine_tuned_model.startswith(f"ft:{SNAPSHOT}:personal:flow:")
    assert job.trained_tokens > 0
    assert client.files.content(job.result_files[0]).read()
    return job


def waited_for(client: OpenAI, job_id: str) -> Any:
    deadline = time.monotonic() + WAIT
    while time.monotonic() < deadline:
        job = client.fine_tuning.jobs.retrieve(job_id)
        if job.status in ("succeeded", "failed", "cancelled"):
            return job
        time.sleep(0.1)
    raise AssertionError(f"{job_id} has not ended after {WAIT} s")


def story(client: OpenAI, job: Any) -> None:
    """Small pages, so that the SDK has to ask for the next one by itself."""
    events = list(client.fine_tuning.jobs.list_events(job.id, limit=7))[::-1]
    assert len({event.id for event in events}) == len(events)
    assert events[0].message == f"Created fine-tuning job: {job.id}"
    assert events[-1].message == "The job has successfully completed"
    metrics = [event.data for event in events if event.type == "metrics"]
    assert [data["step"] for data in metrics] == list(range(1, ROWS * EPOCHS + 1))
    assert metrics[-1]["train_loss"] < metrics[0]["train_loss"]


def cancelled_job(client: OpenAI, file_id: str) -> None:
    job = client.fine_tuning.jobs.create(model=BASE, training_file=file_id)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    assert client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model is None
    error = refused(
        openai.BadRequestError, 400, lambda: client.fine_tuning.jobs.cancel(job.id)
    )
    assert job.id in error.message


def checkpoints(client: OpenAI, job: Any) -> str:
    """The name of one that is not the last."""
    kept = list(client.fine_tuning.jobs.checkpoints.list(job.id))
    assert [one.step_number for one in kept] == [48, 36, 24]
    assert all(one.metrics.full_valid_loss is not None for one in kept)
    assert kept[0].fine_tuned_model_checkpoint == job.fine_tuned_model
    assert kept[1].fine_tuned_model_checkpoint.endswith(":ckpt-step-36")
    return kept[1].fine_tuned_model_checkpoint


def chat(client: OpenAI, model: str) -> None:
    reply = client.chat.completions.create(
        model=model, messages=QUESTION, temperature=0, max_tokens=20
    )
    assert reply.object == "chat.completion"
    assert reply.model == (SNAPSHOT if model == BASE else model)
    assert reply.system_fingerprint.startswith("fp_tinygpt")
    assert reply.choices[0].message.role == "assistant"
    assert reply.choices[0].finish_reason in ("stop", "length")
    usage = reply.usage
    assert usage.total_tokens == usage.prompt_tokens + usage.completion_tokens
    if model != BASE:
        assert reply.choices[0].message.content == ANSWER


def sampling(client: OpenAI, model: str) -> None:
    ask = client.chat.completions.create
    several = ask(model=model, messages=QUESTION, n=3, seed=1, max_tokens=12)
    assert [choice.index for choice in several.choices] == [0, 1, 2]
    again = ask(model=model, messages=QUESTION, n=3, seed=1, max_tokens=12)
    assert again.choices == several.choices
    stopped = ask(model=model, messages=QUESTION, temperature=0, stop=[" lente"])
    assert stopped.choices[0].message.content == "Festina"
    assert stopped.choices[0].finish_reason == "stop"
    rated = ask(
        model=model, messages=QUESTION, temperature=0, logprobs=True, top_logprobs=2
    )
    tokens = rated.choices[0].logprobs.content
    assert b"".join(bytes(token.bytes) for token in tokens).decode() == ANSWER
    for token in tokens:
        assert len(token.top_logprobs) == 2
        assert token.logprob == max(other.logprob for other in token.top_logprobs)
        assert 0 < math.exp(token.logprob) <= 1


def streaming(client: OpenAI, model: str) -> None:
    stream = client.chat.completions.create(
        model=model,
        messages=QUESTION,
        temperature=0,
        stream=True,
        stream_options={"include_usage": True},
    )
    *chunks, last = list(stream)
    assert chunks[0].choices[0].delta.role == "assistant"
    parts = [chunk.choices[0].delta.content for chunk in chunks]
    assert len([part for part in parts if part]) > 1  # token by token
    assert "".join(part or "" for part in parts) == ANSWER
    assert chunks[-1].choices[0].finish_reason == "stop"
    assert last.choices == []
    assert last.usage.completion_tokens > 0


def models(client: OpenAI, model: str, checkpoint: str) -> None:
    listed = {one.id for one in client.models.list()}
    assert {model, checkpoint, SNAPSHOT, "tinygpt"} <= listed
    assert client.models.retrieve(model).owned_by == "personal"
    assert client.models.retrieve(checkpoint).id == checkpoint
    deleted = client.models.delete(checkpoint)
    assert (deleted.id, deleted.deleted) == (checkpoint, True)
    error = refused(openai.NotFoundError, 404, lambda: chat(client, checkpoint))
    assert error.code == "model_not_found"
    refused(openai.PermissionDeniedError, 403, lambda: client.models.delete(SNAPSHOT))
    chat(client, model)  # the others go on


def errors(client: OpenAI) -> None:
    stranger = client.with_options(api_key="sk-nobody-knows-this-key")
    # connect() sets this header itself, to win over the environment
    headers = {"Authorization": "Bearer sk-nobody-knows-this-key"}
    error = refused(
        openai.AuthenticationError,
        401,
        lambda: stranger.models.list(extra_headers=headers),
    )
    assert error.code == "invalid_api_key"
    assert "sk-nobody-knows-this-key" not in error.message
    jobs = client.fine_tuning.jobs
    error = refused(openai.NotFoundError, 404, lambda: jobs.retrieve("ftjob-none"))
    assert error.code == "fine_tune_not_found"
    error = refused(openai.NotFoundError, 404, lambda: chat(client, "gpt-none"))
    assert (error.code, error.param) == ("model_not_found", "model")
    error = refused(
        openai.BadRequestError,
        400,
        lambda: jobs.create(model=BASE, training_file="file-none"),
    )
    assert error.param == "training_file"
    error = refused(
        openai.BadRequestError,
        400,
        lambda: client.chat.completions.create(
            model=BASE, messages=QUESTION, temperature=9
        ),
    )
    assert (error.code, error.param) == ("decimal_above_max_value", "temperature")
    error = refused(
        openai.BadRequestError,
        400,
        lambda: client.files.create(file=("a.jsonl", b"no"), purpose="fine-tune"),
    )
    assert "JSONL" in error.message


def refused(kind: type[openai.APIStatusError], status: int, call: Any) -> Any:
    """The error of the one class and status that `call` must end with."""
    error = None
    try:
        call()
    except kind as raised:
        error = raised
    assert error is not None, f"no {kind.__name__}"
    assert error.status_code == status
    assert error.request_id
    assert error.type == "invalid_request_error"
    return error


if __name__ == "__main__":
    walk(OpenAI(base_url=sys.argv[1], api_key=sys.argv[2], max_retries=0))
    print(f"the core flow works with openai {openai.__version__}")
