"""A full disk, a damaged database, an upload that breaks off: a clear error, and what
was finished stays."""

import errno
import socket
import sqlite3
import subprocess
import sys

import openai
import pytest

from finetune_kit.localapi import storage
from finetune_kit.localapi.store import Store
from tests.localapi.running import FIRST_KEY, RunningServer, chat_rows, until, upload

resource = pytest.importorskip("resource", reason="limits of a process")
_SMALL = {"n_epochs": 3}
_SLOW = {"n_epochs": 3, "learning_rate_multiplier": 0.1}
needs_limits = pytest.mark.skipif(sys.platform != "linux", reason="needs prlimit")


def finished_job(server):
    """The job, once its folder holds what stays there."""
    client = server.client()
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=upload(client), hyperparameters=_SMALL
    )
    done = server.finished(job.id)
    until((server.folder / "jobs" / job.id / "ckpt").exists, lambda there: not there)
    return done


def set_room(server, size):
    """Let the server write files up to `size` bytes only (-1: of any size): what it
    writes beyond fails, as on a full disk."""
    limits = (size, resource.RLIM_INFINITY)
    resource.prlimit(server.process.pid, resource.RLIMIT_FSIZE, limits)


def stored(server):
    """Everything the server keeps, but for its database and logs."""
    folders = ("files", "uploads", "jobs", "models", "tmp")
    found = [server.folder / name for name in folders]
    return {path for folder in found for path in folder.rglob("*")}


@pytest.fixture
def server_with_a_finished_job(tmp_path):
    with RunningServer(tmp_path, fake=True) as server:
        yield server, finished_job(server)


@needs_limits
@pytest.mark.parametrize("size", [300, 3 * 2**20])
def test_on_a_full_disk_a_write_is_refused_and_leaves_nothing(
    server_with_a_finished_job, size
):
    server, job = server_with_a_finished_job
    client, training_file = server.client(), job.training_file
    before, events = stored(server), server.events(job.id)
    rows = chat_rows(3, answer="x" * size)
    set_room(server, 0)
    for write in (
        lambda: upload(client, rows),
        lambda: client.fine_tuning.jobs.create(
            model="tinygpt", training_file=training_file
        ),
        lambda: client.files.delete(training_file),
    ):
        with pytest.raises(openai.InternalServerError) as refused:
            write()
        assert refused.value.status_code == 507
        assert refused.value.code == "insufficient_storage"
        assert "Make room" in refused.value.message
    assert client.fine_tuning.jobs.retrieve(job.id) == job
    assert server.events(job.id) == events
    assert client.files.content(job.result_files[0]).content
    assert stored(server) == before
    set_room(server, -1)
    assert upload(client, rows)
    assert client.files.delete(training_file).deleted


@needs_limits
@pytest.mark.parametrize("room", [0, 2000])
def test_a_part_that_cannot_be_stored_or_recorded_leaves_nothing(tmp_path, room):
    with RunningServer(tmp_path, fake=True) as server:
        client = server.client()
        begun = client.uploads.create(
            bytes=600, filename="a", mime_type="text/jsonl", purpose="user_data"
        )
        set_room(server, room)
        with pytest.raises(openai.InternalServerError) as refused:
            client.uploads.parts.create(begun.id, data=b"x" * 300)
        assert refused.value.code == "insufficient_storage"
        assert not [path for path in stored(server) if path.is_file()]
        set_room(server, -1)
        assert client.uploads.parts.create(begun.id, data=b"x" * 300).id


@needs_limits
@pytest.mark.parametrize("stream", [False, True])
def test_a_chat_that_cannot_be_kept_says_so(tmp_path, stream):
    asked = {
        "model": "tinygpt",
        "messages": [{"role": "user", "content": "Hello"}],
        "max_tokens": 3,
        "store": True,
    }
    with RunningServer(tmp_path, fake=True) as server:
        create = server.client().chat.completions.create
        create(**asked)
        set_room(server, 0)
        with pytest.raises(openai.APIError, match="Make room") as refused:
            list(create(**asked, stream=stream))
        assert refused.value.code == "insufficient_storage"
        set_room(server, -1)
        assert create(**asked).choices


@needs_limits
def test_a_job_waits_while_the_disk_is_full_and_then_goes_on(tmp_path):
    with RunningServer(tmp_path, fake=True) as server:
        client = server.client()
        job = client.fine_tuning.jobs.create(
            model="tinygpt", training_file=upload(client), hyperparameters=_SLOW
        )
        until(lambda: server.events(job.id), lambda seen: len(seen) > 8)
        set_room(server, 0)
        log = server.folder / "jobs" / job.id / "events.jsonl"
        until(lambda: '"done"' in log.read_text("utf-8"), bool)
        assert client.fine_tuning.jobs.retrieve(job.id).status == "running"
        set_room(server, -1)
        job = server.finished(job.id)
        assert job.status == "succeeded"
        steps = [event.data["step"] for event in server.events(job.id) if event.data]
        assert sorted(set(steps)) == list(range(1, 37))
        assert len(steps) == 36


@pytest.mark.parametrize("number", [errno.ENOSPC, errno.EROFS])
def test_a_disk_that_takes_nothing_is_no_fault_of_the_server(number):
    refused = storage.refusal(OSError(number, "no"))
    assert refused.code == "insufficient_storage"


def damaged(path, offset):
    with path.open("r+b") as file:
        file.seek(offset)
        file.write(b"\xa5" * 3000)


@pytest.mark.parametrize("offset", [0, 4096])
def test_a_damaged_database_is_said_at_the_start_and_harms_no_model(tmp_path, offset):
    with RunningServer(tmp_path, fake=True) as server:
        finished_job(server)
    weights = {
        path: path.read_bytes() for path in (server.folder / "models").rglob("*.npz")
    }
    database = server.folder / "localapi.sqlite3"
    damaged(database, offset)
    failed = subprocess.run(
        server.command, capture_output=True, encoding="utf-8", timeout=60
    )
    assert failed.returncode == 1
    assert f"The database {database} is damaged" in failed.stderr
    assert "Traceback" not in failed.stderr
    assert weights
    assert all(path.read_bytes() == content for path, content in weights.items())
    server.folder.rename(tmp_path / "server of before")  # as the message says
    with RunningServer(tmp_path, fake=True) as again:
        assert finished_job(again).status == "succeeded"


def test_a_database_damaged_under_a_running_server_is_said_too(tmp_path):
    with RunningServer(tmp_path, fake=True) as server:
        client = server.client()
        finished_job(server)
        database = sqlite3.connect(server.folder / "localapi.sqlite3")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        database.close()
        for offset in range(0, 30 * 4096, 4096):
            damaged(server.folder / "localapi.sqlite3", offset)

        def use_it():
            for _ in range(5):
                upload(client)
                client.files.list()
                client.fine_tuning.jobs.list()

        with pytest.raises(openai.InternalServerError) as refused:
            use_it()
        assert refused.value.status_code == 503
        assert refused.value.code == "storage_damaged"


def test_a_failed_commit_leaves_the_database_usable(tmp_path):
    store = Store(tmp_path / "db.sqlite3")

    deferred = "REFERENCES parents (id) DEFERRABLE INITIALLY DEFERRED"

    def fail():  # SQLite looks at such a reference only when it commits
        with store.transaction() as db:
            db.execute("INSERT INTO children VALUES (7)")

    with store.transaction() as db:
        db.execute("CREATE TABLE parents (id INTEGER PRIMARY KEY)")
        db.execute(f"CREATE TABLE children (parent {deferred})")
    store.one("PRAGMA foreign_keys = ON")
    with pytest.raises(sqlite3.IntegrityError):
        fail()
    store.set_fact("x", 1)
    assert store.fact("x") == 1
    store.close()


def test_an_upload_that_breaks_off_leaves_nothing_behind(server, client):
    before, listed = stored(server), client.files.list().data
    head = (
        "POST /v1/files HTTP/1.1\r\n"
        f"Host: 127.0.0.1\r\nAuthorization: Bearer {FIRST_KEY}\r\n"
        "Content-Type: multipart/form-data; boundary=x\r\n"
        "Content-Length: 5000000\r\n\r\n"
        '--x\r\nContent-Disposition: form-data; name="purpose"\r\n\r\nfine-tune\r\n'
        '--x\r\nContent-Disposition: form-data; name="file"; filename="a.jsonl"\r\n\r\n'
    )
    for size in (0, 10, 3 * 2**20):
        with socket.create_connection(("127.0.0.1", server.info["port"])) as line:
            line.sendall(head.encode() + b"x" * size)
    assert client.files.list().data == listed
    until(lambda: stored(server), lambda seen: seen == before)


def test_an_upload_that_the_server_s_end_cut_off_is_gone_after_the_next_start(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    (server.folder / "tmp" / "spooled").write_bytes(b"x")
    (server.folder / "files" / "file-cut.new").write_bytes(b"x")
    (server.folder / "files" / "file-unrecorded").write_bytes(b"x")
    kept = upload(server.client())
    server.kill()
    with server.start():
        assert [file.id for file in server.client().files.list()] == [kept]
        names = {path.name for path in stored(server)}
        assert names == {kept}


def test_folders_that_others_made_beside_the_files_do_not_keep_it_from_starting(
    tmp_path,
):
    with RunningServer(tmp_path) as server:
        folders = [server.folder / name for name in ("files", "uploads/a", "models/a")]
    for folder in folders:
        (folder / ".ipynb_checkpoints").mkdir(parents=True)
    (server.folder / "models/a/x.npz").mkdir()
    with server.start():
        assert server.client().files.list().data == []
