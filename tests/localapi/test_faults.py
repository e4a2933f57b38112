"""Headers of every reply, rate limits that count, and errors on request."""

import time
from contextlib import contextmanager
from pathlib import Path
from typing import get_args

import httpx
import openai
import pytest

from finetune_kit.localapi import faults
from tests.localapi.api_2023 import reviews
from tests.localapi.running import FIRST_KEY, until, upload

WAITING = "Fine-tuning job is waiting in the queue. Queue number: "


def kit(client, method, path, body=None):
    url = str(client.base_url).replace("/v1/", f"/_kit/{path}")
    options = {"cast_to": object}
    if body is not None:
        options["body"] = body
    return getattr(client, method)(url, **options)


@pytest.fixture
def lesson(client):
    """Ask for a fault; nothing is left of it afterwards."""

    def ask(fault, **more):
        return kit(client, "post", "faults", {"fault": fault} | more)

    yield ask
    kit(client, "delete", "faults")


@contextmanager
def limited(server, **per_minute):
    admin = server.client(server.own_key)
    kit(admin, "post", "limits", per_minute)
    try:
        yield
    finally:
        kit(admin, "delete", "limits")


HEADERS = [
    "x-request-id",
    "openai-organization",
    "openai-processing-ms",
    "openai-version",
    *(
        f"x-ratelimit-{what}-{of}"
        for what in ("limit", "remaining", "reset")
        for of in ("requests", "tokens")
    ),
]


def test_every_reply_carries_the_headers_of_the_service(client):
    assert set(HEADERS) <= set(client.models.with_raw_response.list().headers)
    for call in (
        lambda: client.files.retrieve("file-none"),
        lambda: client.get("/nowhere", cast_to=object),
        lambda: client.post("/models", cast_to=object),
        lambda: client.fine_tuning.jobs.create(model="x", training_file="y"),
    ):
        with pytest.raises(openai.APIStatusError) as refused:
            call()
        assert set(HEADERS) <= set(refused.value.response.headers)


@pytest.mark.parametrize(
    ("headers", "content", "status"),
    [
        ({}, b"", 401),
        ({"Authorization": "Bearer sk-wrong"}, b"", 401),
        ({"Authorization": f"Bearer {FIRST_KEY}", "Host": "evil.example"}, b"", 403),
        ({"Authorization": f"Bearer {FIRST_KEY}"}, b" " * (8 * 2**20 + 1), 413),
    ],
)
def test_who_is_refused_at_the_door_gets_a_request_id_of_his_own(
    server, headers, content, status
):
    ids = set()
    for _ in range(2):
        reply = httpx.post(
            f"{server.origin}/v1/fine_tuning/jobs",
            headers=headers,
            content=content,
            timeout=60,
        )
        assert (reply.status_code, reply.json().keys()) == (status, {"error"})
        assert reply.headers["openai-version"]
        ids.add(reply.headers["x-request-id"])
    assert len(ids) == 2


def test_what_remains_goes_down_with_each_request_and_comes_back(server, client):
    def remaining():
        headers = client.models.with_raw_response.list().headers
        return int(headers["x-ratelimit-remaining-requests"])

    with limited(server, requests_per_minute=60):
        assert remaining() == 59
        seen = [remaining() for _ in range(20)]  # within 20 s, even on a busy machine
        assert seen[-1] < 59
        time.sleep(1.2)  # one comes back, and one is used
        assert remaining() >= seen[-1]


def test_a_limit_that_is_reached_says_when_to_come_back(server, client, stranger):
    with limited(server, requests_per_minute=3):
        for _ in range(3):
            client.models.list()
        with pytest.raises(openai.RateLimitError) as refused:
            client.models.list()
        error = refused.value
        assert (error.code, error.type) == ("rate_limit_exceeded", "requests")
        assert "Limit 3, Used 3, Requested 1. Please try again in" in error.message
        assert 1 <= int(error.response.headers["retry-after"]) <= 20
        assert error.response.headers["x-ratelimit-remaining-requests"] == "0"
        stranger.models.list()  # each key has its own


def test_long_prompts_use_up_the_tokens(server, client):
    question = [{"role": "user", "content": "word " * 400}]
    with limited(server, tokens_per_minute=600):  # the second fits after 40 s
        client.chat.completions.create(model="tinygpt", messages=question, max_tokens=1)
        with pytest.raises(openai.RateLimitError, match=r"tokens per min \(TPM\)"):
            client.chat.completions.create(model="tinygpt", messages=question)
        client.models.list()


@pytest.mark.parametrize(
    ("fault", "error", "code"),
    [
        ("rate_limit", openai.RateLimitError, "rate_limit_exceeded"),
        ("slow_down", openai.RateLimitError, "slow_down"),
        ("server_error", openai.InternalServerError, None),
        ("overloaded", openai.InternalServerError, "server_is_overloaded"),
        ("quota", openai.RateLimitError, "insufficient_quota"),
        ("explore_plan", openai.PermissionDeniedError, "exceeded_quota"),
        ("not_eligible", openai.PermissionDeniedError, None),
    ],
)
def test_an_error_of_the_service_comes_once_when_it_is_asked_for(
    client, lesson, fault, error, code
):
    lesson(fault)
    with pytest.raises(error) as refused:
        client.models.list()
    assert refused.value.code == code
    assert set(HEADERS) <= set(refused.value.response.headers)
    assert "A lesson of finetune-kit" in refused.value.message
    assert client.models.list().data


def test_what_passes_is_retried_by_the_sdk_and_a_quota_is_not(client, lesson):
    patient = client.with_options(max_retries=3)
    lesson("overloaded", times=2)
    started = time.monotonic()
    assert patient.models.list().data
    assert time.monotonic() - started < 3  # it was told to wait 20 ms only
    lesson("quota", times=2)
    with pytest.raises(openai.RateLimitError):
        patient.models.list()
    left = kit(client, "get", "faults")["data"]
    assert [(each["fault"], each["times"]) for each in left] == [("quota", 1)]


def test_a_fault_strikes_only_its_path_and_only_who_asked(client, stranger, lesson):
    lesson("server_error", path="/v1/fine_tuning")
    assert client.models.list().data
    stranger.fine_tuning.jobs.list()
    with pytest.raises(openai.InternalServerError):
        client.fine_tuning.jobs.list()


def created(client, **more):
    return client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), **more
    )


def messages(server, job):
    return [event.message for event in server.events(job.id)]


def test_a_file_that_the_moderation_blocks_fails_its_job(server, client, lesson):
    lesson("moderation_block")
    assert client.fine_tuning.jobs.list().data is not None  # it strikes a job only
    job = server.finished(created(client).id)
    assert job.status == "failed"
    assert (job.error.code, job.error.param) == (
        "invalid_training_file",
        "training_file",
    )
    assert "flagged by our moderation API" in job.error.message
    assert "A lesson of finetune-kit" in job.error.message
    assert messages(server, job)[-1] == job.error.message
    assert server.finished(created(client).id).status == "succeeded"


def test_a_job_can_crash_in_mid_run(server, client, lesson):
    lesson("crash")
    job = server.finished(created(client, hyperparameters={"n_epochs": 3}).id)
    assert (job.status, job.error.code) == ("failed", "server_error")
    steps = [e.data["step"] for e in server.events(job.id) if e.type == "metrics"]
    assert steps == list(range(1, 19))  # of 36
    assert (job.fine_tuned_model, job.result_files) == (None, [])
    assert server.finished(created(client).id).status == "succeeded"


def test_a_slow_queue_can_be_watched(server, client, lesson):
    lesson("slow_queue", seconds=6)
    job = created(client)
    waiting = [f"{WAITING}{place}" for place in (3, 2, 1)]
    started = time.monotonic()
    assert server.finished(job.id).status == "succeeded"
    assert time.monotonic() - started > 2
    assert [said for said in messages(server, job) if said in waiting] == waiting


def test_lessons_strike_the_jobs_of_2023_as_well_and_only_whose_they_are(
    server, client, stranger, lesson
):
    lesson("crash")
    other = server.finished(created(stranger).id, stranger.api_key)
    assert other.status == "succeeded"
    file = upload(client, reviews(12))
    body = {"training_file": file, "model": "ada", "n_epochs": 2}
    made = client.post("/fine-tunes", body=body, cast_to=object)["id"]
    ended = until(
        lambda: client.get(f"/fine-tunes/{made}", cast_to=object),
        lambda job: job["status"] in ("succeeded", "failed"),
    )
    assert ended["status"] == "failed"
    assert ended["events"][-1]["message"].startswith("Fine-tune failed. The job failed")


def test_an_unknown_fault_is_refused_with_the_list_of_faults(lesson):
    with pytest.raises(openai.BadRequestError, match="'overloaded'"):
        lesson("earthquake")
    with pytest.raises(openai.BadRequestError, match="'times'"):
        lesson("quota", times=0)
    with pytest.raises(openai.BadRequestError, match="'seconds'"):
        lesson("slow_queue", seconds=0)


def test_the_guide_for_a_class_names_every_fault():
    guide = Path(__file__).parents[2] / "docs" / "run-it-for-a-class.md"
    text = guide.read_text(encoding="utf-8")
    assert not [name for name in get_args(faults.Name) if f"`{name}`" not in text]


def test_only_the_workspace_s_key_changes_limits_and_the_clock(client):
    with pytest.raises(openai.PermissionDeniedError):
        kit(client, "post", "limits", {"requests_per_minute": 1})
    with pytest.raises(openai.PermissionDeniedError):
        kit(client, "post", "clock", {"seconds": 1})
    assert kit(client, "get", "limits")["requests_per_minute"] == 120_000
