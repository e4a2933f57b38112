"""Objects in all their states, and the lists' envelopes, against the SDK's types."""

import httpx
import pytest
from openai.pagination import SyncPage
from openai.types import Completion, FileObject
from openai.types.chat import ChatCompletionStoreMessage
from openai.types.fine_tuning import FineTuningJob
from openai.types.fine_tuning.checkpoints import PermissionCreateResponse
from openai.types.responses import Response

from tests.contract import strict
from tests.localapi.running import FIRST_KEY, upload


@pytest.fixture(scope="session")
def raw(server):
    """GET without the SDK: the reply as it is on the wire."""

    def fetch(path):
        headers = {"Authorization": f"Bearer {FIRST_KEY}"}
        url = f"{server.origin}/v1{path}"
        reply = httpx.get(url, headers=headers, trust_env=False, timeout=60)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return fetch


def test_the_strict_comparison_sees_what_the_sdk_lets_pass(raw, client):
    file = raw(f"/files/{upload(client)}")
    found = strict.differences
    assert found(FileObject, file) == set()
    assert found(FileObject, file | {"bytes": "12"}) == {("bytes", "int_type")}
    assert found(FileObject, file | {"colour": 1}) == {("colour", "extra_forbidden")}
    assert found(FileObject, file | {"status": "ready"}) == {
        ("status", "literal_error")
    }
    without = {name: value for name, value in file.items() if name != "expires_at"}
    assert strict.faults(FileObject, without) == {("expires_at", "absent")}


# The newest first; the one at its creation is the one at its good end.
STATES = ("dpo", "cancelled", "paused", "failed", "created", "succeeded")


@pytest.mark.parametrize("state", STATES)
def test_jobs_in_every_state(jobs, state):
    document = jobs[state].to_dict()
    assert not strict.faults(FineTuningJob, document)
    if state == "failed":
        found = strict.differences(FineTuningJob, document)
        assert not {path for path, _ in found if path.startswith("error")}


def test_each_list_has_the_keys_that_the_service_sends(raw, jobs, client):
    upload(client)
    job = f"/fine_tuning/jobs/{jobs['succeeded'].id}"
    plain, cursors = {"object", "data", "has_more"}, {"first_id", "last_id"}
    assert raw("/models").keys() == {"object", "data"}
    assert raw("/fine_tuning/jobs").keys() == plain
    assert raw(f"{job}/events").keys() == plain
    for path in ("/files", f"{job}/checkpoints"):
        page = raw(path)
        assert page.keys() == plain | cursors
        assert page["first_id"] == page["data"][0]["id"]
        assert page["last_id"] == page["data"][-1]["id"]


def test_a_list_of_jobs_is_newest_first(raw, jobs):
    assert [job["id"] for job in raw("/fine_tuning/jobs")["data"]] == [
        jobs[state].id for state in STATES[:-1]
    ]


def test_a_model_is_the_same_in_the_list_and_alone(raw, jobs):
    page = raw("/models")["data"]
    assert jobs["succeeded"].fine_tuned_model in [model["id"] for model in page]
    for model in page:
        assert raw(f"/models/{model['id']}") == model


def test_every_deviation_is_needed_and_has_its_evidence(jobs, client, raw):
    file = raw(f"/files/{upload(client, purpose='evals')}")
    asked = {"model": "tinygpt", "max_tokens": 2}
    stream = client.completions.create(prompt="Hello", stream=True, **asked)
    chat = client.chat.completions.create(
        messages=[{"role": "user", "content": "Hello"}], store=True, **asked
    )
    page = client.fine_tuning.checkpoints.permissions.with_raw_response.create(
        jobs["succeeded"].fine_tuned_model, project_ids=["proj_a"]
    )
    documents = {
        SyncPage[PermissionCreateResponse]: [page.http_response.json()],
        FineTuningJob: [job.to_dict() for job in jobs.values()],
        FileObject: [file],
        Response: [client.responses.create(model="tinygpt", input="Hello").to_dict()],
        Completion: [chunk.to_dict() for chunk in stream],
        ChatCompletionStoreMessage: raw(f"/chat/completions/{chat.id}/messages")[
            "data"
        ],
    }
    for kind, seen in documents.items():
        found = set().union(*(strict.all_differences(kind, each) for each in seen))
        assert found == strict.allowed(kind)
    names = {kind.__name__ for kind in documents}
    for entry in strict.DEVIATIONS:
        assert entry.keys() == {"object", "path", "kind", "evidence"}
        assert entry["object"] in names
        assert entry["evidence"]
