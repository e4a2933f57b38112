"""Requests as they go over the wire, and requests that never go."""

import os
import shutil
import subprocess

import pytest

from finetune_kit import connect
from finetune_kit.connect import environment
from finetune_kit.course.wire import as_curl, unsent
from tests.learner import fresh_home

JOB = {"model": "gpt-4.1-mini", "training_file": "file-it's"}


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("wire") / "ws"):
        yield connect()


def test_a_line_of_curl_names_no_key_and_no_local_address(client):
    line = as_curl(client.models.with_raw_response.list())
    assert line == (
        'curl "$OPENAI_BASE_URL/models" \\\n'
        '  -H "Authorization: Bearer $OPENAI_API_KEY"'
    )
    assert repr(line) == line


@pytest.mark.skipif(not shutil.which("curl"), reason="needs curl")
@pytest.mark.skipif(not shutil.which("sh"), reason="needs a shell of Unix")
def test_the_line_of_curl_does_what_the_sdk_did(client):
    asked = {"model": "tinygpt", "prompt": "It's", "max_tokens": 4, "temperature": 0}
    reply = client.completions.with_raw_response.create(**asked)
    said = subprocess.run(
        ["sh", "-c", as_curl(reply).replace("curl ", "curl -sS --noproxy '*' ", 1)],
        env={**os.environ, **environment(client)},
        capture_output=True,
        text=True,
    )
    assert f'"text":"{reply.parse().choices[0].text[:3]}' in said.stdout


def test_another_method_is_named(client):
    delete = unsent("openai").models.with_raw_response.delete("ft:some")
    assert as_curl(delete).startswith('curl -X DELETE "https://api.openai.com/v1/')


def test_an_unsent_request_is_the_one_that_would_be_sent(monkeypatch):
    monkeypatch.setenv("OPENAI_API_KEY", "sk-of-a-learner")
    monkeypatch.setenv("HTTPS_PROXY", "http://127.0.0.1:9")
    jobs = unsent("https://my-server.example/v1").fine_tuning.jobs
    request = jobs.with_raw_response.create(**JOB).http_request
    assert str(request.url) == "https://my-server.example/v1/fine_tuning/jobs"
    assert b"file-it's" in request.content
    assert "learner" not in repr(request.headers.raw)


def test_a_request_of_no_api_is_refused():
    with pytest.raises(TypeError, match=r"None is no name of an API\. Use local"):
        unsent(None)
