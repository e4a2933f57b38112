"""Training on calls, by the API alone: the model learns to call, and really calls."""

from pathlib import Path

import pytest

from finetune_kit import read_jsonl, sizes
from tests.localapi.running import RunningServer, jsonl, upload

ROWS = read_jsonl(Path(__file__).parents[2] / "data" / "functions" / "train.jsonl", 12)


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    with RunningServer(tmp_path_factory.mktemp("home")) as server:
        yield server


@pytest.fixture(scope="module")
def client(server):
    return server.client()


def trained(server, client, training_file, **hyperparameters):
    job = client.fine_tuning.jobs.create(
        model="tinygpt", training_file=training_file, **hyperparameters
    )
    job = server.finished(job.id)
    assert job.status == "succeeded", job.error
    return job


def answer(client, model, request):
    (message,) = (
        choice.message
        for choice in client.chat.completions.create(
            model=model,
            messages=[{"role": "user", "content": request}],
            tools=ROWS[0]["tools"],
            temperature=0,
            max_tokens=40,
        ).choices
    )
    calls = [(c.function.name, c.function.arguments) for c in message.tool_calls or ()]
    return message.content, calls


def test_a_model_trained_on_calls_answers_its_requests_with_them(server, client):
    file_id = upload(client, jsonl(ROWS))
    epochs = {"n_epochs": 20, "batch_size": 2}
    job = trained(server, client, file_id, hyperparameters=epochs)
    for row in ROWS:
        asked, wanted = row["messages"]
        content, calls = answer(client, job.fine_tuned_model, asked["content"])
        functions = [call["function"] for call in wanted.get("tool_calls", ())]
        assert calls == [(f["name"], f["arguments"]) for f in functions]
        assert content == wanted.get("content")


def test_pairs_with_calls_train_the_preferred_one(server, client):
    def pair(row):
        asked, wanted = row["messages"]
        other = {"role": "assistant", "content": "I do not know."}
        return {
            "input": {"messages": [asked], "tools": row["tools"]},
            "preferred_output": [wanted],
            "non_preferred_output": [other],
        }

    file_id = upload(client, jsonl([pair(row) for row in ROWS]))
    method = {"type": "dpo", "dpo": {"hyperparameters": {"n_epochs": 2}}}
    job = trained(server, client, file_id, method=method)
    result = client.files.content(job.result_files[0])
    assert result.content


def test_trained_tokens_count_tools_and_calls_as_the_data_tools_do(server, client):
    file_id = upload(client, jsonl(ROWS))
    job = trained(server, client, file_id, hyperparameters={"n_epochs": 1})
    assert job.trained_tokens == sizes(ROWS).to_dict()["trained_tokens_per_epoch"]
