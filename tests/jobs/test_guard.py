"""The spending guard in front of a server that counts what reaches it."""

import json
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import openai
import pytest

from finetune_kit.jobs import guard
from tests.learner import PROVERBS

JOB = {"id": "ftjob-1", "object": "fine_tuning.job", "status": "queued"}


@pytest.fixture
def paid(monkeypatch):
    """A client with the guard, and the list of requests that passed it."""
    monkeypatch.setattr(guard, "_allowance", guard._Allowance())
    monkeypatch.delenv("FINETUNE_KIT_BUDGET_USD", raising=False)
    passed = []

    class Service(BaseHTTPRequestHandler):
        def do_POST(self):
            self.rfile.read(int(self.headers["Content-Length"]))
            passed.append(self.path)
            body = json.dumps(JOB).encode()
            self.send_response(200)
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_): ...

    service = ThreadingHTTPServer(("127.0.0.1", 0), Service)
    threading.Thread(target=service.serve_forever, daemon=True).start()
    url = f"http://127.0.0.1:{service.server_port}/v1"
    client = openai.OpenAI(
        base_url=url, api_key="k", http_client=guard.guarded_client()
    )
    yield client, passed
    service.shutdown()
    service.server_close()


def create(client):
    return client.fine_tuning.jobs.create(model="gpt-4o", training_file="file-1")


def refused(client):
    with pytest.raises(openai.APIStatusError) as caught:
        create(client)
    assert caught.value.code == "not_approved"
    return caught.value.body["message"]


def estimate():
    return guard.estimate(PROVERBS / "train.jsonl", "gpt-4.1", n_epochs=3)


def test_without_an_estimate_nothing_is_sent(paid):
    client, passed = paid
    assert "estimate(training_path, model, n_epochs)" in refused(client)
    assert passed == []


def test_an_estimate_alone_is_not_an_approval(paid):
    client, passed = paid
    price = estimate()
    assert f"{price.high:.2f}" in refused(client)
    assert passed == []


def test_one_approval_lets_one_job_through(paid):
    client, passed = paid
    guard.approve(estimate())
    assert create(client).id == "ftjob-1"
    assert passed == ["/v1/fine_tuning/jobs"]
    refused(client)
    assert len(passed) == 1


def test_a_budget_covers_the_high_estimate_or_not(paid, monkeypatch):
    client, passed = paid
    high = estimate().high
    monkeypatch.setenv("FINETUNE_KIT_BUDGET_USD", str(high - 0.01))
    refused(client)
    monkeypatch.setenv("FINETUNE_KIT_BUDGET_USD", str(high))
    assert create(client).id == "ftjob-1"
    assert len(passed) == 1


def test_an_estimate_of_nothing_needs_an_approval_too(paid):
    client, passed = paid
    free = guard.estimate(PROVERBS / "train.jsonl", "llama-3.1-8b", 3, price=0)
    assert "BUDGET" not in refused(client)
    assert passed == []
    guard.approve(free)
    assert create(client).id == "ftjob-1"


def test_data_that_cannot_be_trained_on_leaves_the_guard_closed(paid):
    client, passed = paid
    guard.approve(estimate())
    with pytest.raises(ValueError, match="nothing to train on"):
        guard.estimate([], "gpt-4.1-mini")
    refused(client)
    assert passed == []


def test_an_estimate_is_a_range_with_its_source():
    price = estimate()
    assert 0 < price.low < price.likely < price.high
    assert price.likely == pytest.approx(price.tokens * 3 * 25 / 1e6)
    assert "pricing page" in repr(price)


def test_a_model_without_a_known_price_is_not_estimated():
    with pytest.raises(ValueError, match="No training price"):
        guard.estimate(PROVERBS / "train.jsonl", "gpt-6")


def test_where_you_know_the_price_of_another_services_model_a_job_can_be_approved(paid):
    client, passed = paid
    price = guard.estimate(PROVERBS / "train.jsonl", "llama-3.1-8b", 3, price=0.5)
    assert price.likely == pytest.approx(price.tokens * 3 * 0.5 / 1e6)
    assert "given by you" in repr(price)
    guard.approve(price)
    assert create(client).id == "ftjob-1"
    assert len(passed) == 1


def test_a_free_api_can_be_guarded_for_rehearsal(paid):
    client, passed = paid
    free = openai.OpenAI(base_url=client.base_url, api_key="k")
    rehearsal = guard.as_if_paid(free)
    with pytest.raises(openai.APIStatusError, match="Not sent"):
        rehearsal.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file="file-1")
    free.fine_tuning.jobs.create(model="gpt-4.1-mini", training_file="file-1")
    assert len(passed) == 1


@pytest.mark.parametrize("given", [None, 5, "train.jsonl"])
def test_only_an_estimate_is_approved(paid, given):
    with pytest.raises(
        TypeError, match=r"takes an estimate.*kit\.estimate\(path, model"
    ):
        guard.approve(given)
    assert "nobody has said how much" in refused(paid[0])
