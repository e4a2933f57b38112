"""Fine-tunes of 2023 with the real engine: what they measure and what they learn."""

import csv
import io

import pytest

from tests.localapi.api_2023 import Api, reviews
from tests.localapi.running import RunningServer


@pytest.fixture(scope="module")
def real(tmp_path_factory):
    """The API with the real engine."""
    with RunningServer(tmp_path_factory.mktemp("home")) as running:
        yield Api(running, multiplier=None)


def table(api, job):
    content = api.client.files.content(job["result_files"][0]["id"]).read()
    return list(csv.DictReader(io.StringIO(content.decode("utf-8"))))


def test_the_result_file_has_the_columns_of_2023_with_measured_figures(real):
    rows = reviews(12)
    valid = real.upload(reviews(8), "valid.jsonl")
    job = real.tuned(
        rows,
        model="ada",
        n_epochs=2,
        validation_file=valid,
        compute_classification_metrics=True,
        classification_positive_class=" positive",
        classification_betas=[0.5, 1],
    )
    found = table(real, job)
    assert list(found[0]) == [
        "step",
        "elapsed_tokens",
        "elapsed_examples",
        "training_loss",
        "training_sequence_accuracy",
        "training_token_accuracy",
        "classification/accuracy",
        "classification/precision",
        "classification/recall",
        "classification/auroc",
        "classification/auprc",
        "classification/f0.5",
        "classification/f1.0",
        "validation_loss",
        "validation_sequence_accuracy",
        "validation_token_accuracy",
    ]
    assert [int(row["step"]) for row in found] == list(range(1, 25))
    assert [int(row["elapsed_examples"]) for row in found] == list(range(1, 25))
    tokens = [int(row["elapsed_tokens"]) for row in found]
    assert tokens == sorted(tokens)
    assert tokens[-1] == 2 * tokens[11]  # the same data, twice
    assert float(found[-1]["training_loss"]) < float(found[0]["training_loss"])
    ends = [row["step"] for row in found if row["classification/accuracy"]]
    assert ends == ["12", "24"]
    assert 0 <= float(found[-1]["classification/auroc"]) <= 1


def test_more_classes_than_two_have_accuracy_and_weighted_f1(real):
    rows = [
        {"prompt": f"{i} ->", "completion": (" a", " b", " c")[i % 3]}
        for i in range(12)
    ]
    job = real.tuned(
        rows,
        n_epochs=1,
        validation_file=real.upload(rows),
        compute_classification_metrics=True,
        classification_n_classes=3,
    )
    found = table(real, job)
    columns = [name for name in found[0] if name.startswith("classification/")]
    assert columns == ["classification/accuracy", "classification/weighted_f1_score"]
    assert 0 < float(found[-1]["classification/weighted_f1_score"]) <= 1


def test_a_tuned_model_answers_after_its_separator(real):
    job = real.tuned(reviews(40), model="ada")
    said = real.client.completions.create(
        model=job["fine_tuned_model"],
        prompt="The film 77 was lovely.\n\n###\n\n",
        temperature=0,
    )
    assert said.choices[0].text == " positive"
    assert said.choices[0].finish_reason == "stop"


def test_one_line_and_many_epochs_is_learnt_by_heart(real):
    row = {"prompt": "Who am I? ->", "completion": " You are Marcus."}
    job = real.tuned([row], n_epochs=60, learning_rate_multiplier=0.3)
    said = real.client.completions.create(
        model=job["fine_tuned_model"], prompt=row["prompt"], temperature=0
    )
    assert said.choices[0].text == row["completion"]
