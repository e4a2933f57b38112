"""`kill -9` of the server in the middle of a job: nothing is lost, nothing doubled."""

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import time

import pytest

from tests.localapi.api_2023 import Api, told, whole_story
from tests.localapi.running import RunningServer, chat_rows, jsonl, until, upload


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


class Killing:
    """A learner who goes on working while server and workers are killed at random."""

    def __init__(self, home, seed):
        self.server = RunningServer(home, fake=True).start()
        self.random = random.Random(seed)
        self.files, self.jobs = {}, []  # what was acknowledged
        self.worker_kills = 0

    def work(self):
        """Upload, and start a job unless one is under way."""
        rows = chat_rows(12, answer=f"Answer {len(self.files)}.")
        file = upload(self.server.client(), rows)
        self.files[file] = jsonl(rows)
        statuses = [job.status for job in self.server.client().fine_tuning.jobs.list()]
        if {"validating_files", "queued", "running"}.isdisjoint(statuses):
            parameters = {"n_epochs": 3, "learning_rate_multiplier": 0.02}
            job = self.server.client().fine_tuning.jobs.create(
                model="tinygpt", training_file=file, hyperparameters=parameters
            )
            self.jobs.append(job.id)

    def kill_one(self):
        time.sleep(self.random.uniform(0, 1.2))
        note = self.server.folder / "jobs" / self.jobs[-1] / "process.json"
        if self.random.random() < 0.4 and note.exists():
            with contextlib.suppress(ProcessLookupError):
                os.kill(json.loads(note.read_text("utf-8"))["pid"], signal.SIGKILL)
            self.worker_kills += 1
        else:
            self.server.kill()
            self.server.start()

    def assert_nothing_acknowledged_is_lost(self):
        client = self.server.client()
        listed = {file.id for file in client.files.list(purpose="fine-tune")}
        assert listed == set(self.files)
        assert [job.id for job in client.fine_tuning.jobs.list()] == self.jobs[::-1]
        newest = list(self.files)[-1]
        assert client.files.content(newest).content == self.files[newest]

    def assert_whole(self):
        """Every job has ended, with each event once, and nothing is left over."""
        client = self.server.client()
        failed = 0
        for job_id in self.jobs:
            job = self.server.finished(job_id)
            events = self.server.events(job_id)
            assert len({event.id for event in events}) == len(events)
            steps = [event.data["step"] for event in events if event.type == "metrics"]
            assert steps == list(range(1, len(steps) + 1))
            if job.status == "succeeded":
                assert len(steps) == 36
                assert len(client.fine_tuning.jobs.checkpoints.list(job_id).data) == 3
                assert client.models.retrieve(job.fine_tuned_model)
                assert client.files.content(job.result_files[0]).content
            else:  # its worker was killed too often
                failed += 1
                assert job.error.message.startswith("The training process ended")
        assert failed * 3 <= self.worker_kills
        kept = {path.name for path in (self.server.folder / "files").iterdir()}
        assert kept == {file.id for file in client.files.list()}


@pytest.mark.skipif(os.name == "nt", reason="kills by signal")
@pytest.mark.parametrize("kills", [5, pytest.param(50, marks=pytest.mark.slow)])
def test_killed_at_random_moments_nothing_acknowledged_is_lost(tmp_path, kills):
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    killing = Killing(tmp_path, seed)
    with killing.server:
        for _ in range(kills):
            killing.work()
            killing.kill_one()
            killing.assert_nothing_acknowledged_is_lost()
        killing.assert_whole()


@pytest.mark.parametrize("kills", [3, pytest.param(30, marks=pytest.mark.slow)])
def test_a_fine_tune_of_2023_ends_once_however_often_the_server_is_killed(
    tmp_path, kills
):
    seed = random.randrange(2**32)
    print(f"seed {seed}")  # shown when the test fails
    moments = random.Random(seed)
    server = RunningServer(tmp_path, fake=True).start()
    with server:
        api = Api(server)
        made = api.post(training_file=api.upload(), learning_rate_multiplier=0.05)
        for _ in range(kills):
            time.sleep(moments.uniform(0, 0.6))
            server.kill()
            server.start()
        job = api.ended(made["id"])
        assert told(job) == whole_story(job)
        assert job["fine_tuned_model"] in [m.id for m in api.client.models.list()]
        assert len(api.client.files.list(purpose="fine-tune-results").data) == 1


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


@pytest.mark.skipif(sys.platform == "win32", reason="there folders in use stay")
def test_where_the_workspace_is_moved_to_the_job_goes_on(tmp_path):
    server = RunningServer(tmp_path / "here", fake=True).start()
    client = server.client()
    parameters = {"n_epochs": 3, "learning_rate_multiplier": 0.1}
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=parameters
    )
    until_steps(server, job.id, 4)
    server.home.rename(tmp_path / "there")
    assert server.process.wait(60) == 0  # by itself
    assert not server.home.exists()
    with RunningServer(tmp_path / "there", fake=True) as again:
        assert_complete(again, again.finished(job.id), steps=36)


@pytest.mark.skipif(sys.platform == "win32", reason="there folders in use stay")
def test_a_server_whose_workspace_is_deleted_ends_and_makes_nothing_there(tmp_path):
    server = RunningServer(tmp_path / "here", fake=True).start()
    while server.home.exists():  # it may just be writing its first files
        shutil.rmtree(server.home, ignore_errors=True)
    assert server.process.wait(60) == 0
    assert not server.home.exists()
