"""Whatever a client sends, the server answers in the envelope, and never 500."""

import http.client
import json
from urllib.parse import quote

import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from tests.localapi.running import FIRST_KEY

WORDS = [
    *("model", "training_file", "seed", "suffix", "method", "metadata", "messages"),
    *("hyperparameters", "n_epochs", "integrations", "type", "supervised", "role"),
    *("gpt-4o-mini", "tinygpt", "auto", "user", "content", "stream", "validation_file"),
]
text = st.sampled_from(WORDS) | st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | text,
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=4)
    ),
    max_leaves=12,
)
bodies = st.dictionaries(text, json_values, max_size=6).map(json.dumps) | st.binary()
segments = st.sampled_from(
    ["files", "models", "fine_tuning", "jobs", "events", "checkpoints", "content"]
) | st.text(max_size=12)
paths = st.lists(segments, max_size=5).map(
    lambda parts: (
        "/v1/" + "/".join(quote(part, safe="", errors="replace") for part in parts)
    )
)
everyday = settings(
    max_examples=60,
    deadline=None,
    suppress_health_check=list(HealthCheck),  # a busy machine draws slowly
)


@pytest.fixture
def ask(server):
    """One connection for all requests: the status, and the error if it is one."""
    port = server.info["port"]
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=120)

    def send(method, path, body=None, content_type="application/json"):
        headers = {"Authorization": f"Bearer {FIRST_KEY}", "Content-Type": content_type}
        connection.request(method, path, body, headers)
        reply = connection.getresponse()
        content = reply.read()
        assert reply.status < 500, (method, path, body, content)
        if reply.status >= 400:
            assert json.loads(content)["error"]["message"]
        return reply.status

    yield send
    connection.close()


@everyday
@given(body=bodies)
@example(body='{"model": "tinygpt", "training_file": "\x00"}')
@example(body='{"model": "tinygpt", "training_file": "a", "seed": 1e400}')
def test_no_body_of_a_job_breaks_the_server(ask, body):
    assert ask(
        "POST",
        "/v1/fine_tuning/jobs",
        body.encode("utf-8", "replace") if isinstance(body, str) else body,
    ) in (400, 413)


@everyday
@given(changes=st.dictionaries(st.sampled_from(WORDS[:9]), json_values, max_size=3))
def test_no_field_of_a_job_breaks_the_server(ask, changes):
    body = {"model": "tinygpt", "training_file": "file-none"} | changes
    assert ask("POST", "/v1/fine_tuning/jobs", json.dumps(body)) == 400


@everyday
@given(method=st.sampled_from(["GET", "POST", "DELETE", "PATCH"]), path=paths)
def test_no_path_breaks_the_server(ask, method, path):
    assert ask(method, path) in (200, 400, 403, 404, 405)


@everyday
@given(
    name=st.sampled_from(["limit", "after", "order", "metadata[x]"]), value=st.text()
)
def test_no_query_breaks_the_server(ask, name, value):
    query = f"{quote(name)}={quote(value, errors='replace')}"
    for path in ("/v1/files", "/v1/fine_tuning/jobs"):
        assert ask("GET", f"{path}?{query}") in (200, 400)


@everyday
@given(body=st.binary(max_size=300), boundary=st.sampled_from(["", "; boundary=x"]))
@example(body=b"--x\r\n", boundary="; boundary=x")
def test_no_upload_breaks_the_server(ask, body, boundary):
    assert ask("POST", "/v1/files", body, f"multipart/form-data{boundary}") == 400
