"""Lesson 07: a job's story in order, the checkpoint to use, what can be cancelled."""

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.loose import chosen, whole

_OPEN = {"validating_files", "queued", "running", "paused"}
_FINAL = {"succeeded", "failed", "cancelled"}


def _messages(answer: list[str]) -> str | None:
    if not isinstance(answer, list) or not all(isinstance(m, str) for m in answer):
        return "Wanted is a list of texts: take `.message` of each event."
    if not answer:
        return "The list is empty: ask for the events of a job that has ended."
    if any(message.startswith("Step ") for message in answer):
        return 'There are metrics in it: keep events whose `type` is "message".'
    if answer[0].startswith("The job has"):
        return "This is newest first, as the API sends it: turn the list around."
    if not answer[0].startswith("Created fine-tuning job"):
        return "The beginning is missing: fetch all pages, not only the newest."
    if not answer[-1].startswith("The job has successfully completed"):
        return "The end is missing: is this the job that succeeded?"
    return None if len(set(answer)) == len(answer) else "A message is there twice."


def _overfit(answer: Any) -> str | None:
    usual = {
        100: "At 100 the validation loss is still falling: the model can learn more.",
        300: "From 200 to 300 the validation loss rises: the overfitting has begun.",
        400: "400 has the lowest *training* loss: those examples it knows by heart.",
    }
    step = whole(answer)
    if step is None:
        return "Give the step as a number, such as 100."
    if step == 200:
        return None
    return usual.get(step, "Name one of the four steps: 100, 200, 300, 400.")


def _cancel(answer: Any) -> str | None:
    listed = answer.replace(",", " ").split() if isinstance(answer, str) else answer
    given = chosen(listed)
    if ended := sorted(given & _FINAL):
        return f"`{ended[0]}` is final: the API answers 400, the job has ended already."
    if unknown := sorted(given - _OPEN):
        return f"`{unknown[0]}` is no status of a job; section 1 names them."
    missing = sorted(_OPEN - given)
    return f"Not complete: what about `{missing[0]}`?" if missing else None


EXERCISES = [
    Exercise(
        name="07-messages",
        wants="a list of texts, the messages of the job's events, oldest first",
        judge=_messages,
        hints=[
            "`list(jobs.list_events(job.id, limit=100))` fetches all pages.",
            'Keep `event.message` where `event.type == "message"`.',
            "`[::-1]` turns a list around.",
        ],
        solution_code="""
job = lesson.job()
events = client.fine_tuning.jobs.list_events(job.id, limit=100)
answer = [event.message for event in events if event.type == "message"][::-1]
""",
        well_done="That is the job's whole story, each line once.",
    ),
    Exercise(
        name="07-overfit",
        wants="the step of a checkpoint, a number",
        judge=_overfit,
        hints=[
            "Which column tells of examples that the model has not learnt from?",
            "The lowest value in that column.",
        ],
        solution_code="answer = 200",
        well_done="After step 200 the training loss still falls and the validation "
        "loss rises: that is overfitting.",
    ),
    Exercise(
        name="07-cancel",
        wants='a list of statuses, such as ["running"]',
        judge=_cancel,
        hints=[
            "A job that has not ended can be cancelled.",
            "Section 1 names seven statuses; three are final.",
        ],
        solution_code='answer = ["validating_files", "queued", "running", "paused"]',
        well_done="What has not ended can be cancelled, also while it waits.",
        level="optional",
    ),
]
