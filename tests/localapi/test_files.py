"""`/v1/files`, driven by the SDK."""

import re
import sys
from pathlib import Path

import httpx
import openai
import pytest

from tests.localapi.running import RunningServer, advance, chat_rows, jsonl, upload


def test_an_upload_comes_back_as_a_processed_file(client):
    content = jsonl(chat_rows(10))
    file = client.files.create(file=("my set.jsonl", content), purpose="fine-tune")
    assert re.fullmatch(r"file-[A-Za-z0-9]{22}", file.id)
    assert (file.status, file.purpose) == ("processed", "fine-tune")
    assert (file.filename, file.bytes) == ("my set.jsonl", len(content))
    assert client.files.retrieve(file.id) == file
    assert client.files.content(file.id).content == content


def test_a_deleted_file_is_gone(client):
    file_id = upload(client)
    assert client.files.delete(file_id).deleted is True
    with pytest.raises(openai.NotFoundError, match=f"No such File object: {file_id}"):
        client.files.retrieve(file_id)


def test_files_are_listed_newest_first_and_page_by_page(client):
    ids = [upload(client, name=f"page{number}.jsonl") for number in range(5)]
    assert [file.id for file in client.files.list(limit=2)][:5] == ids[::-1]
    page = client.files.list(limit=2)
    assert page.has_more is True
    oldest_first = [file.id for file in client.files.list(order="asc")]
    assert oldest_first[-5:] == ids


def test_a_list_goes_on_behind_what_was_deleted_meanwhile(client):
    for number in range(5):
        upload(client, name=f"gone{number}.jsonl")
    for file in client.files.list(limit=2):
        client.files.delete(file.id)
    assert client.files.list().data == []
    with pytest.raises(openai.BadRequestError, match="no item with the id"):
        client.files.list(after="file-never")


def test_a_large_form_may_spell_its_type_with_capitals(server, client):
    head = '--x\r\nContent-Disposition: form-data; name="'
    parts = f'{head}purpose"\r\n\r\nuser_data\r\n{head}file"; filename="a"\r\n\r\n'
    reply = httpx.post(
        f"{server.origin}/v1/files",
        content=parts.encode() + b"a" * 9_000_000 + b"\r\n--x--\r\n",
        headers={
            "Content-Type": "Multipart/Form-Data; boundary=x",
            "Authorization": f"Bearer {client.api_key}",
        },
        trust_env=False,
    )
    assert (reply.status_code, reply.json()["bytes"]) == (200, 9_000_000)


def test_a_list_can_be_narrowed_to_a_purpose(client):
    batch = upload(client, name="requests.jsonl", purpose="batch")
    assert [file.id for file in client.files.list(purpose="batch")] == [batch]


def test_a_file_can_be_given_an_end(client):
    after = {"anchor": "created_at", "seconds": 3600}
    file = client.files.create(
        file=("a.txt", b"x"), purpose="user_data", expires_after=after
    )
    assert file.expires_at == file.created_at + 3600


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b"\xef\xbb\xbf" + jsonl(chat_rows(10)), r"byte order mark"),
        (b"question,answer\n1,2\n", r'Line 1 is not a dictionary .*"ques\.\.\."'),
        (b'[{"messages": []}]', r"JSON array"),
        (b'{\n  "messages": []\n}\n', r"one line"),
        (b"", r"is empty"),
        (b'{"messages": "\xe9\xe9"}\n', r"Line 1 is not a dictionary"),
        (jsonl(chat_rows(10)).decode().encode("utf-16"), r"UTF-16"),
    ],
)
def test_what_is_no_jsonl_is_refused_at_upload(client, content, said):
    with pytest.raises(openai.BadRequestError, match="JSONL format") as caught:
        upload(client, content)
    assert re.search(said, caught.value.body["message"])
    assert caught.value.body["param"] == "file"


def test_only_jsonl_files_are_for_fine_tuning(client):
    with pytest.raises(openai.BadRequestError, match=r"'\.csv' of 'rows\.csv'"):
        upload(client, name="rows.csv")


def test_a_foreign_purpose_is_refused_with_the_list_of_purposes(client):
    with pytest.raises(openai.BadRequestError) as caught:
        upload(client, purpose="finetune")
    assert caught.value.body["message"].startswith("'finetune' is not one of [")
    assert caught.value.body["param"] == "purpose"


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_a_large_upload_does_not_fill_the_memory(server, client):
    def megabytes():
        status = Path(f"/proc/{server.info['pid']}/status").read_text("utf-8")
        return int(re.search(r"VmHWM:\s+(\d+) kB", status)[1]) / 1024

    question = [{"role": "user", "content": "Hello"}]
    client.chat.completions.create(model="tinygpt", messages=question, max_tokens=1)
    row = jsonl(chat_rows(1))
    before = megabytes()  # with all that the server loads while it warms up
    upload(client, row * (64 * 2**20 // len(row)))
    assert megabytes() - before < 16


def test_a_file_that_has_expired_is_gone_from_everywhere(tmp_path):
    after = {"anchor": "created_at", "seconds": 3600}
    with RunningServer(tmp_path, fake=True) as server:
        client = server.client()
        kept = upload(client)
        file = client.files.create(
            file=("a.jsonl", jsonl(chat_rows(12))),
            purpose="fine-tune",
            expires_after=after,
        )
        batch = upload(client, purpose="batch")
        advance(server, 3000)
        assert client.files.retrieve(file.id) == file
        advance(server, 700)
        with pytest.raises(openai.NotFoundError):
            client.files.retrieve(file.id)
        with pytest.raises(openai.BadRequestError, match="does not exist"):
            client.fine_tuning.jobs.create(model="tinygpt", training_file=file.id)
        assert not (server.folder / "files" / file.id).exists()
        assert [file.id for file in client.files.list()] == [batch, kept]
        advance(server, 30 * 24 * 3600)  # a batch file's life, unless said otherwise
        assert [file.id for file in client.files.list()] == [kept]


@pytest.mark.parametrize("seconds", [3599, 2_592_001])
def test_a_life_outside_an_hour_to_thirty_days_is_refused(client, seconds):
    after = {"anchor": "created_at", "seconds": seconds}
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.create(
            file=("a.txt", b"x"), purpose="user_data", expires_after=after
        )
    assert refused.value.param == "expires_after[seconds]"


@pytest.mark.parametrize(
    "purpose", ["assistants", "batch", "user_data", "vision", "evals"]
)
def test_every_purpose_of_the_service_is_taken(client, purpose):
    file = client.files.create(file=("any.jsonl", b"{}\n"), purpose=purpose)
    assert file.purpose == purpose
    assert (file.expires_at is not None) == (purpose == "batch")


def test_a_batch_file_must_be_jsonl(client):
    with pytest.raises(openai.BadRequestError, match="Purpose 'batch' accepts only"):
        upload(client, b"x", name="a.txt", purpose="batch")


@pytest.mark.parametrize("limit", [0, 10_001, -1])
def test_a_page_of_files_has_one_to_ten_thousand(client, limit):
    with pytest.raises(openai.BadRequestError) as refused:
        client.files.list(limit=limit)
    assert refused.value.param == "limit"


def test_a_page_goes_on_after_an_item_in_either_order(client):
    ids = [upload(client, name=f"after{number}.jsonl") for number in range(3)]
    newest = client.files.list(after=ids[2], limit=1)
    assert (newest.data[0].id, newest.has_more) == (ids[1], True)
    oldest = client.files.list(after=ids[0], limit=5, order="asc")
    assert [file.id for file in oldest.data] == ids[1:]
    assert oldest.has_more is False
    with pytest.raises(openai.BadRequestError, match="asc"):
        client.files.list(order="newest")


def test_a_download_carries_its_name_and_length(client):
    content = jsonl(chat_rows(10))
    file = client.files.create(file=("Übung 1.jsonl", content), purpose="fine-tune")
    reply = client.files.with_raw_response.content(file.id)
    assert reply.headers["content-type"] == "application/octet-stream"
    assert reply.headers["content-length"] == str(len(content))
    assert "%C3%9Cbung%201.jsonl" in reply.headers["content-disposition"]
    assert reply.headers["x-request-id"].startswith("req_")


def test_a_content_that_has_gone_from_the_disk_is_not_found(server, client):
    file_id = upload(client)
    (server.folder / "files" / file_id).unlink()
    with pytest.raises(openai.NotFoundError, match=file_id):
        client.files.content(file_id)
    assert client.files.delete(file_id).deleted


@pytest.mark.parametrize("range_", ["bytes=0-3", "bytes=abc", "bytes=99999999-", "x"])
def test_a_content_always_comes_whole(client, range_):
    file_id = upload(client)
    content = client.files.with_raw_response.content(
        file_id, extra_headers={"Range": range_}
    )
    assert content.status_code == 200
    assert content.content == jsonl(chat_rows(12))
    assert content.headers["accept-ranges"] == "none"
