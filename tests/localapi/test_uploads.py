"""`/v1/uploads`: files in parts, driven by the SDK."""

import hashlib
import random
from concurrent.futures import ThreadPoolExecutor

import openai
import pytest

from tests.localapi.running import RunningServer, advance, chat_rows, jsonl

CONTENT = jsonl(chat_rows(12))


def create(client, **changes):
    return client.uploads.create(
        **{
            "bytes": len(CONTENT),
            "filename": "train.jsonl",
            "mime_type": "text/jsonl",
            "purpose": "fine-tune",
        }
        | changes
    )


def in_parts(content, size):
    return [content[start : start + size] for start in range(0, len(content), size)]


def folder(server, upload):
    return server.folder / "uploads" / upload.id


def test_parts_sent_in_parallel_become_a_file_that_trains(server, client):
    upload = create(client)
    assert (upload.status, upload.file) == ("pending", None)
    assert upload.expires_at == upload.created_at + 3600
    pieces = in_parts(CONTENT, 200)
    order = list(range(len(pieces)))
    random.Random(1).shuffle(order)

    def send(index):
        return client.uploads.parts.create(upload.id, data=pieces[index])

    with ThreadPoolExecutor(4) as pool:
        parts = dict(zip(order, pool.map(send, order), strict=True))
    assert parts[0].object == "upload.part"
    assert parts[0].upload_id == upload.id
    done = client.uploads.complete(
        upload.id,
        part_ids=[parts[i].id for i in range(len(pieces))],
        md5=hashlib.md5(CONTENT).hexdigest(),
    )
    assert (done.status, done.file.purpose) == ("completed", "fine-tune")
    assert client.files.content(done.file.id).read() == CONTENT
    assert not folder(server, upload).exists()
    job = client.fine_tuning.jobs.create(
        model="tinygpt",
        training_file=done.file.id,
        hyperparameters={"n_epochs": 1},
    )
    assert server.finished(job.id).status == "succeeded"


def test_the_sdk_s_helper_uploads_a_file_in_chunks(client, tmp_path):
    path = tmp_path / "long.jsonl"
    path.write_bytes(CONTENT * 20)
    done = client.uploads.upload_file_chunked(
        file=path, mime_type="text/jsonl", purpose="fine-tune", part_size=5000
    )
    assert client.files.content(done.file.id).read() == CONTENT * 20
    assert done.file.filename == "long.jsonl"


def test_an_upload_may_say_when_its_file_expires(client):
    upload = create(client, expires_after={"anchor": "created_at", "seconds": 7200})
    part = client.uploads.parts.create(upload.id, data=CONTENT)
    file = client.uploads.complete(upload.id, part_ids=[part.id]).file
    assert file.expires_at == file.created_at + 7200


@pytest.mark.parametrize(
    ("changes", "param"),
    [
        ({"bytes": 0}, "bytes"),
        ({"bytes": 8 * 2**30 + 1}, "bytes"),
        ({"filename": ""}, "filename"),
        ({"filename": "train.csv"}, "file"),
        ({"purpose": "finetune"}, "purpose"),
        ({"expires_after": {"anchor": "created_at", "seconds": 60}}, None),
        ({"expires_after": {"anchor": "now", "seconds": 3600}}, None),
    ],
)
def test_an_upload_that_cannot_succeed_is_refused_at_once(client, changes, param):
    with pytest.raises(openai.BadRequestError) as refused:
        create(client, **changes)
    assert param is None or refused.value.param == param


def test_sizes_parts_and_md5_are_checked_and_the_upload_stays_open(server, client):
    upload = create(client)
    first, second = (
        client.uploads.parts.create(upload.id, data=piece).id
        for piece in in_parts(CONTENT, len(CONTENT) // 2)[:2]
    )
    rest = client.uploads.parts.create(
        upload.id, data=CONTENT[len(CONTENT) // 2 * 2 :] or b"\n"
    ).id

    def refused(*part_ids, **more):
        with pytest.raises(openai.BadRequestError) as error:
            client.uploads.complete(upload.id, part_ids=part_ids, **more)
        return error.value

    assert refused(first).code == "invalid_upload_size"
    assert "twice" in refused(first, first).message
    assert "no part of this upload" in refused("part_foreign").message
    whole = [first, second] if len(CONTENT) % 2 == 0 else [first, second, rest]
    assert refused(*whole, md5="0" * 32).param == "md5"
    assert "not a dictionary" in refused(*reversed(whole)).message
    before = sorted(path.name for path in (server.folder / "files").iterdir())
    assert not [name for name in before if name.endswith(".new")]
    assert client.uploads.complete(upload.id, part_ids=whole).status == "completed"


@pytest.mark.parametrize("end", ["complete", "cancel"])
def test_an_upload_that_has_ended_takes_nothing_more(server, client, end):
    upload = create(client)
    part = client.uploads.parts.create(upload.id, data=CONTENT).id
    if end == "complete":
        client.uploads.complete(upload.id, part_ids=[part])
    else:
        assert client.uploads.cancel(upload.id).status == "cancelled"
    assert not folder(server, upload).exists()
    for act in (
        lambda: client.uploads.parts.create(upload.id, data=b"x"),
        lambda: client.uploads.complete(upload.id, part_ids=[part]),
        lambda: client.uploads.cancel(upload.id),
    ):
        with pytest.raises(openai.BadRequestError) as refused:
            act()
        assert refused.value.code == "invalid_upload_status"


def test_of_two_completions_at_once_one_makes_the_file(client):
    upload = create(client)
    part = client.uploads.parts.create(upload.id, data=CONTENT).id

    def complete(_):
        try:
            return client.uploads.complete(upload.id, part_ids=[part]).status
        except openai.BadRequestError as error:
            return error.code

    with ThreadPoolExecutor(4) as pool:
        answers = sorted(pool.map(complete, range(4)))
    assert answers == ["completed"] + ["invalid_upload_status"] * 3


def test_a_part_beyond_64_mb_is_refused(server, client):
    upload = create(client, bytes=2**30)
    with pytest.raises(openai.APIStatusError) as refused:
        client.uploads.parts.create(upload.id, data=b"x" * (64 * 2**20 + 1))
    assert refused.value.status_code == 413
    client.uploads.cancel(upload.id)


def test_nobody_touches_the_upload_of_another_key(client, stranger):
    upload = create(client)
    for act in (
        lambda: stranger.uploads.parts.create(upload.id, data=b"x"),
        lambda: stranger.uploads.complete(upload.id, part_ids=["part_x"]),
        lambda: stranger.uploads.cancel(upload.id),
    ):
        with pytest.raises(openai.NotFoundError):
            act()


def test_after_an_hour_an_upload_expires_and_leaves_nothing_behind(tmp_path):
    with RunningServer(tmp_path, fake=True) as server:
        client = server.client()
        upload = create(client)
        client.uploads.parts.create(upload.id, data=CONTENT)
        assert folder(server, upload).exists()
        advance(server, 3700)
        assert not folder(server, upload).exists()
        with pytest.raises(openai.BadRequestError, match="is expired"):
            client.uploads.parts.create(upload.id, data=b"x")


def test_a_restarted_server_keeps_parts_and_clears_what_was_half_written(tmp_path):
    server = RunningServer(tmp_path, fake=True).start()
    upload = create(server.client())
    part = server.client().uploads.parts.create(upload.id, data=CONTENT)
    server.kill()
    (folder(server, upload) / "part_half.new").write_bytes(b"half")
    with server.start():
        assert [path.name for path in folder(server, upload).iterdir()] == [part.id]
        done = server.client().uploads.complete(upload.id, part_ids=[part.id])
        assert done.status == "completed"
