import pytest

from tests.contract import calls, fidelity
from tests.localapi.running import RunningServer, chat_rows, upload


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
    return calls.Scene(server, server.client(calls.KEY))


@pytest.fixture(scope="session")
def verdicts(scene):
    return fidelity.verdicts(scene)


@pytest.fixture(scope="session")
def jobs(server, client):
    """A job at its creation, at its good end, at its bad end, and cancelled."""
    data = upload(client)
    create = client.fine_tuning.jobs.create
    created = create(
        model="tinygpt", training_file=data, validation_file=data, metadata={"a": "b"}
    )
    bad = create(model="tinygpt", training_file=upload(client, chat_rows(3)))
    cancelled = create(model="tinygpt", training_file=data)
    return {
        "cancelled": client.fine_tuning.jobs.cancel(cancelled.id),
        "created": created,
        "succeeded": server.finished(created.id),
        "failed": server.finished(bad.id),
    }
