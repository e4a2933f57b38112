"""Playground and checkpoint picker, on a small job that is really trained."""

import time
from threading import Barrier, Event

import pytest

from finetune_kit import checkpoint_picker, connect, follow, playground, side_by_side
from finetune_kit.jobs.results import NotFinishedError
from tests.learner import SYSTEM, chat_file, fresh_home

BASE = "gpt-4.1-mini"
QUESTIONS = ["Can I trust my luck?", "Is war sweet?"]


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("widgets") / "ws"):
        yield connect()


@pytest.fixture(scope="module")
def job(client, tmp_path_factory):
    path = chat_file(tmp_path_factory.mktemp("rows") / "train.jsonl", 10)
    file = client.files.create(file=path, purpose="fine-tune")
    made = client.fine_tuning.jobs.create(
        model=BASE,
        training_file=file.id,
        validation_file=file.id,
        hyperparameters={"n_epochs": 2},
    )
    return follow(client, made)


@pytest.fixture
def played(client, job):
    models = {"base": BASE, "tuned": job.fine_tuned_model}
    played = playground(client, models, SYSTEM, QUESTIONS[0])
    played.controls()
    return played


def wait(played):
    deadline = time.monotonic() + 60
    while not played.stop.disabled and time.monotonic() < deadline:
        time.sleep(0.05)
    assert played.stop.disabled
    assert not played.ask.disabled


def test_both_models_stream_the_answers_that_they_give_in_one_piece(client, played):
    played.ask.click()
    assert played.ask.disabled
    wait(played)
    ((_, *expected),) = side_by_side(client, played.models, QUESTIONS[:1], SYSTEM).rows
    assert [answer.text for answer in played.rounds[0].answers] == expected
    assert [answer.heading for answer in played.rounds[0].answers] == ["base", "tuned"]


def test_the_playgrounds_twin_goes_from_cold_to_hot_and_repeats_itself(client, job):
    models = {"base": BASE, "tuned": job.fine_tuned_model}
    first, again = (
        playground(client, models, SYSTEM, QUESTIONS[0]).twin() for _ in range(2)
    )
    assert first.rows == again.rows
    assert [row[0] for row in first.rows] == ["0", "0.5", "1", "1.5", "2"]
    ((_, *cold),) = side_by_side(client, models, QUESTIONS[:1], SYSTEM).rows
    assert first.rows[0][1:] == cold
    assert first.rows[-1][1:] != cold


def test_stop_ends_an_answer_and_the_next_question_can_be_asked(client, played):
    stopping = client.with_options()
    create = stopping.chat.completions.create
    begun = Barrier(2, action=played.stop.click)  # once: none for the next question

    def stop_after_start(**call):
        stream = create(**call)
        begun.wait(60)
        return stream

    stopping.chat.completions.create = stop_after_start
    played.client = stopping
    played.answer()
    wait(played)
    assert {answer.state for answer in played.rounds[0].answers} == {"stopped"}
    played.client = client
    played.answer()
    wait(played)
    states = {answer.state for answer in played.rounds[0].answers}
    assert states <= {"done", "said nothing", "cut at 80 tokens"}


def test_stop_does_not_wait_for_answers_that_have_not_begun(client, played):
    slow, asked, released = client.with_options(), Event(), Event()
    create = slow.chat.completions.create

    def answer_late(**call):
        asked.set()
        assert released.wait(60)
        return create(**call)

    slow.chat.completions.create = answer_late
    played.client = slow
    played.answer()
    assert asked.wait(60)
    played.stop.click()
    wait(played)
    released.set()
    told = [(answer.state, answer.text) for answer in played.rounds[0].answers]
    assert told == [("stopped", "")] * 2


def test_prompt_system_and_temperature_of_the_controls_are_what_is_asked(played):
    played.prompt.value, played.system.value = "<b>Who?</b>", ""
    played.temperature.value = 1.3
    played.answer()
    wait(played)
    html = played.result()._repr_html_()
    assert "“&lt;b&gt;Who?&lt;/b&gt;” · temperature 1.3" in html
    assert "<b>Who" not in html


def test_a_refusal_stands_in_the_answers_place(client):
    played = playground(client, {"wrong": "no-such-model"})
    played.controls()
    played.answer()
    wait(played)
    assert "no answer: " in repr(played.result())
    assert "no-such-model" in repr(played.result())


def test_of_more_than_two_models_buttons_choose(client, job):
    models = {"base": BASE, "tuned": job.fine_tuned_model, "other": "gpt-4o-mini"}
    played = playground(client, models)
    played.controls()
    played.chosen[0].value = "other"
    played.answer()
    wait(played)
    headings = [answer.heading for answer in played.rounds[0].answers]
    assert headings == ["other", "tuned"]


def test_a_job_without_a_model_yet_is_explained(client):
    with pytest.raises(ValueError, match=r"wait with `job = kit\.follow"):
        playground(client, {"base": BASE, "tuned": None})


def test_a_chosen_checkpoint_shows_its_losses_and_its_own_answers(client, job):
    picker = checkpoint_picker(client, job, QUESTIONS, SYSTEM)
    choice = picker.controls()
    steps = [step for _, step in choice.options]
    assert steps == [10, 20]
    assert choice.value == 20
    choice.value = 10
    chart, losses, answers = picker.result().parts
    first = picker.checkpoints[10]
    assert chart.alt.endswith("Chosen: step 10.")
    assert losses.rows[0][1:3] == [
        first.metrics.train_loss,
        first.metrics.full_valid_loss,
    ]
    models = {"step 10": first.fine_tuned_model_checkpoint}
    assert answers.rows == side_by_side(client, models, QUESTIONS, SYSTEM).rows


def test_a_checkpoint_that_was_deleted_says_so_in_place_of_answers(client, job):
    deleted = client.with_options()
    deleted.chat.completions.create = lambda **call: client.chat.completions.create(
        **call | {"model": call["model"] + "gone"}
    )
    picker = checkpoint_picker(deleted, job, QUESTIONS, SYSTEM)
    picker.choose(10)
    _, losses, said = picker.result().parts
    assert losses.rows[0][0] == 10
    assert "step 10: no answer" in repr(said)
    assert "gone" in repr(said)


def test_the_pickers_twin_is_a_table_of_all_checkpoints(client, job):
    text = repr(checkpoint_picker(client, job.id, QUESTIONS, SYSTEM))
    assert "Line chart of the loss over 20 steps" in text
    for wanted in ("validation loss, all", "step 10", "step 20", ":ckpt-step-10"):
        assert wanted in text


def test_an_unfinished_job_cannot_be_picked_from(client, tmp_path):
    path = chat_file(tmp_path / "long.jsonl", 60)
    file = client.files.create(file=path, purpose="fine-tune")
    made = client.fine_tuning.jobs.create(model=BASE, training_file=file.id)
    with pytest.raises(NotFinishedError, match="follow"):
        checkpoint_picker(client, made)
    client.fine_tuning.jobs.cancel(made.id)
