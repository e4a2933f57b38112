"""What a job made is deleted: while it runs, when it has ended, and again."""

import pytest

from finetune_kit import connect, follow
from finetune_kit.jobs import tidy
from tests.learner import chat_file, fresh_home


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("tidy") / "ws"):
        yield connect()


@pytest.mark.parametrize(
    ("ended", "status"), [(False, "cancelled"), (True, "succeeded")]
)
def test_a_job_leaves_nothing_behind(client, tmp_path, ended, status):
    own = chat_file(tmp_path / "few.jsonl", 10)
    files = [client.files.create(file=own, purpose="fine-tune").id for _ in range(2)]
    job = client.fine_tuning.jobs.create(
        model="gpt-4.1-mini", training_file=files[0], validation_file=files[1]
    )
    if ended:
        job = follow(client, job)
        assert ":ckpt-" in " ".join(each.id for each in client.models.list())
    for _ in range(2):
        tidy.remove(client, job.id)
    assert client.fine_tuning.jobs.retrieve(job.id).status == status
    assert list(client.files.list()) == []
    assert [each.id for each in client.models.list() if each.id.startswith("ft:")] == []
