"""`/v1/fine_tuning/jobs` from creation to the end, driven by the SDK."""

import base64
import re

import openai
import pytest

from tests.localapi.running import SLOW, chat_rows, jsonl, until, until_running, upload

MODEL = "gpt-4o-mini-2024-07-18"


def create(client, **arguments):
    arguments.setdefault("training_file", None)
    arguments["training_file"] = arguments["training_file"] or upload(client)
    return client.fine_tuning.jobs.create(**{"model": MODEL} | arguments)


@pytest.fixture(scope="module")
def tuned(server, client):
    """A job with validation data that has succeeded, as it was created and now."""
    created = create(
        client, model="gpt-4o-mini", validation_file=upload(client), suffix="My Latin!"
    )
    return created, server.finished(created.id)


def test_a_job_begins_by_validating_its_files(tuned):
    created, _ = tuned
    assert created.status == "validating_files"
    assert created.model == MODEL  # the alias is resolved
    auto = {"n_epochs": "auto", "batch_size": "auto"}
    auto["learning_rate_multiplier"] = "auto"
    assert created.hyperparameters.to_dict() == auto
    assert created.method.supervised.hyperparameters.to_dict() == auto
    assert created.error.to_dict() == {"code": None, "message": None, "param": None}
    assert created.fine_tuned_model is None
    assert created.trained_tokens is None
    assert created.user_provided_suffix == "My Latin!"


def test_auto_becomes_numbers_by_the_rules_of_the_service(tuned):
    _, job = tuned
    resolved = {"n_epochs": 8, "batch_size": 1, "learning_rate_multiplier": 1.8}
    assert job.hyperparameters.to_dict() == resolved  # 12 examples: 100 // 12 epochs
    assert job.method.supervised.hyperparameters.to_dict() == resolved


def test_a_job_ends_with_a_model_named_after_base_and_suffix(tuned):
    _, job = tuned
    assert job.status == "succeeded"
    name = rf"ft:{MODEL}:personal:my-latin:[A-Za-z0-9]{{8}}"
    assert re.fullmatch(name, job.fine_tuned_model)
    assert job.finished_at > job.created_at
    assert job.estimated_finish is None
    assert job.trained_tokens > 12 * 8


def test_events_tell_the_whole_story_in_the_words_of_the_service(server, tuned):
    _, job = tuned
    events = server.events(job.id)
    messages = [event.message for event in events]
    files = f"training file: {job.training_file} and validation file: "
    assert messages[:4] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating {files}{job.validation_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert messages[4] == "Step 1/96: training loss=2.00"
    assert messages[13] == "Step 10/96: training loss=0.20, validation loss=0.30"
    assert messages[99] == (
        "Step 96/96: training loss=0.02, validation loss=0.03, "
        "full validation loss=0.04"
    )
    checkpoint = rf"Snapshot ID: ft:{MODEL}:personal:my-latin:\w{{8}}:ckpt-step-"
    assert re.fullmatch(
        rf"Checkpoint created at step 72 with {checkpoint}72", messages[100]
    )
    assert re.fullmatch(
        rf"Checkpoint created at step 84 with {checkpoint}84", messages[101]
    )
    assert messages[102:] == [
        f"New fine-tuned model created: {job.fine_tuned_model}",
        "The job has successfully completed",
    ]
    times = [event.created_at for event in events]
    assert times == sorted(times)
    assert times[0] == times[1] == job.created_at
    assert len({event.id for event in events}) == len(events)


def test_only_the_start_has_no_data_and_metrics_have_the_figures(server, tuned):
    events = server.events(tuned[1].id)
    assert [event.message for event in events if event.data is None] == [
        "Fine-tuning job started"
    ]
    metrics = [event.data for event in events if event.type == "metrics"]
    assert metrics[0] == {
        "step": 1,
        "total_steps": 96,
        "train_loss": 2.0,
        "train_mean_token_accuracy": 0.0,
    }
    assert metrics[-1].keys() == metrics[0].keys() | {
        "valid_loss",
        "valid_mean_token_accuracy",
        "full_valid_loss",
        "full_valid_mean_token_accuracy",
    }


def test_the_last_three_epochs_are_kept_and_can_be_used(client, tuned):
    _, job = tuned
    kept = client.fine_tuning.jobs.checkpoints.list(job.id).data
    assert [checkpoint.step_number for checkpoint in kept] == [96, 84, 72]
    names = [checkpoint.fine_tuned_model_checkpoint for checkpoint in kept]
    assert names[0] == job.fine_tuned_model
    random_parts = {name.split(":")[4] for name in names}
    assert len(random_parts) == 3
    assert kept[1].metrics.full_valid_loss == pytest.approx(4 / 84)
    assert {client.models.retrieve(name).id for name in names} == set(names)


def test_the_result_file_is_the_curve_as_csv_in_base64(client, tuned):
    _, job = tuned
    file = client.files.retrieve(job.result_files[0])
    assert (file.purpose, file.filename) == ("fine-tune-results", "step_metrics.csv")
    content = client.files.content(file.id).content
    rows = base64.b64decode(content, validate=True).decode().splitlines()
    assert (
        rows[0] == "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy"
    )
    assert rows[1] == "1,2.0,0.0,,"
    assert rows[10] == "10,0.2,0.9,0.3,0.5"
    assert len(rows) == 97


def test_hyperparameters_can_be_given_with_the_method(server, client):
    chosen = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 1.5}
    method = {"type": "supervised", "supervised": {"hyperparameters": chosen}}
    job = server.finished(create(client, method=method, seed=7).id)
    assert job.hyperparameters.to_dict() == chosen
    assert job.seed == 7
    assert server.events(job.id)[-4].message.startswith("Step 6/6:")


def test_a_tuned_model_can_be_tuned_further(server, client, tuned):
    name = tuned[1].fine_tuned_model
    created = create(client, model=name, hyperparameters={"n_epochs": 1})
    assert created.model == name
    job = server.finished(created.id)
    assert re.fullmatch(rf"ft:{MODEL}:personal::\w{{8}}", job.fine_tuned_model)
    spec = (server.folder / "jobs" / job.id / "spec.json").read_text(encoding="utf-8")
    assert '"base_weights": null' not in spec


def test_a_deleted_model_is_gone(server, client):
    job = server.finished(create(client, hyperparameters={"n_epochs": 1}).id)
    assert client.models.delete(job.fine_tuned_model).deleted is True
    with pytest.raises(openai.NotFoundError, match="does not exist"):
        client.models.retrieve(job.fine_tuned_model)
    assert client.fine_tuning.jobs.retrieve(job.id).fine_tuned_model is not None


def test_a_running_job_can_be_cancelled_and_its_worker_ends(server, client):
    job = create(client, hyperparameters=SLOW)
    until(lambda: server.events(job.id), lambda events: len(events) > 5)
    cancelled = client.fine_tuning.jobs.cancel(job.id)
    assert (cancelled.status, cancelled.fine_tuned_model) == ("cancelled", None)
    assert cancelled.finished_at is not None
    status = client.with_options(api_key=server.own_key)
    until(
        lambda: status.get(f"{server.origin}/_kit/status", cast_to=object),
        lambda seen: seen["workers"] == 0,
    )
    assert server.events(job.id)[-1].message == "The job was cancelled"
    with pytest.raises(openai.BadRequestError, match=f"already completed: {job.id}"):
        client.fine_tuning.jobs.cancel(job.id)


def test_a_waiting_job_can_be_cancelled_while_another_runs(server, client):
    data = upload(client)
    jobs = [create(client, training_file=data, hyperparameters=SLOW) for _ in range(3)]
    for job in jobs:
        assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"


def test_a_newcomer_does_not_wait_for_all_jobs_of_another(client, stranger):
    data = upload(client)

    def mine():
        return create(client, training_file=data, hyperparameters=SLOW).id

    def status(owner, job_id):
        return owner.fine_tuning.jobs.retrieve(job_id).status

    first = mine()
    until_running(client, first)
    waiting = [mine() for _ in range(3)]
    until(
        lambda: {status(client, job_id) for job_id in waiting},
        lambda seen: seen == {"queued"},
    )
    theirs = create(stranger, hyperparameters=SLOW).id
    until(lambda: status(stranger, theirs), lambda seen: seen != "validating_files")
    client.fine_tuning.jobs.cancel(first)
    until_running(stranger, theirs)
    states = [status(client, job_id) for job_id in waiting]
    assert states.count("queued") >= 2
    for job_id in waiting[::-1]:
        client.fine_tuning.jobs.cancel(job_id)
    stranger.fine_tuning.jobs.cancel(theirs)


def test_a_job_keeps_its_data_when_the_file_is_deleted(server, client):
    data = upload(client)
    job = create(client, training_file=data, hyperparameters={"n_epochs": 1})
    client.files.delete(data)
    assert server.finished(job.id).status == "succeeded"


def failed(server, client, rows):
    job = server.finished(create(client, training_file=upload(client, rows)).id)
    assert job.status == "failed"
    last = server.events(job.id)[-1]
    assert (last.level, last.message) == ("error", job.error.message)
    return job.error


def test_nine_examples_are_too_few(server, client):
    error = failed(server, client, chat_rows(9))
    assert error.to_dict() == {
        "code": "invalid_n_examples",
        "param": "training_file",
        "message": "Training file has 9 example(s), but must have at least 10 examples",
    }


def test_a_misspelt_role_fails_the_job_and_names_the_place(server, client):
    rows = chat_rows(12)
    rows[2]["messages"][1]["role"] = "assitant"
    error = failed(server, client, rows)
    assert (error.code, error.param) == ("invalid_training_file", "training_file")
    assert "Example 3, message 2" in error.message


def test_invalid_utf_8_further_down_fails_the_job(server, client):
    error = failed(server, client, jsonl(chat_rows(12)) + b'{"\xff"}\n')
    assert "Example 13" in error.message


def test_prompt_and_completion_pairs_are_not_for_this_api(server, client):
    rows = [{"prompt": f"{number} ->", "completion": " x"} for number in range(12)]
    assert "fine-tune-chat" in failed(server, client, rows).message


def test_an_error_of_the_worker_is_the_error_of_the_job(server, client):
    job = server.finished(create(client, seed=14).id)
    assert (job.status, job.error.message) == ("failed", "The loss is not a number.")


def test_a_worker_that_dies_again_and_again_fails_the_job(server, client):
    job = server.finished(create(client, seed=13).id)
    assert job.status == "failed"
    assert job.error.message.endswith("It last printed: out of memory")
    steps = [event for event in server.events(job.id) if event.type == "metrics"]
    assert [event.data["step"] for event in steps] == [1, 2]  # once, not three times


def test_a_job_whose_base_was_deleted_meanwhile_says_so(server, client):
    base = server.finished(create(client).id).fine_tuned_model
    before = create(client, hyperparameters=SLOW)
    until_running(client, before.id)
    job = create(client, model=base)  # waits for the one before
    client.models.delete(base)
    client.fine_tuning.jobs.cancel(before.id)
    error = server.finished(job.id).error
    assert (error.code, error.param) == ("model_not_available", "model")
    assert f"The model {base} was deleted" in error.message


def test_a_loss_that_diverges_is_null_and_not_a_broken_reply(server, client):
    job = server.finished(create(client, seed=15).id)
    assert job.status == "succeeded"
    first = next(e for e in server.events(job.id) if e.type == "metrics")
    assert first.message == "Step 1/96: training loss=nan"
    assert first.data["train_loss"] is None


def test_jobs_are_found_by_their_metadata(client):
    given = {"training_file": upload(client), "hyperparameters": SLOW}
    try:
        blue = create(client, **given, metadata={"colour": "blue", "x": ""})
        create(client, **given, metadata={"colour": "red"})

        def found(**query):
            jobs = client.fine_tuning.jobs.list(**query)
            return [job.id for job in jobs.data]

        assert found(metadata={"colour": "blue"}) == [blue.id]
        assert found(metadata={"x": ""}) == [blue.id]
        assert found(metadata={"colour": "blue", "x": "1"}) == []
        everything = client.fine_tuning.jobs.list(limit=100).data
        plain = found(extra_query={"metadata": "null"}, limit=100)
        assert plain == [job.id for job in everything if job.metadata is None]
    finally:
        for job in client.fine_tuning.jobs.list(limit=2).data:
            client.fine_tuning.jobs.cancel(job.id)


def test_events_come_page_by_page_without_gap_or_repetition(client, tuned):
    _, job = tuned
    first = client.fine_tuning.jobs.list_events(job.id)
    assert len(first.data) == 20
    assert first.has_more is True
    assert first.data[0].message == "The job has successfully completed"
    ids = [e.id for e in client.fine_tuning.jobs.list_events(job.id, limit=7)]
    assert len(ids) == len(set(ids)) == 104


def test_nobody_sees_what_belongs_to_another_key(client, stranger, tuned):
    _, job = tuned
    for look in (
        lambda: stranger.files.retrieve(job.training_file),
        lambda: stranger.files.content(job.training_file),
        lambda: stranger.files.delete(job.training_file),
        lambda: stranger.fine_tuning.jobs.retrieve(job.id),
        lambda: stranger.fine_tuning.jobs.cancel(job.id),
        lambda: stranger.fine_tuning.jobs.list_events(job.id),
        lambda: stranger.fine_tuning.jobs.checkpoints.list(job.id),
        lambda: stranger.models.retrieve(job.fine_tuned_model),
        lambda: stranger.models.delete(job.fine_tuned_model),
    ):
        with pytest.raises(openai.NotFoundError):
            look()
    assert job.training_file not in [file.id for file in stranger.files.list()]
    assert job.id not in [job.id for job in stranger.fine_tuning.jobs.list()]
    assert job.fine_tuned_model not in [model.id for model in stranger.models.list()]
    with pytest.raises(openai.BadRequestError, match="not available"):
        create(stranger, model=job.fine_tuned_model)
    with pytest.raises(openai.BadRequestError, match="does not exist"):
        create(stranger, training_file=job.training_file)
    assert client.fine_tuning.jobs.retrieve(job.id).status == "succeeded"


def test_the_list_of_models_names_bases_and_own_models(client, tuned):
    models = {model.id: model for model in client.models.list()}
    assert models["tinygpt"].owned_by == "finetune-kit"
    assert models[MODEL].shutdown_date == "2027-01-14"
    assert models[tuned[1].fine_tuned_model].owned_by == "personal"
    with pytest.raises(openai.PermissionDeniedError, match="base model"):
        client.models.delete(MODEL)
