"""Methods of fine-tuning and the other parameters of a job, driven by the SDK."""

import base64

import openai
import pytest

from tests.localapi.running import (
    SLOW,
    RunningServer,
    chat_rows,
    preference_rows,
    upload,
)

MODEL = "gpt-4o-mini-2024-07-18"


def create(client, rows=None, **arguments):
    data = upload(client, rows)
    return client.fine_tuning.jobs.create(
        **{"model": MODEL, "training_file": data} | arguments
    )


def refused(client, **arguments):
    with pytest.raises(openai.BadRequestError) as error:
        create(client, **arguments)
    return error.value


def dpo(**hyperparameters):
    return {"type": "dpo", "dpo": {"hyperparameters": hyperparameters}}


@pytest.fixture(scope="module")
def preferred(tmp_path_factory):
    """A server with the real engine, and a job of method dpo as created and ended."""
    with RunningServer(tmp_path_factory.mktemp("dpo")) as running:
        client = running.client()
        created = create(
            client,
            preference_rows(20),
            validation_file=upload(client, preference_rows(12)),
            method=dpo(beta=0.2, n_epochs=2),
        )
        yield running, created, running.finished(created.id)


def test_a_job_of_method_dpo_shows_its_method_and_no_hyperparameters_at_the_top(
    preferred,
):
    _, created, job = preferred
    assert created.hyperparameters is None
    assert created.method.type == "dpo"
    assert created.method.dpo.hyperparameters.to_dict() == {
        "n_epochs": 2,
        "batch_size": "auto",
        "learning_rate_multiplier": "auto",
        "beta": 0.2,
    }
    assert (job.status, job.error.message) == ("succeeded", None)
    assert job.method.dpo.hyperparameters.batch_size == 1
    assert job.trained_tokens > 20 * 2


def test_dpo_really_learns_the_preference(preferred):
    server, _, job = preferred
    metrics = [e.data for e in server.events(job.id) if e.type == "metrics"]
    assert metrics[0]["train_loss"] == pytest.approx(0.6931, abs=1e-3)
    last = metrics[-1]
    assert last["full_valid_loss"] < 0.3
    assert last["full_valid_reward_accuracy"] == 1.0
    assert last["full_valid_reward_margin"] > 1


def test_the_result_file_of_dpo_has_the_rewards_as_columns(preferred):
    server, _, job = preferred
    content = server.client().files.content(job.result_files[0]).read()
    lines = base64.b64decode(content).decode().splitlines()
    assert lines[0] == (
        "step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy,"
        "train_reward_accuracy,train_reward_margin,"
        "valid_reward_accuracy,valid_reward_margin"
    )
    assert len(lines) == 41


def test_beta_is_checked_and_belongs_to_dpo(client):
    error = refused(client, method=dpo(beta=3))
    assert error.param == "method.dpo.hyperparameters.beta"
    assert error.code == "decimal_above_max_value"
    assert refused(client, method=dpo(beta=0)).code == "decimal_below_min_value"
    supervised = {"type": "supervised", "supervised": {"hyperparameters": {"beta": 1}}}
    error = refused(client, method=supervised)
    assert error.code == "unknown_parameter"
    error = refused(client, method={"type": "supervised"} | {"dpo": {}})
    assert (error.code, error.param) == ("unknown_parameter", "method.dpo")


def test_hyperparameters_at_the_top_are_for_the_supervised_method_only(client):
    error = refused(client, method={"type": "dpo"}, hyperparameters={"n_epochs": 2})
    assert error.param == "hyperparameters"
    assert "method.dpo.hyperparameters" in error.message
    job = create(client, method={"type": "supervised"}, hyperparameters=SLOW)
    assert job.method.supervised.hyperparameters.n_epochs == 50
    client.fine_tuning.jobs.cancel(job.id)


def test_data_of_the_other_method_fails_the_job_in_the_words_of_the_service(
    server, client
):
    job = server.finished(create(client, chat_rows(12), method=dpo()).id)
    assert job.error.code == "invalid_training_file"
    assert (
        "is in the fine-tune-chat format, but the specified fine-tuning job is not "
        "using 'supervised' as the training method (provided method=dpo)."
    ) in job.error.message
    job = server.finished(create(client, preference_rows(12)).id)
    assert "(provided method=supervised)" in job.error.message


def test_a_pair_that_lacks_a_part_fails_the_job_and_not_the_server(preferred):
    server, _, _ = preferred
    rows = preference_rows(12)
    del rows[4]["input"]
    job = server.finished(create(server.client(), rows, method=dpo()).id)
    assert job.status == "failed"
    assert "Example 5" in job.error.message
    assert "input" in job.error.message


def test_reinforcement_is_answered_as_to_an_account_without_a_base_for_it(client):
    grader = {
        "type": "string_check",
        "name": "equal",
        "input": "{{sample.output_text}}",
        "reference": "{{item.answer}}",
        "operation": "eq",
    }
    method = {"type": "reinforcement", "reinforcement": {"grader": grader}}
    for model in ("o4-mini-2025-04-16", MODEL):
        error = refused(client, method=method, model=model)
        assert (error.code, error.param) == ("model_not_available", "model")
        assert f"Model {model} is not available for fine-tuning" in error.message
    form = {"type": "json_schema", "json_schema": {"name": "x", "schema": {}}}
    parts = {"one": grader, "two": grader | {"name": "too"}}
    sums = {"type": "multi", "name": "both", "graders": parts}
    sums["calculate_output"] = "one + two"
    for details in ({"grader": grader, "response_format": form}, {"grader": sums}):
        of_the_guide = {"type": "reinforcement", "reinforcement": details}
        assert refused(client, method=of_the_guide).code == "model_not_available"
    grader["operation"] = "equals"
    assert refused(client, method=method).code == "invalid_value"


def test_a_model_that_dpo_never_trained_says_what_can_train_it(client):
    error = refused(client, method=dpo(), model="gpt-3.5-turbo-0125")
    assert error.code == "model_not_available"
    assert "cannot be trained with 'dpo': use 'supervised'" in error.message


def test_integrations_are_echoed_and_said_not_to_be_served(server, client):
    wandb = {"project": "latin", "tags": ["first"]}
    given = [{"type": "wandb", "wandb": wandb}]
    job = create(client, integrations=given, hyperparameters=SLOW)
    assert job.integrations[0].to_dict() == {
        "type": "wandb",
        "wandb": {"project": "latin", "tags": ["first"], "name": None, "entity": None},
    }
    assert any("sends nothing to" in e.message for e in server.events(job.id))
    client.fine_tuning.jobs.cancel(job.id)
    six = [{"type": "wandb", "wandb": wandb}] * 6
    assert refused(client, integrations=six).code == "array_above_max_length"
    long_tag = {"type": "wandb", "wandb": {"project": "p", "tags": ["x" * 65]}}
    assert refused(client, integrations=[long_tag]).param == (
        "integrations[0].wandb.tags[0]"
    )


@pytest.mark.parametrize(
    ("metadata", "code"),
    [
        ({str(i): "" for i in range(17)}, "object_above_max_properties"),
        ({"k" * 65: ""}, "string_above_max_length"),
        ({"k": "v" * 513}, "string_above_max_length"),
    ],
)
def test_metadata_has_limits(client, metadata, code):
    assert refused(client, metadata=metadata).code == code


def test_metadata_at_its_limits_comes_back_unchanged(client):
    metadata = {f"{i:064}": "v" * 512 for i in range(16)}
    job = create(client, metadata=metadata, hyperparameters=SLOW)
    assert client.fine_tuning.jobs.retrieve(job.id).metadata == metadata
    client.fine_tuning.jobs.cancel(job.id)


def test_a_running_job_estimates_when_it_will_be_done(server, client):
    from tests.localapi.running import until

    job = create(client, hyperparameters=SLOW)
    assert job.estimated_finish is None
    seen = until(
        lambda: client.fine_tuning.jobs.retrieve(job.id),
        lambda job: job.estimated_finish is not None,
    )
    assert seen.status == "running"
    assert seen.estimated_finish > seen.created_at
    assert client.fine_tuning.jobs.cancel(job.id).estimated_finish is None
