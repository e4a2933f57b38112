"""Every route the server has, found by looking: to a stranger, what belongs to another
key is as good as not there."""

import json
import re

import httpx
import pytest

from tests.localapi.api_2023 import Api
from tests.localapi.running import FIRST_KEY, SECOND_KEY, upload
from tests.localapi.test_fuzz import ROUTES

ONE = [(method, path) for method, path in ROUTES if "{" in path]
EVENTS = ["fine_tuning.job.succeeded"]
SHOWING = [path for method, path in ROUTES if method == "GET" and "{" not in path]


@pytest.fixture(scope="module")
def own(server, client):
    """Path parameter -> an id of the first key, of something that is there."""
    job = client.fine_tuning.jobs.create(
        model="tinygpt",
        training_file=upload(client),
        hyperparameters={"n_epochs": 2},
        metadata={"of": "the first key"},
    )
    chat = client.chat.completions.create(
        model="tinygpt",
        messages=[{"role": "user", "content": "Hello"}],
        max_tokens=2,
        store=True,
    )
    begun = client.uploads.create(
        bytes=5, filename="a.jsonl", mime_type="text/jsonl", purpose="fine-tune"
    )
    hook = {"name": "x", "url": "http://127.0.0.1:9/", "event_types": EVENTS}
    return {
        "file_id": upload(client),
        "upload_id": begun.id,
        "job_id": job.id,
        "fine_tune_id": Api(server).tuned(n_epochs=1)["id"],
        "model": server.finished(job.id).fine_tuned_model,
        "completion_id": chat.id,
        "endpoint_id": client.post("/webhook_endpoints", body=hook, cast_to=object)[
            "id"
        ],
    }


@pytest.fixture(scope="module")
def ask(server):
    with httpx.Client(base_url=server.origin, timeout=60, trust_env=False) as line:

        def send(method, path, key):
            form = {"data": b"x"} if path.endswith("/parts") else None
            document = None if form else {}
            return line.request(
                method,
                path,
                files=form,
                json=document,
                headers={"Authorization": f"Bearer {key}"},
            )

        yield send


@pytest.mark.parametrize(("method", "path"), ONE)
def test_an_id_of_another_key_answers_as_one_that_there_is_not(own, ask, method, path):
    (name,) = re.findall(r"{(\w+)(?::path)?}", path)

    def refused(found):
        url = re.sub(r"{[^}]+}", found, path)
        reply = ask(method, url, SECOND_KEY)
        assert reply.status_code == 404, reply.text
        return json.loads(reply.text.replace(found, "ID"))

    prefix = re.match(r"\w+[-_:]", own[name])[0]
    made_up = prefix + "x" * (len(own[name]) - len(prefix))
    assert refused(own[name]) == refused(made_up)


@pytest.mark.parametrize("path", SHOWING)
def test_no_list_shows_a_stranger_what_is_another_key_s(own, ask, path):
    shown = ask("GET", path, SECOND_KEY).text
    assert not [name for name, id_ in own.items() if id_ in shown]


def test_what_is_refused_to_a_stranger_is_there_for_its_owner(own, ask):
    reached = [
        ask("GET", re.sub(r"{(\w+)[^}]*}", lambda m: own[m[1]], path), FIRST_KEY)
        for method, path in ONE
        if method == "GET"
    ]
    assert {reply.status_code for reply in reached} == {200}
