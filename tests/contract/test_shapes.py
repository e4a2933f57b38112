"""Replies against the SDK's response models, strictly.

The SDK itself parses leniently: it lets nulls, foreign fields and unknown enum values
pass, so that a mistake of ours would mislead silently instead of failing.
"""

import tomllib
from pathlib import Path

import httpx
import pytest
from openai.types import FileDeleted, FileObject, Model, ModelDeleted
from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent
from openai.types.fine_tuning.jobs import FineTuningJobCheckpoint
from pydantic import TypeAdapter, ValidationError

from tests.localapi.running import FIRST_KEY, upload

DEVIATIONS = tomllib.loads(
    Path(__file__).with_name("deviations.toml").read_text(encoding="utf-8")
)["deviation"]


def differences(model, document):
    """{(path, kind)} of everything in `document` that the SDK's type does not state."""
    try:
        TypeAdapter(model).validate_python(document, strict=True, extra="forbid")
    except ValidationError as error:
        return {
            (".".join(map(str, entry["loc"])), entry["type"])
            for entry in error.errors()
        }
    return set()


def allowed(model):
    return {
        (entry["path"], entry["kind"])
        for entry in DEVIATIONS
        if entry["object"] == model.__name__
    }


@pytest.fixture(scope="session")
def raw(server):
    """GET or DELETE without the SDK: the reply as it is on the wire."""

    def fetch(path, method="GET"):
        headers = {"Authorization": f"Bearer {FIRST_KEY}"}
        url = f"{server.origin}/v1{path}"
        reply = httpx.request(method, url, headers=headers, trust_env=False)
        assert reply.status_code == 200, reply.text
        return reply.json()

    return fetch


def assert_keys(document, model, without=()):
    """Also what the SDK calls optional is present: the service sends nulls."""
    assert set(document) >= set(model.model_fields) - set(without)


def test_the_strict_comparison_sees_what_the_sdk_lets_pass(raw, client):
    file = raw(f"/files/{upload(client)}")
    assert differences(FileObject, file) == set()
    assert differences(FileObject, file | {"bytes": "12"}) == {("bytes", "int_type")}
    assert differences(FileObject, file | {"colour": 1}) == {
        ("colour", "extra_forbidden")
    }
    assert differences(FileObject, file | {"status": "ready"}) == {
        ("status", "literal_error")
    }


def test_files(raw, client):
    file_id = upload(client)
    assert differences(FileObject, raw(f"/files/{file_id}")) == set()
    assert_keys(raw(f"/files/{file_id}"), FileObject)
    page = raw("/files?limit=2")
    assert page.keys() == {"object", "data", "has_more", "first_id", "last_id"}
    assert page["object"] == "list"
    assert page["first_id"] == page["data"][0]["id"]
    assert not any(differences(FileObject, file) for file in page["data"])
    deleted = raw(f"/files/{file_id}", "DELETE")
    assert differences(FileDeleted, deleted) == set()


@pytest.mark.parametrize("state", ["created", "cancelled", "failed", "succeeded"])
def test_jobs_in_every_state(jobs, state):
    document = jobs[state].to_dict()
    found = differences(FineTuningJob, document)
    assert found <= allowed(FineTuningJob)
    assert_keys(document, FineTuningJob)
    if state == "failed":
        assert not {path for path, _ in found if path.startswith("error")}


def test_a_list_of_jobs(raw, jobs):
    page = raw("/fine_tuning/jobs")
    assert page.keys() == {"object", "data", "has_more"}
    assert [job["id"] for job in page["data"]] == [
        jobs[state].id for state in ("cancelled", "failed", "created")
    ]


def test_events(raw, jobs):
    page = raw(f"/fine_tuning/jobs/{jobs['succeeded'].id}/events?limit=500")
    assert page.keys() == {"object", "data", "has_more"}
    assert len(page["data"]) > 10
    for event in page["data"]:
        assert differences(FineTuningJobEvent, event) == set()
        assert_keys(event, FineTuningJobEvent)


def test_checkpoints(raw, jobs):
    page = raw(f"/fine_tuning/jobs/{jobs['succeeded'].id}/checkpoints")
    assert page.keys() == {"object", "data", "has_more", "first_id", "last_id"}
    for checkpoint in page["data"]:
        assert differences(FineTuningJobCheckpoint, checkpoint) == set()
        assert_keys(checkpoint, FineTuningJobCheckpoint)


def test_models(raw, jobs):
    page = raw("/models")
    assert page.keys() == {"object", "data"}
    for model in page["data"]:
        assert differences(Model, model) == set()
        assert raw(f"/models/{model['id']}") == model
    name = jobs["succeeded"].fine_tuned_model
    assert differences(ModelDeleted, raw(f"/models/{name}", "DELETE")) == set()


def test_every_deviation_is_needed_and_has_its_evidence(jobs):
    seen = set()
    for job in jobs.values():
        seen |= differences(FineTuningJob, job.to_dict())
    assert seen == allowed(FineTuningJob)
    for entry in DEVIATIONS:
        assert entry.keys() == {"object", "path", "kind", "evidence"}
        assert entry["evidence"]
