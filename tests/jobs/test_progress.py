"""The card that shows a job, whatever its losses are."""

from openai.types.fine_tuning import FineTuningJob, FineTuningJobEvent

from finetune_kit.jobs.progress import Progress, card


def job(**fields):
    given = {
        "status": "running",
        "model": "gpt-4o-mini",
        "created_at": 1,
        "error": None,
    }
    return FineTuningJob.construct(**given | fields)


def test_a_paused_job_is_not_said_to_go_on_when_watching_is_interrupted():
    said = repr(card(Progress(job(status="paused", id="ftjob-1"), interrupted=True)))
    assert 'client.fine_tuning.jobs.resume("ftjob-1")' in said
    assert "the job goes on" not in said


def step(**data):
    data = {"step": 1, "total_steps": 2} | data
    return FineTuningJobEvent.construct(type="metrics", level="info", data=data)


def test_a_loss_that_left_the_numbers_is_left_out_of_the_card():
    progress = Progress(job())
    progress.add([step(train_loss=None, valid_loss=0.5)])
    assert "validation loss 0.500" in repr(card(progress))
    assert "training loss" not in repr(card(progress))


def test_watching_goes_on_in_a_notebook_and_in_a_terminal():
    said = repr(card(Progress(job(status="running", id="ftjob-1"), interrupted=True)))
    assert "Run this cell again" in said
    assert "finetune-kit jobs follow ftjob-1" in said


def test_a_job_that_may_wait_for_room_on_the_disk_says_so():
    said = repr(card(Progress(job(id="ftjob-1"), no_room=True)))
    assert "64 MB are left" in said
    assert "goes on by itself" in said
