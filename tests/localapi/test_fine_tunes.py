"""The API of 2023, `/v1/fine-tunes`, over the wire: what a client of then expects."""

import re

import httpx
import openai
import pytest

from tests.localapi.api_2023 import Api, reviews, told, whole_story
from tests.localapi.running import FIRST_KEY, SLOW, chat_rows, until


@pytest.fixture(scope="module")
def api(server):
    return Api(server)


@pytest.fixture(scope="module")
def file_id(api):
    return api.upload()


@pytest.fixture(scope="module")
def slow(api, file_id):
    """A fine-tune that is at work until it is cancelled."""

    def start():
        return api.post(training_file=file_id, **SLOW)

    return start


def test_a_new_fine_tune_looks_as_it_did_in_2023(api, file_id):
    made = api.post(training_file=file_id, model="ada")
    api.post(f"/fine-tunes/{made['id']}/cancel")
    assert re.fullmatch(r"ft-[A-Za-z0-9]{24}", made["id"])
    assert list(made) == [
        "object",
        "id",
        "hyperparams",
        "organization_id",
        "model",
        "training_files",
        "validation_files",
        "result_files",
        "created_at",
        "updated_at",
        "status",
        "fine_tuned_model",
        "events",
    ]
    assert (made["object"], made["model"]) == ("fine-tune", "ada")
    assert (made["status"], made["fine_tuned_model"]) == ("pending", None)
    assert made["hyperparams"] == {
        "n_epochs": 4,
        "batch_size": None,
        "prompt_loss_weight": 0.01,
        "learning_rate_multiplier": None,
    }
    (file,) = made["training_files"]
    assert (file["id"], file["purpose"]) == (file_id, "fine-tune")
    assert (file["filename"], file["status"]) == ("training.jsonl", "uploaded")
    assert made["validation_files"] == made["result_files"] == []
    assert made["events"] == [
        {
            "object": "fine-tune-event",
            "level": "info",
            "message": f"Created fine-tune: {made['id']}",
            "created_at": made["created_at"],
        }
    ]


def test_the_whole_story_is_told_in_the_words_of_2023(api):
    job = api.tuned(reviews(2), model="ada", learning_rate_multiplier=None)
    model, result = job["fine_tuned_model"], job["result_files"][0]
    assert told(job) == whole_story(job)
    assert re.fullmatch(r"ada:ft-personal-\d{4}(-\d\d){5}", model)
    assert job["hyperparams"] == {
        "n_epochs": 4,
        "batch_size": 1,
        "prompt_loss_weight": 0.01,
        "learning_rate_multiplier": 0.1,
    }
    assert job["training_files"][0]["status"] == "processed"
    assert result["purpose"] == "fine-tune-results"
    assert result["filename"] == "compiled_results.csv"


def test_what_was_left_open_is_null_until_the_fine_tune_runs(api, slow):
    first = slow()
    seen = until(
        lambda: api.get(f"/fine-tunes/{first['id']}"),
        lambda job: job["status"] == "running",
    )
    assert seen["hyperparams"]["batch_size"] == 1
    waiting = slow()
    queued = until(
        lambda: api.get(f"/fine-tunes/{waiting['id']}"),
        lambda job: "Fine-tune enqueued. Queue number: 0" in told(job),
    )
    assert queued["status"] == "pending"
    assert queued["hyperparams"]["batch_size"] is None
    assert queued["training_files"][0]["status"] == "processed"
    third = slow()
    until(
        lambda: api.get(f"/fine-tunes/{third['id']}"),
        lambda job: "Fine-tune enqueued. Queue number: 1" in told(job),
    )
    for job in (third, waiting, first):
        api.post(f"/fine-tunes/{job['id']}/cancel")


def has_started(events):
    return "Fine-tune started" in events


def test_who_waits_is_told_when_the_queue_gets_shorter(api, slow):
    def numbers(job):
        events = told(api.get(f"/fine-tunes/{job['id']}"))
        return [text for text in events if "Queue number" in text]

    first = slow()
    until(lambda: told(api.get(f"/fine-tunes/{first['id']}")), has_started)
    second = slow()
    until(lambda: numbers(second), bool)
    third = slow()
    until(lambda: numbers(third), bool)
    api.post(f"/fine-tunes/{first['id']}/cancel")
    last = "Fine-tune is in the queue. Queue number: 0"
    seen = until(lambda: numbers(third), lambda texts: texts[-1] == last)
    assert seen == ["Fine-tune enqueued. Queue number: 1", last]
    for job in (third, second):
        api.post(f"/fine-tunes/{job['id']}/cancel")


def test_the_price_is_that_of_2023_for_all_epochs(api):
    rows = [{"prompt": f"{i} " + "word " * 500, "completion": " x"} for i in range(40)]
    job = api.tuned(rows, model="davinci", n_epochs=2)
    # 40 rows of about 502 tokens, twice, at 30 dollars the million
    cost = next(m for m in told(job) if "costs" in m)
    dollars = float(cost.removeprefix("Fine-tune costs $"))
    assert dollars == pytest.approx(40 * 502 * 2 * 30 / 1e6, abs=0.02)


def test_the_suffix_stands_in_the_name_and_two_models_never_share_one(api):
    names = [
        api.tuned(model="curie", suffix="My Film, 2", n_epochs=1)["fine_tuned_model"]
        for _ in range(2)
    ]
    assert names[0].startswith("curie:ft-personal:my-film-2-20")
    assert names[0] != names[1]


def test_a_chat_model_is_sent_to_the_new_api(api, file_id):
    with pytest.raises(openai.BadRequestError, match=r"only .* new fine-tuning API"):
        api.post(training_file=file_id, model="gpt-3.5-turbo-0613")


def test_the_default_base_is_curie_and_a_tuned_model_can_be_tuned_on(api):
    first = api.tuned(n_epochs=1)
    assert first["model"] == "curie"
    second = api.tuned(n_epochs=1, model=first["fine_tuned_model"])
    assert second["model"] == first["fine_tuned_model"]
    assert second["fine_tuned_model"].startswith("curie:ft-personal-")


def test_a_file_of_a_single_line_is_enough(api):
    assert api.tuned(reviews(1), n_epochs=50)["status"] == "succeeded"


def test_each_api_sees_its_own_jobs_only(api, file_id):
    old = api.tuned(n_epochs=1)
    chat_file = api.upload(chat_rows(12), "chat.jsonl")
    new = api.client.fine_tuning.jobs.create(model="tinygpt", training_file=chat_file)
    assert old["id"] not in [job.id for job in api.client.fine_tuning.jobs.list()]
    listed = [job["id"] for job in api.get("/fine-tunes")["data"]]
    assert old["id"] in listed
    assert new.id not in listed
    for path in (f"/fine-tunes/{new.id}", f"/fine_tuning/jobs/{old['id']}"):
        with pytest.raises(openai.NotFoundError):
            api.get(path)


def test_the_list_has_no_events_and_is_the_callers_own(api, server):
    made = api.tuned(n_epochs=1)
    listed = api.get("/fine-tunes")
    assert listed["object"] == "list"
    assert all("events" not in job for job in listed["data"])
    assert made["id"] == listed["data"][-1]["id"]
    stranger = Api(server, "sk-class-second-0002")
    assert stranger.get("/fine-tunes")["data"] == []
    for path in ("", "/events", "/events?stream=true"):
        with pytest.raises(openai.NotFoundError):
            stranger.get(f"/fine-tunes/{made['id']}{path}")
    with pytest.raises(openai.NotFoundError):
        stranger.post(f"/fine-tunes/{made['id']}/cancel")


def test_a_cancelled_fine_tune_says_so_and_cannot_be_cancelled_again(api, slow):
    job = slow()
    cancelled = api.post(f"/fine-tunes/{job['id']}/cancel")
    assert cancelled["status"] == "cancelled"
    assert told(cancelled)[-1] == "Fine-tune cancelled"
    with pytest.raises(openai.BadRequestError, match="already cancelled"):
        api.post(f"/fine-tunes/{job['id']}/cancel")


def test_a_cancel_may_be_a_form_without_a_boundary(api, slow, server):
    """So sends it the Ruby gem of 2023."""
    job = slow()
    reply = httpx.post(
        f"{server.origin}/v1/fine-tunes/{job['id']}/cancel",
        headers={
            "Authorization": f"Bearer {FIRST_KEY}",
            "Content-Type": "multipart/form-data",
        },
        timeout=60,
    )
    assert reply.json()["status"] == "cancelled"


def stream(server, job_id):
    """The lines of an event stream, until the server ends it."""
    with httpx.stream(
        "GET",
        f"{server.origin}/v1/fine-tunes/{job_id}/events",
        params={"stream": "true"},
        headers={"Authorization": f"Bearer {FIRST_KEY}"},
        timeout=60,
    ) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        yield from (line for line in reply.iter_lines() if line)


def test_events_stream_until_the_end_and_can_be_taken_up_again(api, server, file_id):
    job = api.post(training_file=file_id, learning_rate_multiplier=0.05)
    lines = stream(server, job["id"])
    interrupted = [next(lines), next(lines)]
    lines.close()
    resumed = list(stream(server, job["id"]))
    assert resumed[:2] == interrupted
    assert resumed[-1] == "data: [DONE]"
    listed = api.get(f"/fine-tunes/{job['id']}/events")["data"]
    assert len(resumed) == len(listed) + 1
    assert listed[-1]["message"] == "Fine-tune succeeded"


def test_a_model_is_deleted_by_its_name_and_a_fine_tune_by_its_id(api):
    job = api.tuned(n_epochs=1)
    name = job["fine_tuned_model"]
    assert api.client.models.retrieve(name).id == name
    assert api.client.models.delete(name).deleted is True
    with pytest.raises(openai.NotFoundError):
        api.client.models.retrieve(name)
    gone = api.client.delete(f"/fine-tunes/{job['id']}", cast_to=object)
    assert gone == {"object": "fine-tune", "id": job["id"], "deleted": True}
    with pytest.raises(openai.NotFoundError):
        api.get(f"/fine-tunes/{job['id']}")


def test_an_active_fine_tune_is_not_deleted(api, slow):
    job = slow()
    with pytest.raises(openai.BadRequestError, match="Cancel it"):
        api.client.delete(f"/fine-tunes/{job['id']}", cast_to=object)
    api.post(f"/fine-tunes/{job['id']}/cancel")


def test_a_deleted_training_file_is_still_named(api):
    file_id = api.upload()
    job = api.post(training_file=file_id, learning_rate_multiplier=1)
    api.client.files.delete(file_id)
    (file,) = api.ended(job["id"])["training_files"]
    assert (file["id"], file["status"]) == (file_id, "deleted")


@pytest.mark.parametrize(
    ("body", "param", "words"),
    [
        ({"model": "gpt-4o-mini"}, "model", "only be fine-tuned on the new"),
        ({"model": "cushman"}, "model", "must be one of ada, babbage, curie"),
        ({"model": "tinygpt"}, "model", "Invalid base model: tinygpt"),
        ({"n_epochs": 0}, "n_epochs", "below minimum"),
        ({"n_epochs": 2.5}, "n_epochs", "an integer"),
        ({"batch_size": 257}, "batch_size", "above maximum"),
        ({"learning_rate_multiplier": 0}, "learning_rate_multiplier", "> 0"),
        ({"prompt_loss_weight": -1}, "prompt_loss_weight", "below minimum"),
        ({"suffix": "x" * 41}, "suffix", "too long"),
        ({"seed": 1}, "seed", "Unknown parameter"),
        (
            {"compute_classification_metrics": True},
            "validation_file",
            "validation_file is needed",
        ),
        ({"classification_betas": [0]}, "classification_betas[0]", "> 0"),
        ({"classification_n_classes": 1}, "classification_n_classes", "below"),
    ],
)
def test_a_wrong_request_is_refused_with_the_parameter(
    api, file_id, body, param, words
):
    with pytest.raises(openai.BadRequestError) as caught:
        api.post(training_file=file_id, **body)
    assert caught.value.param == param
    assert words in str(caught.value)


def test_classes_must_be_named_or_counted(api, file_id):
    body = {"training_file": file_id, "validation_file": file_id}
    asked = {"compute_classification_metrics": True}
    with pytest.raises(openai.BadRequestError, match="classification_n_classes"):
        api.post(**body, **asked)
    with pytest.raises(openai.BadRequestError, match="leave it out"):
        api.post(
            **body,
            **asked,
            classification_n_classes=3,
            classification_positive_class="a",
        )


@pytest.mark.parametrize(
    ("rows", "extra", "words"),
    [
        (chat_rows(12), {}, "fine-tune-chat format"),
        ([{"prompt": "a"}] * 3, {}, "completion"),
        (
            reviews(12),
            {"classification_n_classes": 3},
            "does not match the number of classes",
        ),
        (
            reviews(12),
            {"classification_positive_class": "good"},
            "not among the completions",
        ),
    ],
)
def test_a_wrong_file_fails_the_fine_tune_with_the_reason(api, rows, extra, words):
    file_id = api.upload(rows)
    body = {"training_file": file_id}
    if extra:
        body |= {"validation_file": file_id, "compute_classification_metrics": True}
    job = api.ended(api.post(**body, **extra)["id"])
    last = job["events"][-1]
    assert (job["status"], last["level"]) == ("failed", "error")
    assert last["message"].startswith("Fine-tune failed. ")
    assert words in last["message"]
