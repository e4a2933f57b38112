"""`kill -9` of the server in the middle of a job: nothing is lost, nothing doubled."""

import pytest

from tests.localapi.running import RunningServer, chat_rows, until, upload


def assert_complete(server, job, steps):
    """The whole story, each event once, in order."""
    assert job.status == "succeeded", job.error
    events = server.events(job.id)
    assert len({event.id for event in events}) == len(events)
    assert [e.data["step"] for e in events if e.type == "metrics"] == list(
        range(1, steps + 1)
    )
    messages = [event.message for event in events if event.type == "message"]
    assert messages[:4] == [
        f"Created fine-tuning job: {job.id}",
        f"Validating training file: {job.training_file}",
        "Files validated, moving job to queued state",
        "Fine-tuning job started",
    ]
    assert messages[-2:] == [
        f"New fine-tuned model created: {job.fine_tuned_model}",
        "The job has successfully completed",
    ]
    checkpoints = server.client().fine_tuning.jobs.checkpoints.list(job.id).data
    assert len(checkpoints) == 3
    assert len(server.client().files.list(purpose="fine-tune-results").data) == 1


def until_steps(server, job_id, count):
    """Wait until more than `count` steps were told."""

    def told():
        return sum(event.type == "metrics" for event in server.events(job_id))

    until(told, lambda seen: seen > count)


def test_the_worker_goes_on_and_is_found_again(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    client = server.client()
    parameters = {"n_epochs": 3, "learning_rate_multiplier": 0.05}
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=parameters
    )
    until_steps(server, job.id, 4)
    server.kill()
    with RunningServer(tmp_path, fake=True) as again:
        assert_complete(again, again.finished(job.id), steps=36)


@pytest.mark.parametrize("moment", ["validating_files", "running"])
def test_killed_again_and_again_the_job_still_ends_once(tmp_path, moment):
    server = RunningServer(tmp_path, fake=True).start()
    client = server.client()
    parameters = {"n_epochs": 3, "learning_rate_multiplier": 0.02}
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=parameters
    )
    for steps in (0, 8, 16):
        if moment == "running":
            until_steps(server, job.id, steps)
        server.kill()
        server.start()
    with server:
        assert_complete(server, server.finished(job.id), steps=36)


def test_with_the_real_engine_the_model_answers_after_the_kill(tmp_path):
    server = RunningServer(tmp_path).start()
    client = server.client()
    job = client.fine_tuning.jobs.create(
        model="gpt-4o-mini",
        training_file=upload(client, chat_rows(30)),
        hyperparameters={"n_epochs": 5},
    )
    until_steps(server, job.id, 2)
    server.kill()
    with RunningServer(tmp_path) as again:
        job = again.finished(job.id)
        assert_complete(again, job, steps=150)
        answer = again.client().chat.completions.create(
            model=job.fine_tuned_model,
            messages=[{"role": "user", "content": "What about question 7?"}],
            max_tokens=20,
            temperature=0,
        )
        assert answer.choices[0].message.content.strip()
