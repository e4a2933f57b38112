"""Jobs as a state machine: whatever is asked in whatever order, each job's story stays
a possible one, and no answer is a 500."""

import openai
import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    rule,
    run_state_machine_as_test,
)

from tests.localapi.running import chat_rows, upload

_TERMINAL = {"succeeded", "failed", "cancelled"}
# From each status: what it may be seen as next. What is quick is not seen at all.
_NEXT = {
    "validating_files": {"queued", "running", "paused"} | _TERMINAL,
    "queued": {"running", "paused"} | _TERMINAL,
    "running": {"paused", "queued"} | _TERMINAL,
    "paused": {"queued", "running"} | _TERMINAL,
    **{status: set() for status in _TERMINAL},
}
_FIRST = "Created fine-tuning job: "


class Jobs(RuleBasedStateMachine):
    """What one user does with files and jobs, and what must hold all the while."""

    client: openai.OpenAI
    files = Bundle("files")
    jobs = Bundle("jobs")

    def __init__(self):
        super().__init__()
        self.seen = {}  # job -> its latest status
        self.stories = {}  # job -> ids of its events, oldest first
        self.deleted = set()

    @rule(target=files, rows=st.sampled_from([3, 12, 12]))
    def upload_file(self, rows):
        return upload(self.client, chat_rows(rows))

    @rule(file=files)
    def delete_file(self, file):
        if self.possibly(openai.NotFoundError, self.client.files.delete, file):
            self.deleted.add(file)

    @rule(
        target=jobs,
        file=files,
        epochs=st.integers(1, 4),
        pause=st.sampled_from([0.001, 0.05]),
        seed=st.sampled_from([1, 13, 14, 15]),
    )
    def create_job(self, file, epochs, pause, seed):
        parameters = {"n_epochs": epochs, "learning_rate_multiplier": pause}
        job = self.possibly(
            openai.BadRequestError,
            self.client.fine_tuning.jobs.create,
            model="tinygpt",
            training_file=file,
            hyperparameters=parameters,
            seed=seed,
        )
        assert (job is None) == (file in self.deleted)
        if job:
            self.seen[job.id] = job.status
            assert job.status == "validating_files"
        return job and job.id

    @rule(job=jobs, action=st.sampled_from(["cancel", "pause", "resume"]))
    def act_on_job(self, job, action):
        """Refused in a state that does not allow it."""
        if job is None:
            return
        before = self.look(job)
        found = self.possibly(
            (openai.BadRequestError, openai.NotFoundError),
            getattr(self.client.fine_tuning.jobs, action),
            job,
        )
        if before in _TERMINAL:
            assert found is None
        if found and action == "cancel":
            assert found.status == "cancelled"
        if found:
            self.step(job, found.status)

    @rule(job=jobs)
    def list_events(self, job):
        """Events are only ever added."""
        if job is None:
            return
        events = list(self.client.fine_tuning.jobs.list_events(job, limit=100))[::-1]
        ids = [event.id for event in events]
        before = self.stories.get(job, [])
        assert ids[: len(before)] == before
        assert len(set(ids)) == len(ids)
        assert events[0].message == _FIRST + job
        times = [event.created_at for event in events]
        assert times == sorted(times)
        self.stories[job] = ids

    @rule(limit=st.integers(1, 3))
    def page_through_jobs(self, limit):
        listed = [job.id for job in self.client.fine_tuning.jobs.list(limit=limit)]
        assert listed[: len(self.seen)] == list(self.seen)[::-1]

    @invariant()
    def every_job_is_in_a_possible_state(self):
        for job in self.seen:
            self.look(job)

    def teardown(self):
        for job, status in self.seen.items():
            if status not in _TERMINAL:
                self.possibly(
                    openai.BadRequestError, self.client.fine_tuning.jobs.cancel, job
                )

    def look(self, id):
        job = self.client.fine_tuning.jobs.retrieve(id)
        self.step(id, job.status)
        assert (job.finished_at is not None) == (job.status in _TERMINAL)
        assert (job.fine_tuned_model is not None) == (job.status == "succeeded")
        assert bool(job.result_files) == (job.status == "succeeded")
        assert (job.error.code is not None) == (job.status == "failed")
        return job.status

    def step(self, id, status):
        before = self.seen[id]
        assert status == before or status in _NEXT[before], (before, status)
        self.seen[id] = status

    @staticmethod
    def possibly(refusal, call, *arguments, **given):
        """The reply, or None where it is refused that way. Nothing else may happen."""
        try:
            return call(*arguments, **given)
        except refusal:
            return None


@pytest.mark.parametrize("examples", [8, pytest.param(200, marks=pytest.mark.slow)])
def test_jobs_in_any_order_of_requests(server, examples):
    Jobs.client = server.client(server.own_key)
    run_state_machine_as_test(
        Jobs,
        settings=settings(
            max_examples=examples,
            stateful_step_count=25,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )
