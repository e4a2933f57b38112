"""The fine-tunes API of 2023 through today's SDK."""

import pytest

from finetune_kit import connect
from finetune_kit.jobs import fine_tunes
from tests.learner import fresh_home

LINE = '{"prompt": "When may I hope? ->", "completion": " Dum spiro, spero\\n"}'


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("fine tunes") / "ws"):
        yield connect()


def test_a_single_line_is_learnt_by_heart_and_all_of_it_removed(client):
    content = ("one.jsonl", LINE.encode())
    file = client.files.create(file=content, purpose="fine-tune")
    made = fine_tunes.create(client, training_file=file.id, model="ada", n_epochs=50)
    job = fine_tunes.wait(client, made["id"])
    assert job["status"] == "succeeded"
    model = job["fine_tuned_model"]
    (said,) = fine_tunes.complete(client, model, ["When may I hope? ->"])
    assert said == "Dum spiro, spero"
    for _ in range(2):  # what is gone already does no harm
        fine_tunes.remove(client, job)
    assert fine_tunes.list_all(client) == []
    assert list(client.files.list()) == []
    assert model not in {each.id for each in client.models.list()}
