"""Who may call, how much may be sent, and what is never given away."""

import http.client
import json
import stat
import sys
from pathlib import Path

import openai
import pytest

from finetune_kit.localapi.hosts import Hosts
from tests.localapi.running import (
    FIRST_KEY,
    SECOND_KEY,
    RunningServer,
    chat_rows,
    upload,
)


@pytest.fixture
def send(server):
    """A request with exactly these headers: its status and document."""

    def ask(method, path, body=None, **headers):
        port = server.info["port"]
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        named = {name.replace("_", "-"): value for name, value in headers.items()}
        sent = {"Authorization": f"Bearer {FIRST_KEY}"} | named
        connection.request(method, path, body, sent)
        reply = connection.getresponse()
        content = reply.read()
        connection.close()
        return reply.status, json.loads(content)

    return ask


@pytest.mark.parametrize("host", ["evil.example", "127.0.0.1.evil.example:8000", ""])
@pytest.mark.parametrize("path", ["/healthz", "/v1/models", "/_kit/status"])
def test_a_foreign_host_name_is_refused_before_anything_is_said(send, host, path):
    status, document = send("GET", path, Host=host)
    assert status == 403
    assert document["error"]["code"] == "foreign_host"


@pytest.mark.parametrize(
    "host", ["localhost", "localhost:20001", "127.0.0.1", "[::1]:20001", "192.168.0.7"]
)
def test_this_computer_s_own_names_are_served(send, host):
    assert send("GET", "/v1/models", Host=host)[0] == 200


@pytest.mark.parametrize(
    ("origin", "status"),
    [
        ("http://localhost:8888", 200),
        ("http://127.0.0.1:8888", 200),
        ("https://evil.example", 403),
        ("http://6.6.6.6", 403),
        ("null", 403),
    ],
)
def test_only_pages_of_this_computer_may_call(send, origin, status):
    assert send("GET", "/v1/models", Origin=origin)[0] == status


def test_a_server_for_a_class_also_answers_to_the_computer_s_name(monkeypatch):
    monkeypatch.setattr("socket.gethostname", lambda: "Teacher")
    everywhere, here = Hosts("0.0.0.0"), Hosts("127.0.0.1")
    for host in ("teacher:8000", "teacher.local"):
        everywhere.refuse_foreign({"host": host})
        with pytest.raises(Exception, match=r"127\.0\.0\.1 or localhost"):
            here.refuse_foreign({"host": host})


def test_the_server_listens_on_loopback_unless_told_otherwise(server):
    assert server.process.args.count("--host") == 0
    table = Path("/proc/net/tcp")
    if not table.exists():
        pytest.skip("reads /proc")
    port = f":{server.info['port']:04X}"
    local = [row.split()[1] for row in table.read_text("utf-8").splitlines()[1:]]
    listening = {address for address in local if address.endswith(port)}
    assert {address.removesuffix(port) for address in listening} == {"0100007F"}


@pytest.mark.parametrize("opening", ["[", '{"a":'])
@pytest.mark.parametrize("depth", [65, 900, 100_000])
def test_json_that_is_nested_too_deeply_is_refused_and_said(send, opening, depth):
    closing = "]" if opening == "[" else "}"
    body = '{"model": ' + opening * depth + "0" + closing * depth + "}"
    status, document = send("POST", "/v1/fine_tuning/jobs", body)
    assert status == 400
    assert "nested too deeply" in document["error"]["message"]


def test_json_of_a_schema_s_depth_is_accepted(client):
    schema = {"type": "object"}
    for _ in range(25):
        schema = {"type": "object", "properties": {"a": schema}}
    answer = client.chat.completions.create(
        model="tinygpt",
        messages=[{"role": "user", "content": "Hello"}],
        response_format={
            "type": "json_schema",
            "json_schema": {"name": "deep", "schema": schema},
        },
        max_tokens=3,
    )
    assert answer.choices


@pytest.mark.parametrize("announced", [True, False])
def test_a_body_beyond_the_limit_is_refused(send, announced):
    size = 9 * 2**20
    body = b" " * size if announced else iter([b" " * 2**20] * 9)
    status, document = send("POST", "/v1/fine_tuning/jobs", body)
    assert (status, document["error"]["code"]) == (413, "request_too_large")


TRAVERSALS = ["..%2F..%2Fkey", "..", "%2e%2e%2fkey", "%2Fetc%2Fpasswd", "a%00b", "."]


@pytest.mark.parametrize("name", TRAVERSALS)
def test_no_id_leads_out_of_the_workspace(send, server, name):
    for method, path in [
        ("GET", f"/v1/files/{name}"),
        ("GET", f"/v1/files/{name}/content"),
        ("DELETE", f"/v1/files/{name}"),
        ("GET", f"/v1/models/{name}"),
        ("DELETE", f"/v1/models/{name}"),
        ("GET", f"/v1/fine_tuning/jobs/{name}"),
        ("POST", f"/v1/fine_tuning/jobs/{name}/cancel"),
    ]:
        assert send(method, path)[0] in (404, 405)
    assert server.own_key


@pytest.mark.parametrize(
    "filename",
    ["../../key", "/etc/passwd", "..\\..\\key", "a\r\nX-Evil: 1.jsonl", "C:\\key", "."],
)
def test_a_file_s_name_is_only_a_name(server, client, filename):
    def contents():
        return {path for path in server.home.rglob("*") if "files" not in path.parts}

    before, key = contents(), server.own_key
    file = client.files.create(file=(filename, b'{"a": 1}\n'), purpose="user_data")
    assert contents() - before <= {server.folder / "localapi.sqlite3-wal"}
    assert server.own_key == key
    reply = client.files.with_raw_response.content(file.id)
    assert "x-evil" not in reply.headers
    assert (server.folder / "files" / file.id).read_bytes() == b'{"a": 1}\n'


@pytest.mark.skipif(sys.platform == "win32", reason="no such modes there")
def test_key_and_database_are_readable_by_their_owner_alone(tmp_path):
    def modes(folder):
        paths = [folder / "key", *folder.glob("localapi.sqlite3*")]
        return {stat.S_IMODE(path.stat().st_mode) for path in paths}

    with RunningServer(tmp_path, fake=True) as running:
        upload(running.client())
        assert modes(running.folder) == {0o600}
        assert stat.S_IMODE(running.folder.stat().st_mode) == 0o700
    for path in (running.folder / "key", running.folder / "localapi.sqlite3"):
        path.chmod(0o644)  # as an earlier version left them
    with RunningServer(tmp_path, fake=True) as running:
        running.client().models.list()
        assert modes(running.folder) == {0o600}


def test_no_key_is_ever_written_down(tmp_path):
    wrong = "sk-wrong-0123456789-wrong-0123456789"
    with RunningServer(tmp_path, fake=True) as running:
        with pytest.raises(openai.AuthenticationError) as refused:
            running.client(wrong).models.list()
        assert wrong not in str(refused.value.body)
        for key in (FIRST_KEY, running.own_key):
            job = running.client(key).fine_tuning.jobs.create(
                model="tinygpt",
                training_file=upload(running.client(key), chat_rows(3)),
            )
            running.finished(job.id, key)
        own = running.own_key
        kept = [path for path in running.folder.rglob("*") if path.is_file()]
        for path in kept:
            content = path.read_bytes()
            for secret in (FIRST_KEY, SECOND_KEY, wrong):
                assert secret.encode() not in content, path
            assert path.name == "key" or own.encode() not in content, path
