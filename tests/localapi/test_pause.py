"""Pause and resume, with the engine that really trains."""

import hashlib

import openai
import pytest

from tests.localapi.running import SLOW, RunningServer, until, upload

LONG = {"n_epochs": 20, "batch_size": 1, "learning_rate_multiplier": 0.5}


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("pause")) as running:
        yield running


def create(client, **changes):
    return client.fine_tuning.jobs.create(
        **{"model": "tinygpt", "training_file": upload(client), "seed": 5}
        | {"hyperparameters": LONG}
        | changes
    )


def steps(server, job):
    return [e.data["step"] for e in server.events(job.id) if e.type == "metrics"]


def weights(server, model):
    """Digest of the weights that stand behind a job's final model."""
    job = server.finished(model)
    newest = max(
        (server.folder / "models" / job.id).glob("step-*.npz"),
        key=lambda path: int(path.stem.removeprefix("step-")),
    )
    import numpy

    with numpy.load(newest) as arrays:
        joined = b"".join(arrays[name].tobytes() for name in sorted(arrays.files))
    return hashlib.sha256(joined).hexdigest()


def paused(server, client, job, after_steps):
    until(lambda: steps(server, job), lambda seen: len(seen) >= after_steps)
    return client.fine_tuning.jobs.pause(job.id)


def checkpoints(client, job):
    return client.fine_tuning.jobs.checkpoints.list(job.id).data


def test_a_paused_job_goes_on_and_learns_the_same_as_one_that_never_paused(real):
    client = real.client()
    straight, job = create(client), create(client)
    answer = paused(real, client, job, after_steps=15)
    assert (answer.status, answer.estimated_finish) == ("paused", None)
    saved = until(lambda: checkpoints(client, job), lambda found: found)
    reached = steps(real, job)
    assert saved[0].step_number == reached[-1] < 240
    name = saved[0].fine_tuned_model_checkpoint
    asked = [{"role": "user", "content": "Hello"}]
    reply = client.chat.completions.create(model=name, messages=asked, max_tokens=3)
    assert reply.model == name
    assert client.fine_tuning.jobs.resume(job.id).status == "queued"
    done = real.finished(job.id)
    assert done.status == "succeeded"
    assert steps(real, job) == list(range(1, 241))
    assert [c.step_number for c in checkpoints(client, job)] == [240, 228, 216]
    with pytest.raises(openai.NotFoundError):  # older than the last three
        client.models.retrieve(name)
    assert weights(real, job.id) == weights(real, straight.id)
    messages = [event.message for event in real.events(job.id)]
    assert messages.index("The job was paused") < messages.index(
        f"Checkpoint created at step {reached[-1]} with Snapshot ID: {name}"
    )
    assert messages.count("Fine-tuning job started") == 2


def test_a_pause_outlives_the_server(tmp_path):
    server = RunningServer(tmp_path).start()
    client = server.client()
    job = create(client)
    paused(server, client, job, after_steps=5)
    server.kill()
    with server.start():
        assert server.client().fine_tuning.jobs.retrieve(job.id).status == "paused"
        server.client().fine_tuning.jobs.resume(job.id)
        assert server.finished(job.id).status == "succeeded"
        assert steps(server, job) == list(range(1, 241))


def test_a_job_resumed_at_once_waits_until_its_worker_has_saved(real):
    client = real.client()
    job = create(client)
    for _ in range(3):
        paused(real, client, job, after_steps=3)
        client.fine_tuning.jobs.resume(job.id)
        until(
            lambda: client.fine_tuning.jobs.retrieve(job.id).status,
            lambda seen: seen in ("running", "succeeded"),
        )
    assert real.finished(job.id).status == "succeeded"
    assert steps(real, job) == list(range(1, 241))


def test_a_paused_job_can_be_cancelled(server, client):
    job = create(client, hyperparameters=SLOW)
    paused(server, client, job, after_steps=2)
    assert client.fine_tuning.jobs.cancel(job.id).status == "cancelled"
    with pytest.raises(openai.BadRequestError, match="its status is 'cancelled'"):
        client.fine_tuning.jobs.resume(job.id)


def test_pause_and_resume_are_refused_while_the_files_are_validated(tmp_path):
    with RunningServer(tmp_path, "--pace", "realistic", fake=True) as slow:
        jobs, job = slow.client().fine_tuning.jobs, create(slow.client())
        with pytest.raises(openai.BadRequestError) as refused:
            jobs.pause(job.id)
        assert refused.value.code == "invalid_job_status"
        assert "its status is 'validating_files'" in refused.value.message
        with pytest.raises(openai.BadRequestError, match="whose status is 'paused'"):
            jobs.resume(job.id)
        jobs.cancel(job.id)


def test_pause_and_resume_are_refused_when_a_job_has_ended(client, server):
    jobs = client.fine_tuning.jobs
    done = create(client, hyperparameters={"n_epochs": 1})
    server.finished(done.id)
    for act in (jobs.pause, jobs.resume):
        with pytest.raises(openai.BadRequestError, match="'succeeded'"):
            act(done.id)
        with pytest.raises(openai.NotFoundError):
            act("ftjob-nobody")


def test_a_paused_job_outlives_the_model_that_it_goes_on_from(real):
    client = real.client()
    first = real.finished(create(client, hyperparameters={"n_epochs": 1}).id)
    job = create(client, model=first.fine_tuned_model)
    paused(real, client, job, after_steps=5)
    client.models.delete(first.fine_tuned_model)
    client.fine_tuning.jobs.resume(job.id)
    done = real.finished(job.id)
    assert (done.status, done.error) == ("succeeded", done.error)
    assert steps(real, job) == list(range(1, 241))
