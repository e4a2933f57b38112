"""Training on calls, by the API alone: the model learns to call, and really calls."""

from pathlib import Path

import pytest

from finetune_kit import read_jsonl, results, sizes
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


@pytest.fixture(scope="module")
def tuned(server, client):
    settings = {"n_epochs": 15, "batch_size": 4, "learning_rate_multiplier": 4}
    file_id = upload(client, jsonl(ROWS))
    return trained(server, client, file_id, hyperparameters=settings).fine_tuned_model


@pytest.fixture
def ask(client, tuned):
    def ask(*messages, **params):
        asked = {"tools": ROWS[0]["tools"], "temperature": 0, "max_tokens": 40}
        return client.chat.completions.create(
            model=tuned, messages=messages, **(asked | params)
        )

    return ask


def functions_of(message):
    calls = message.tool_calls or ()
    return [(call.function.name, call.function.arguments) for call in calls]


def test_a_model_trained_on_calls_answers_its_requests_with_them(ask):
    for row in ROWS:
        asked, wanted = row["messages"]
        message = ask(asked).choices[0].message
        functions = [call["function"] for call in wanted.get("tool_calls", ())]
        assert functions_of(message) == [(f["name"], f["arguments"]) for f in functions]
        assert message.content == wanted.get("content")


def test_its_calls_come_as_a_stream_too_and_can_be_answered(ask, client, tuned):
    asked = ROWS[0]["messages"][0]
    message = ask(asked).choices[0].message
    with client.chat.completions.stream(
        model=tuned, messages=[asked], tools=ROWS[0]["tools"], temperature=0
    ) as stream:
        streamed = stream.get_final_completion().choices[0]
    assert streamed.finish_reason == "tool_calls"
    assert functions_of(streamed.message) == functions_of(message) != []
    call_id = message.tool_calls[0].id
    result = {"role": "tool", "tool_call_id": call_id, "content": "Windy, 9 degrees."}
    assert ask(asked, message, result).choices[0].finish_reason


def test_told_not_to_call_it_talks(ask):
    choice = ask(ROWS[0]["messages"][0], tool_choice="none").choices[0]
    assert choice.finish_reason in ("stop", "length")
    assert choice.message.tool_calls is None
    assert not choice.message.content.startswith("call ")


def test_told_which_tool_to_call_it_begins_to_call_it(ask):
    named = {"type": "function", "function": {"name": "play_music"}}
    message = ask(ROWS[0]["messages"][0], tool_choice=named).choices[0].message
    said = message.content or f'call {functions_of(message)[0][0]} {{"'
    assert said.startswith('call play_music {"')


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
    settings = {"n_epochs": 2, "batch_size": 4, "learning_rate_multiplier": 4}
    method = {"type": "dpo", "dpo": {"hyperparameters": settings}}
    job = trained(server, client, file_id, method=method)
    margins = results(client, job)["train_reward_margin"]
    assert margins.iloc[-1] > margins.iloc[0] == 0


def test_trained_tokens_count_tools_and_calls_as_the_data_tools_do(server, client):
    file_id = upload(client, jsonl(ROWS))
    job = trained(server, client, file_id, hyperparameters={"n_epochs": 1})
    assert job.trained_tokens == sizes(ROWS).to_dict()["trained_tokens_per_epoch"]
