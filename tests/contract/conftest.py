import pytest

from tests.contract import calls, fidelity
from tests.localapi.running import (
    SLOW,
    RunningServer,
    chat_rows,
    preference_rows,
    until_running,
    upload,
)


@pytest.fixture(scope="session", autouse=True)
def no_server_is_left_behind():
    yield
    for running in RunningServer.started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("home"), fake=True) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    return server.client()


@pytest.fixture(scope="session")
def scene(server):
    made = calls.Scene(server, server.client(calls.KEY))
    yield made
    made.close()


@pytest.fixture(scope="session")
def verdicts(scene):
    return fidelity.verdicts(scene)


@pytest.fixture(scope="session")
def jobs(server, client):
    """A job at its creation, at its good end, at its bad end, cancelled, paused, and
    one of method dpo."""
    data = upload(client)
    create = client.fine_tuning.jobs.create
    created = create(
        model="tinygpt", training_file=data, validation_file=data, metadata={"a": "b"}
    )
    bad = create(model="tinygpt", training_file=upload(client, chat_rows(3)))
    ended = {
        "created": created,
        "succeeded": server.finished(created.id),
        "failed": server.finished(bad.id),
    }
    slow = create(model="tinygpt", training_file=data, hyperparameters=SLOW)
    until_running(client, slow.id)  # the others wait, so that they can be cancelled
    cancelled = create(model="tinygpt", training_file=data)
    dpo = create(
        model="tinygpt",
        training_file=upload(client, preference_rows(12)),
        method={"type": "dpo"},
    )
    client.fine_tuning.jobs.cancel(dpo.id)
    cancelled = client.fine_tuning.jobs.cancel(cancelled.id)
    paused = client.fine_tuning.jobs.pause(slow.id)
    client.fine_tuning.jobs.cancel(slow.id)
    return {"paused": paused, "dpo": dpo, "cancelled": cancelled} | ended
