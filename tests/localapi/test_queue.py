"""The queue: one job of a user at a time, users in turn, each job's place visible."""

import pytest

from tests.localapi.running import (
    FIRST_KEY,
    SECOND_KEY,
    SLOW,
    RunningServer,
    until,
    until_running,
    upload,
)

_STEPS = {"n_epochs": 10, "learning_rate_multiplier": 0.01}
_WAITING = "Fine-tuning job is waiting in the queue. Queue number: "


@pytest.fixture
def server(tmp_path):
    with RunningServer(tmp_path, fake=True) as running:
        yield running


def create(client, parameters=_STEPS):
    return client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=parameters
    ).id


def test_one_job_of_a_user_runs_at_a_time_and_each_says_how_many_are_before_it(server):
    client = server.client()
    ids = [create(client) for _ in range(3)]

    def running():
        jobs = client.fine_tuning.jobs.list().data
        assert sum(job.status == "running" for job in jobs) <= 1
        return [job.status for job in jobs]

    until(running, lambda seen: set(seen) == {"succeeded"})
    said = [[event.message for event in server.events(job_id)] for job_id in ids]
    # Files are looked at side by side: who is done first, is first in the queue.
    said.sort(key=lambda messages: sum(m.startswith(_WAITING) for m in messages))
    told = [
        [m.removeprefix(_WAITING) for m in messages if m.startswith(_WAITING)]
        for messages in said
    ]
    assert told[0] == []
    assert told[1] in ([], ["0"])
    assert told[2] in ([], ["0"], ["1", "0"])


def test_who_comes_with_one_job_does_not_wait_for_all_of_another_s(server):
    busy, guest = server.client(FIRST_KEY), server.client(SECOND_KEY)
    first = create(busy, SLOW)
    until_running(busy, first)
    of_busy = [create(busy) for _ in range(2)]
    of_guest = create(guest)

    def statuses():
        jobs = [*guest.fine_tuning.jobs.list(), *busy.fine_tuning.jobs.list()]
        return {job.id: job.status for job in jobs if job.id != first}

    # Files are looked at side by side: none is waited for any more.
    until(statuses, lambda seen: "validating_files" not in seen.values())
    busy.fine_tuning.jobs.cancel(first)
    order = []

    def all_started():
        for job_id, status in statuses().items():
            if status in ("running", "succeeded") and job_id not in order:
                order.append(job_id)
        return len(order) == 3

    until(all_started, bool)
    assert order[0] == of_guest
    assert set(order[1:]) == set(of_busy)


def test_the_place_is_told_once_even_if_the_server_is_killed(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    client = server.client()
    first = create(client, SLOW)
    until_running(client, first)
    waits = create(client)

    def places():
        return [e for e in server.events(waits) if e.message.startswith(_WAITING)]

    until(places, bool)
    server.kill()
    with server.start():
        until(lambda: server.events(waits), lambda seen: len(seen) >= 4)
        assert len(places()) == 1
        for job_id in (waits, first):
            server.client().fine_tuning.jobs.cancel(job_id)
