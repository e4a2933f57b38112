"""A refused call is shown as a lesson, and only a refused call."""

import openai
import pytest

from finetune_kit import as_if_paid, connect, refused
from finetune_kit.jobs import guard
from tests.learner import fresh_home


@pytest.fixture(scope="module")
def jobs(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("refusal") / "ws"):
        yield connect().fine_tuning.jobs


def test_the_refusal_of_the_api_names_status_message_and_parameter(jobs, capsys):
    with refused():
        jobs.create(model="gpt-4.1-mini", training_file="train.jsonl")
    said = capsys.readouterr().out
    assert "BadRequestError (400)" in said
    assert "  File 'train.jsonl' does not exist" in said
    assert "training_file" in said


def test_a_call_that_the_sdk_does_not_know_says_that_nothing_was_sent(jobs, capsys):
    with refused():
        jobs.list_events(id="ftjob-1")
    said = capsys.readouterr().out
    assert "nothing was sent" in said
    assert "unexpected keyword argument 'id'" in said


def test_a_call_that_goes_through_is_not_taken_for_a_refusal(jobs, capsys):
    with refused():
        jobs.list()
    assert "Nothing was refused" in capsys.readouterr().out


def test_the_spending_guard_is_not_taken_for_the_api(jobs, capsys, monkeypatch):
    nothing_estimated = guard._Allowance()
    monkeypatch.setattr(guard, "_allowance", nothing_estimated)
    with refused():
        as_if_paid(jobs._client).fine_tuning.jobs.create(model="m", training_file="f")
    said = capsys.readouterr().out
    assert "Refused by the spending guard (402)" in said
    assert "Not sent" in said


def test_other_errors_are_raised():
    far = openai.OpenAI(base_url="http://127.0.0.1:9/v1", api_key="k", max_retries=0)
    with pytest.raises(openai.APIConnectionError), refused():
        far.models.list()
