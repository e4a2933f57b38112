"""Webhooks: told once an outcome is durable, signed as the SDK verifies them."""

import socket
import socketserver
import threading
import time
from contextlib import contextmanager

import openai
import pytest

from tests.localapi.receiver import receiving
from tests.localapi.running import SLOW, RunningServer, chat_rows, upload

ENDS = [
    "fine_tuning.job.succeeded",
    "fine_tuning.job.failed",
    "fine_tuning.job.cancelled",
]


@contextmanager
def told(client, event_types=ENDS):
    """A receiver with its endpoint."""
    with receiving() as receiver:
        endpoint = client.webhooks.create(
            name="lesson", url=receiver.url, event_types=event_types
        )
        yield receiver, endpoint
        client.webhooks.delete(endpoint.id)


def create(client, rows=None, **changes):
    defaults = {"model": "tinygpt", "hyperparameters": {"n_epochs": 1}}
    data = upload(client, rows)
    return client.fine_tuning.jobs.create(**defaults | changes, training_file=data)


def test_each_end_of_a_job_is_told_and_verifies(server, client):
    with told(client) as (receiver, endpoint):
        good, bad = create(client), create(client, chat_rows(3))
        stopped = create(client, hyperparameters=SLOW)
        client.fine_tuning.jobs.cancel(stopped.id)
        for job in (good, bad):
            server.finished(job.id)
        events = receiver.events(client, endpoint.signing_secret, 3)
        assert {(event.type, event.data.id) for event in events} == {
            ("fine_tuning.job.succeeded", good.id),
            ("fine_tuning.job.failed", bad.id),
            ("fine_tuning.job.cancelled", stopped.id),
        }
        assert {event.object for event in events} == {"event"}
        assert len({event.id for event in events}) == 3
        headers, body = receiver.received[0]
        with pytest.raises(openai.InvalidWebhookSignatureError):
            client.webhooks.unwrap(body + b" ", headers, secret=endpoint.signing_secret)


def test_a_receiver_that_fails_is_told_again_until_it_takes_the_event(server, client):
    with told(client) as (receiver, endpoint):
        receiver.statuses = [500, 302]
        create(client)
        events = receiver.events(client, endpoint.signing_secret, 3)
        assert len({event.id for event in events}) == 1
        assert len({body for _, body in receiver.received}) == 1


def test_only_the_named_events_of_the_own_jobs_are_told(server, client, stranger):
    with told(client, ["fine_tuning.job.cancelled"]) as (receiver, endpoint):
        server.finished(create(client).id)
        foreign = create(stranger, hyperparameters=SLOW)
        stranger.fine_tuning.jobs.cancel(foreign.id)
        own = create(client, hyperparameters=SLOW)
        client.fine_tuning.jobs.cancel(own.id)
        events = receiver.events(client, endpoint.signing_secret, 1)
        assert [event.data.id for event in events] == [own.id]


def test_what_was_not_taken_is_told_after_a_restart(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    client = server.client()
    with socket.socket() as kept:  # nobody listens, and nobody else gets the port
        kept.bind(("127.0.0.1", 0))
        port = kept.getsockname()[1]
        secret = client.webhooks.create(
            name="later", url=f"http://127.0.0.1:{port}/", event_types=ENDS
        ).signing_secret
        job = create(client)
        server.finished(job.id)
        server.kill()
    with receiving(port) as receiver, server.start():
        (event,) = receiver.events(client, secret, 1)
        assert event.data.id == job.id


def test_an_endpoint_can_be_listed_changed_and_removed(client):
    with told(client) as (receiver, endpoint):
        assert endpoint.signing_secret.endswith(endpoint.signing_secret_hint[-4:])
        found = client.webhooks.retrieve(endpoint.id)
        assert "signing_secret" not in found.to_dict()
        assert [each.id for each in client.webhooks.list()] == [endpoint.id]
        changed = client.webhooks.update(
            endpoint.id, name="other", event_types=ENDS[:1]
        )
        assert (changed.name, changed.event_types) == ("other", ENDS[:1])
        assert changed.url == receiver.url
    with pytest.raises(openai.NotFoundError):
        client.webhooks.retrieve(endpoint.id)
    assert client.webhooks.event_types.list().data == ENDS


def test_a_rotated_secret_replaces_the_old_one_at_once_or_in_a_day(client):
    with told(client) as (receiver, endpoint):

        def test_event():
            client.webhooks.test(endpoint.id, event_type=ENDS[0])
            headers, body = receiver.received[-1]

            def verifies(secret):
                try:
                    client.webhooks.unwrap(body, headers, secret=secret)
                except openai.InvalidWebhookSignatureError:
                    return False
                return True

            return verifies

        first = endpoint.signing_secret
        second = client.webhooks.rotate_secret(
            endpoint.id, keep_old_secret_active_for_24_hours=True
        ).signing_secret
        verifies = test_event()
        assert verifies(first)
        assert verifies(second)
        third = client.webhooks.rotate_secret(endpoint.id).signing_secret
        verifies = test_event()
        assert not verifies(first)
        assert not verifies(second)
        assert verifies(third)


def test_a_sample_tells_what_the_receiver_answered(client):
    with told(client) as (receiver, endpoint):
        receiver.statuses = [418]
        result = client.webhooks.test(endpoint.id, event_type=ENDS[1])
        assert (result.status_code, result.success) == (418, True)
        receiver.close()
        with pytest.raises(openai.BadRequestError, match="No answer from"):
            client.webhooks.test(endpoint.id, event_type=ENDS[1])


@pytest.mark.parametrize(
    ("url", "said"),
    [
        ("https://example.com/hook", "--webhooks-anywhere"),
        ("http://192.168.1.4/", "--webhooks-anywhere"),
        ("ftp://127.0.0.1/", "expected an address"),
        ("http://127.0.0.1:99999/", "Port"),
        ("nonsense", "expected an address"),
        ("http://127.0.0.1/\r\nx: y", "expected an address"),
    ],
)
def test_an_endpoint_elsewhere_or_nowhere_is_refused(client, url, said):
    with pytest.raises(openai.BadRequestError, match=said) as refused:
        client.webhooks.create(name="x", url=url, event_types=ENDS)
    assert refused.value.param == "url"


def test_other_computers_are_allowed_only_when_the_server_says_so(tmp_path):
    with RunningServer(tmp_path, "--webhooks-anywhere", fake=True) as server:
        made = server.client().webhooks.create(
            name="x", url="https://example.com/hook", event_types=ENDS
        )
        assert made.url == "https://example.com/hook"


def test_an_event_that_never_happens_here_is_refused(client):
    with pytest.raises(openai.BadRequestError, match=r"fine_tuning\.job\.succeeded"):
        client.webhooks.create(
            name="x", url="http://127.0.0.1/", event_types=["batch.completed"]
        )


def test_endpoints_of_another_key_do_not_exist(client, stranger):
    with told(client) as (_, endpoint), pytest.raises(openai.NotFoundError):
        stranger.webhooks.retrieve(endpoint.id)


class NotHttp(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.sendall(b"220 smtp ready\r\n")


class Silent(socketserver.BaseRequestHandler):
    def handle(self):
        self.request.recv(100_000)
        self.server.asked.set()
        self.server.go_on.wait(30)


@contextmanager
def badly_received(client, handler):
    """An endpoint whose receiver does not do what a receiver should."""
    with socketserver.ThreadingTCPServer(("127.0.0.1", 0), handler) as receiver:
        receiver.asked, receiver.go_on = threading.Event(), threading.Event()
        threading.Thread(target=receiver.serve_forever, daemon=True).start()
        url = f"http://127.0.0.1:{receiver.server_address[1]}/"
        endpoint = client.webhooks.create(name="bad", url=url, event_types=ENDS)
        yield receiver, endpoint
        client.webhooks.delete(endpoint.id)
        receiver.go_on.set()
        receiver.shutdown()


def cancelled(client):
    job = create(client, hyperparameters=SLOW)
    return client.fine_tuning.jobs.cancel(job.id)


def test_a_receiver_that_speaks_no_http_holds_up_nobody(server, client, stranger):
    with badly_received(client, NotHttp) as (_, broken):
        with pytest.raises(openai.BadRequestError, match="No answer from"):
            client.webhooks.test(broken.id, event_type=ENDS[2])
        with told(stranger) as (receiver, endpoint):
            cancelled(client)
            job = cancelled(stranger)
            (event,) = receiver.events(stranger, endpoint.signing_secret, 1)
            assert event.data.id == job.id


def test_a_receiver_that_does_not_answer_holds_up_nobody(server, client, stranger):
    with badly_received(client, Silent) as (silent, _):
        cancelled(client)
        assert silent.asked.wait(20)
        with told(stranger) as (receiver, endpoint):
            job = cancelled(stranger)
            started = time.monotonic()
            (event,) = receiver.events(stranger, endpoint.signing_secret, 1)
            assert event.data.id == job.id
            assert time.monotonic() - started < 7  # the silent one is given ten
