"""Every route the server has, found by looking, met with whatever may come: it answers
in the envelope, and never with a 500. Training data too: a job never ends in an error
of the server's own."""

import http.client
import importlib
import json
import pkgutil
import re
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from finetune_kit import localapi
from tests.localapi.api_2023 import reviews
from tests.localapi.running import FIRST_KEY, chat_rows, jsonl, upload

MODULES = [
    importlib.import_module(f"finetune_kit.localapi.{module.name}")
    for module in pkgutil.iter_modules(localapi.__path__)
    if not module.name.startswith("__")
]
# Where `routes` is a function, not every server has them: the class's page.
ROUTES = sorted(
    (method, route.path)
    for module in MODULES
    if isinstance(vars(module).get("routes"), list)
    for route in module.routes
    for method in route.methods - {"HEAD"}
)
CHAT = {
    "model": "tinygpt",
    "messages": [
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": [{"type": "text", "text": "Hello"}]},
        {"role": "assistant", "content": "Salve.", "tool_calls": []},
    ],
    "max_tokens": 2,
    "stop": ["."],
    "logit_bias": {"5": 1},
    "logprobs": True,
    "top_logprobs": 1,
    "n": 1,
    "seed": 1,
    "temperature": 0.5,
    "tools": [{"type": "function", "function": {"name": "f", "parameters": {}}}],
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "x", "schema": {}},
    },
    "stream_options": {"include_usage": True},
    "stream": True,
}
JOB = {
    "model": "tinygpt",
    "training_file": "file-none",
    "validation_file": None,
    "method": {"type": "supervised", "supervised": {"hyperparameters": {}}},
    "hyperparameters": {"n_epochs": 3, "batch_size": "auto"},
    "metadata": {"a": "b"},
    "seed": 1,
    "suffix": "mine",
    "integrations": [],
}
UPLOAD = {
    "filename": "a",
    "purpose": "fine-tune",
    "bytes": 3,
    "mime_type": "text/jsonl",
}
COMPLETION = {"model": "tinygpt", "prompt": "Hello", "max_tokens": 2, "logprobs": 1}
FINE_TUNE = {
    "training_file": "file-none",
    "validation_file": "file-none",
    "model": "ada",
    "n_epochs": 1,
    "batch_size": 2,
    "learning_rate_multiplier": 0.5,
    "prompt_loss_weight": 0.1,
    "compute_classification_metrics": True,
    "classification_n_classes": 2,
    "classification_positive_class": " positive",
    "classification_betas": [0.5, 2],
    "suffix": "mine",
}
GRADER = {
    "type": "string_check",
    "name": "same",
    "operation": "eq",
    "input": "{{sample.output_json.a}}",
    "reference": "{{item.a}}",
}
ALIKE = {
    "type": "text_similarity",
    "name": "alike",
    "evaluation_metric": "bleu",
    "input": "{{sample.output_text}}",
    "reference": "{{item.a}}",
}
GRADE = {
    "grader": {
        "type": "multi",
        "name": "both",
        "graders": {"a": GRADER, "b": ALIKE},
        "calculate_output": "a / b + max(a, 2 ^ 3)",
    },
    "model_sample": '{"a": 1}',
    "item": {"a": "x"},
}
RESPONSE = {
    "model": "tinygpt",
    "input": [
        {"role": "user", "content": [{"type": "input_text", "text": "Hello"}]},
        {"role": "assistant", "content": "Salve."},
    ],
    "instructions": "Be brief.",
    "max_output_tokens": 16,
    "text": {"format": {"type": "json_schema", "name": "x", "schema": {"type": "a"}}},
    "tools": [{"type": "function", "name": "f", "parameters": {}}],
    "include": ["message.output_text.logprobs"],
    "top_logprobs": 1,
    "metadata": {"a": "b"},
    "stream": True,
}
MODERATION = {
    "input": [{"type": "text", "text": "a"}],
    "model": "omni-moderation-latest",
}
VALID = [
    FINE_TUNE,
    CHAT,
    JOB,
    UPLOAD,
    COMPLETION,
    {"part_ids": ["part_x"], "md5": "x"},
    GRADE,
    RESPONSE,
    MODERATION,
    {"project_ids": ["proj_a"]},
]
text = st.text(max_size=12) | st.sampled_from(["auto", "", "\x00", "0", "null", "a b"])
scalars = (
    st.none()
    | st.booleans()
    | st.integers(-(2**70), 2**70)
    | st.floats()
    | text
    | st.just("x" * 5000)
)
values = st.recursive(
    scalars,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3)
    ),
    max_leaves=6,
)
often = settings(
    max_examples=120, deadline=None, suppress_health_check=list(HealthCheck)
)


def places(document, path=()):
    """The way to everything in a JSON document."""
    yield path
    if isinstance(document, dict | list):
        keys = document if isinstance(document, dict) else range(len(document))
        for key in keys:
            yield from places(document[key], (*path, key))


@st.composite
def changed(draw, valid):
    """A valid document with something in it replaced, left out, or added."""
    document = json.loads(json.dumps(draw(valid)))
    for _ in range(draw(st.integers(1, 2))):
        *way, last = draw(st.sampled_from([p for p in places(document) if p]))
        here = document
        for step in way:
            here = here[step]
        action = draw(st.sampled_from(["replace", "replace", "remove", "add"]))
        if action == "replace":
            here[last] = draw(values)
        elif action == "remove":
            del here[last]
        elif isinstance(here, dict):
            here[draw(text)] = draw(values)
        if not document:
            break
    return document


@pytest.fixture(scope="module")
def ask(server):
    """A request on a kept line: status and content."""
    port = server.info["port"]
    line = http.client.HTTPConnection("127.0.0.1", port, timeout=60)

    def send(method, path, body=None, content_type="application/json"):
        headers = {"Authorization": f"Bearer {FIRST_KEY}", "Content-Type": content_type}
        line.request(method, path, body, headers)
        reply = line.getresponse()
        content = reply.read()
        assert reply.status < 500, (method, path, body, content)
        if reply.status >= 400:
            error = json.loads(content)["error"]
            assert error.keys() == {"message", "type", "param", "code"}
        return reply.status, content

    yield send
    line.close()


def test_there_are_routes_to_look_at():
    assert ("POST", "/v1/fine_tuning/jobs") in ROUTES
    assert ("GET", "/v1/files/{file_id}/content") in ROUTES


@often
@given(data=st.data(), route=st.sampled_from(ROUTES))
def test_no_request_to_any_route_breaks_the_server(ask, data, route):
    method, pattern = route
    path = re.sub(
        r"{[^}]+}", lambda _: quote(data.draw(text), safe="", errors="replace"), pattern
    )
    names = st.sampled_from(["after", "limit", "order", "purpose", "stream", "x"])
    query = data.draw(st.dictionaries(names, text, max_size=2))
    if query:
        asked = (
            f"{key}={quote(value, errors='replace')}" for key, value in query.items()
        )
        path += "?" + "&".join(asked)
    body = data.draw(
        st.none()
        | st.binary(max_size=200)
        | changed(st.sampled_from(VALID)).map(lambda found: json.dumps(found).encode())
    )
    kinds = ["application/json", "multipart/form-data; boundary=x", "text/plain", ""]
    ask(method, path, body, data.draw(st.sampled_from(kinds)))


@often
@given(document=changed(st.just(CHAT)))
def test_no_chat_request_breaks_the_server(ask, document):
    status, _ = ask("POST", "/v1/chat/completions", json.dumps(document))
    assert status in (200, 400, 404)


@pytest.mark.parametrize(
    ("path", "valid"),
    [
        ("/v1/responses", RESPONSE),
        ("/v1/fine_tuning/alpha/graders/run", GRADE),
        ("/v1/moderations", MODERATION),
    ],
)
@often
@given(data=st.data())
def test_no_other_question_breaks_the_server(ask, data, path, valid):
    status, _ = ask("POST", path, json.dumps(data.draw(changed(st.just(valid)))))
    assert status in (200, 400, 404)


@often
@given(data=st.data())
def test_no_job_request_breaks_the_server(ask, client, data):
    if not hasattr(ask, "file"):
        ask.file = upload(client)
    document = data.draw(changed(st.just(JOB | {"training_file": ask.file})))
    status, content = ask("POST", "/v1/fine_tuning/jobs", json.dumps(document))
    assert status in (200, 400)
    if status == 200:
        ask("POST", f"/v1/fine_tuning/jobs/{json.loads(content)['id']}/cancel")


@often
@given(data=st.data())
def test_no_request_of_2023_breaks_the_server(ask, client, data):
    if not hasattr(ask, "old_file"):
        ask.old_file = upload(client, reviews(12))
    known = {"training_file": ask.old_file, "validation_file": ask.old_file}
    document = data.draw(changed(st.just(FINE_TUNE | known)))
    status, content = ask("POST", "/v1/fine-tunes", json.dumps(document))
    assert status in (200, 400)
    if status == 200:
        ask("POST", f"/v1/fine-tunes/{json.loads(content)['id']}/cancel")


@settings(parent=often, max_examples=6)
@given(
    rows=st.lists(
        changed(st.sampled_from(chat_rows(3)))
        | st.sampled_from(chat_rows(3))
        | st.binary(max_size=40),
        min_size=10,
        max_size=14,
    )
)
def test_no_training_data_is_a_fault_of_the_server(server, client, rows):
    lines = [row if isinstance(row, bytes) else jsonl([row]).strip() for row in rows]
    content = jsonl(chat_rows(1)) + b"\n".join(lines)
    job = client.fine_tuning.jobs.create(
        model="tinygpt",
        training_file=upload(client, content),
        hyperparameters={"n_epochs": 1},
    )
    job = server.finished(job.id)
    assert job.error.code != "server_error", content
