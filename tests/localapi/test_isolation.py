"""Every route the server has, found by looking: to a stranger, what belongs to another
key is as good as not there."""

import json
import re

import httpx
import pytest

from tests.localapi.api_2023 import Api
from tests.localapi.running import FIRST_KEY, SECOND_KEY, RunningServer, upload
from tests.localapi.test_fuzz import ROUTES

ONE = [
    (method, path)
    for method, path in ROUTES
    if "{" in path and not path.startswith("/_kit/")  # that is the instructor's
]
EVENTS = ["fine_tuning.job.succeeded"]
SHOWING = [path for method, path in ROUTES if method == "GET" and "{" not in path]


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """One of its own: other tests look at lists that this one fills."""
    with RunningServer(tmp_path_factory.mktemp("home"), fake=True) as running:
        yield running


@pytest.fixture(scope="module")
def own(server):
    """Path parameter -> an id of the first key, of something that is there."""
    client = server.client(FIRST_KEY)
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
    model = server.finished(job.id).fine_tuned_model
    shared = client.fine_tuning.checkpoints.permissions.create(
        model, project_ids=["proj_1"]
    )
    said = client.responses.create(model="tinygpt", input="Hello", store=True)
    hook = {"name": "x", "url": "http://127.0.0.1:9/", "event_types": EVENTS}
    return {
        "file_id": upload(client),
        "upload_id": begun.id,
        "job_id": job.id,
        "fine_tune_id": Api(server).tuned(n_epochs=1)["id"],
        "model": model,
        "permission_id": shared.data[0].id,
        "response_id": said.id,
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
    names = re.findall(r"{(\w+)(?::path)?}", path)

    def refused(ids):
        reply = ask(method, filled(path, ids), SECOND_KEY)
        assert reply.status_code == 404, reply.text
        said = reply.text
        for name in names:
            said = said.replace(ids[name], name)
        return json.loads(said)

    assert refused(own) == refused({name: made_up(own[name]) for name in names})


def filled(path, ids):
    return re.sub(r"{(\w+)[^}]*}", lambda found: ids[found[1]], path)


def made_up(id_):
    """An id of the same kind that nobody was given."""
    prefix = re.match(r"[a-z]+[-_:]", id_)[0]
    return prefix + "x" * (len(id_) - len(prefix))


@pytest.mark.parametrize("path", SHOWING)
def test_no_list_shows_a_stranger_what_is_another_key_s(own, ask, path):
    shown = ask("GET", path, SECOND_KEY).text
    assert not [name for name, id_ in own.items() if id_ in shown]


def test_what_is_refused_to_a_stranger_is_there_for_its_owner(own, ask):
    reached = [
        ask("GET", filled(path, own), FIRST_KEY)
        for method, path in ONE
        if method == "GET"
    ]
    assert {reply.status_code for reply in reached} == {200}
