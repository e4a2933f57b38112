"""Two base models of ours: `tinygpt` and, for the tasks, `tinygpt-tasks`."""

import json

import pytest

from finetune_kit import graders
from tests.learner import ROOT
from tests.localapi.running import RunningServer, upload

DATA = ROOT / "data" / "extraction"
SYSTEM = "You are a clerk who notes the name and the city."


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("home")) as running:
        yield running


@pytest.fixture(scope="module")
def client(server):
    return server.client()


def says(client, model: str, text: str) -> str:
    system, user = {"role": "system", "content": SYSTEM}, {"role": "user"}
    reply = client.chat.completions.create(
        model=model, messages=[system, user | {"content": text}], temperature=0
    )
    return reply.choices[0].message.content


def test_the_bases_answer_with_weights_of_their_own(client):
    text = "The ferry brought Ines from Bergen."
    assert says(client, "tinygpt", text) != says(client, "tinygpt-tasks", text)


def test_the_base_of_the_tasks_learns_json_from_sixty_rows(client, server):
    rows = (DATA / "train.jsonl").read_bytes()
    job = client.fine_tuning.jobs.create(
        model="tinygpt-tasks", training_file=upload(client, rows), seed=1
    )
    job = server.finished(job.id)
    assert job.model == "tinygpt-tasks"
    assert job.fine_tuned_model.startswith("ft:tinygpt-tasks:")
    valid = graders.extraction_graders()["valid JSON"]
    held_out = [json.loads(line) for line in (DATA / "validation.jsonl").open("rb")]
    asked = [row["messages"][1]["content"] for row in held_out]
    said = [says(client, job.fine_tuned_model, text) for text in asked]
    assert sum(bool(valid(text, {})) for text in said) >= 0.85 * len(said)
    assert not any(valid(says(client, "tinygpt-tasks", text), {}) for text in asked)
