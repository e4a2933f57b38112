import base64

import pytest
from openai.types.fine_tuning import FineTuningJob

from finetune_kit import connect, follow, results
from finetune_kit.jobs.results import NotFinishedError, decode
from tests.learner import chat_file, faulty_file, fresh_home

CSV = (
    b"step,train_loss,train_accuracy,valid_loss,valid_mean_token_accuracy\n1,1.5,0,,\n"
)


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("results") / "ws"):
        yield connect()


@pytest.mark.parametrize("sent", [CSV, base64.b64encode(CSV), base64.encodebytes(CSV)])
def test_plain_and_base64_content_give_the_same_csv(sent):
    assert decode(sent) == CSV


def test_results_have_a_row_a_step_and_the_columns_of_the_file(client, tmp_path):
    file = client.files.create(
        file=chat_file(tmp_path / "a.jsonl", 10), purpose="fine-tune"
    )
    job = client.fine_tuning.jobs.create(
        model="gpt-4.1-mini",
        training_file=file.id,
        hyperparameters={"n_epochs": 1},
    )
    follow(client, job)
    frame = results(client, job)
    content = decode(
        client.files.content(
            client.fine_tuning.jobs.retrieve(job.id).result_files[0]
        ).read()
    )
    assert list(frame.columns) == content.decode().splitlines()[0].split(",")
    assert list(frame.step) == list(range(1, 11))


def test_a_job_without_results_says_what_to_do(client, tmp_path):
    good, bad = chat_file(tmp_path / "b.jsonl", 60), faulty_file(tmp_path / "c.jsonl")
    for path, advice in [(good, r"follow\(client, job\)"), (bad, "Create a new job")]:
        file = client.files.create(file=path, purpose="fine-tune")
        job = client.fine_tuning.jobs.create(model="gpt-4.1", training_file=file.id)
        if path == bad:
            follow(client, job)
        with pytest.raises(NotFinishedError, match=advice):
            results(client, job)


def test_of_a_paused_job_one_is_told_to_resume_it():
    job = FineTuningJob.construct(id="ftjob-1", status="paused")
    said = str(NotFinishedError.of(job, "has no results"))
    assert 'jobs.resume("ftjob-1")' in said
    assert "follow(client, job)" in said


@pytest.mark.parametrize("job", [None, 5])
def test_what_is_no_job_is_refused_with_what_to_do(client, job):
    with pytest.raises(TypeError, match=r"kit\.results.*its id.*Create a job first"):
        results(client, job)
