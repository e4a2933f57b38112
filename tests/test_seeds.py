"""The walk of 2025 that this project grew from, with its own mistakes, as a learner
types it: calls on the module `openai`, pointed here by the environment."""

import json
import subprocess
import sys

import openai
import pytest

import finetune_kit
from finetune_kit.connect import environment
from finetune_kit.jobs.follow import follow
from tests.learner import PROVERBS, ROOT, fresh_home

ANSWERING_ROLE = "assitant"  # as it stands there


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("seeds") / "ws"):
        yield finetune_kit.connect()


def rows(role, count=12):
    lines = (PROVERBS / "train.jsonl").read_text(encoding="utf-8").splitlines()
    chats = [json.loads(line)["messages"] for line in lines[:count]]
    return [
        {"messages": [*chat[:-1], {"role": role, "content": chat[-1]["content"]}]}
        for chat in chats
    ]


def uploaded(client, role):
    content = "".join(json.dumps(row) + "\n" for row in rows(role)).encode()
    return client.files.create(file=("train.jsonl", content), purpose="fine-tune")


def test_the_misspelt_role_is_accepted_as_a_file_and_fails_the_job(client):
    file = uploaded(client, ANSWERING_ROLE)
    assert (file.status, file.purpose) == ("processed", "fine-tune")
    made = client.fine_tuning.jobs.create(training_file=file.id, model="gpt-3.5-turbo")
    job = follow(client, made)
    assert job.status == "failed"
    assert ANSWERING_ROLE in job.error.message


def test_the_events_are_asked_with_the_wrong_argument_and_then_with_the_right_one(
    client,
):
    train, val = (uploaded(client, "assistant") for _ in range(2))
    response = client.fine_tuning.jobs.create(
        training_file=train.id, validation_file=val.id, model="gpt-3.5-turbo"
    )
    assert response.model.startswith("gpt-3.5-turbo-")
    assert (response.status, response.trained_tokens) == ("validating_files", None)
    with pytest.raises(TypeError, match="unexpected keyword argument 'id'"):
        client.fine_tuning.jobs.list_events(id=response.id, limit=10)
    job = follow(client, response)
    events = client.fine_tuning.jobs.list_events(response.id, limit=10).data
    events.reverse()
    assert events[-1].message == "The job has successfully completed"
    answer = client.chat.completions.create(
        model=job.fine_tuned_model, messages=rows("assistant")[0]["messages"][:-1]
    )
    assert answer.choices[0].message.content


def test_a_model_of_somebody_else_is_not_found(client):
    with pytest.raises(openai.NotFoundError) as caught:
        client.chat.completions.create(
            model="ft:gpt-3.5-turbo-0613:cma::842Ezx4k",
            messages=[{"role": "user", "content": "How can one find inner peace?"}],
        )
    assert caught.value.code == "model_not_found"


def test_calls_on_the_module_find_the_local_api_through_the_environment(
    client, monkeypatch, tmp_path
):
    for name, value in environment(client).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("NO_PROXY", "*")
    path = tmp_path / "train.jsonl"
    path.write_text("".join(json.dumps(row) + "\n" for row in rows("assistant")))
    calls = (
        "import openai, sys\n"
        "train = openai.files.create(file=open(sys.argv[1], 'rb'), "
        "purpose='fine-tune')\n"
        "response = openai.fine_tuning.jobs.create(training_file=train.id, "
        "model='gpt-3.5-turbo')\n"
        "print(openai.fine_tuning.jobs.retrieve(response.id).id)\n"
        "openai.fine_tuning.jobs.cancel(response.id)\n"
    )
    said = subprocess.run(
        [sys.executable, "-c", calls, path],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    assert said.startswith("ftjob-")
