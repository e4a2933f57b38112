import pytest

from tests.localapi.running import FIRST_KEY, SECOND_KEY, RunningServer


@pytest.fixture(scope="session", autouse=True)
def no_server_is_left_behind():
    yield
    for running in RunningServer.started:
        if running.process.poll() is None:
            running.kill()


@pytest.fixture(scope="session")
def server(tmp_path_factory):
    """One server for all tests that do not harm it; its worker is a fake."""
    home = tmp_path_factory.mktemp("home with ünïcode and spaces")
    with RunningServer(home, fake=True) as running:
        yield running


@pytest.fixture(scope="session")
def client(server):
    return server.client(FIRST_KEY)


@pytest.fixture(scope="session")
def stranger(server):
    return server.client(SECOND_KEY)
