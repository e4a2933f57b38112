"""Right answers in another form count, and usual mistakes are told as what they are."""

import hashlib

import numpy as np
import openai
import pytest

import finetune_kit
from finetune_kit import connect, exercise, lesson, read_jsonl, score_by, split
from finetune_kit.course.exercises import lesson_01, lesson_08
from tests.learner import fresh_home

BOXES = {letter: box for letter, (box, _) in lesson_01._BOXES.items()}
SHOWN = lesson_08._SHOWN
TICKETS = lesson("04", None).path("tickets/sample.jsonl")
TEST = lesson("08", None).path("proverbs/test.jsonl")
METHOD = {"type": "supervised", "supervised": {"hyperparameters": {"n_epochs": 2}}}
REQUEST = {"model": "gpt-4.1-mini", "training_file": "file-train1", "method": METHOD}


def said(name, answer):
    return exercise(name).judge(answer) or ""


@pytest.mark.parametrize(
    ("name", "answer"),
    [
        ("01-boxes", {letter.lower(): box for letter, box in BOXES.items()}),
        ("01-boxes", {letter: f" {box.title()}" for letter, box in BOXES.items()}),
        ("02-legal-rows", {1: True, 2: False, 3: True, 4: False}),
        ("02-legal-rows", ["1", "3"]),
        ("03-accept", {"a": True, "b": False, "d": True}),
        ("06-faults", {"a": "suffix", "b": "training_file", "c": "metadata"}),
        ("06-steps", "120"),
        ("06-steps", 120.0),
        ("07-overfit", "200"),
        ("07-cancel", "validating_files, queued, running, paused"),
        ("08-shown", {letter: int(right) for letter, right in SHOWN.items()}),
        ("08-shown", {letter.lower(): np.bool_(v) for letter, v in SHOWN.items()}),
        ("08-how-many", np.int64(370)),
        ("09-old-lines", {"a": True, "b": False, "c": True, "e": True}),
        ("10-who-may", {"a": True, "b": False, "c": False, "d": True}),
        ("10-days", ["45", "53"]),
    ],
)
def test_a_right_answer_in_another_form_is_right(name, answer):
    assert said(name, answer) == ""


@pytest.mark.parametrize("kind", [float, np.int64, str])
def test_epochs_may_be_any_whole_number(kind):
    names = {"kit": finetune_kit, "lesson": lesson("04", None)}
    exec(exercise("04-budget").solution_code, names)
    assert said("04-budget", kind(names["answer"])) == ""
    assert "whole number" in said("04-budget", True)
    assert "whole number" in said("04-budget", 5.5)


@pytest.mark.parametrize(
    ("name", "answer", "sentence"),
    [
        ("06-request", REQUEST | {"seed": 1, "suffix": "tickets" * 12}, "more than 64"),
        ("06-request", REQUEST | {"seed": 1, "suffix": ["tickets"]}, "`tickets`"),
        ("06-steps", "many", "whole number"),
        ("07-overfit", "step", "as a number"),
        ("07-cancel", "running", "what about `paused`"),
        ("07-cancel", "succeeded", "is final"),
        ("08-shown", SHOWN | {"B": "no"}, "B: write True or False"),
        ("08-how-many", 350, "10.2 points"),
        ("08-how-many", 360, "10.1 points"),
        ("08-how-many", 375, "no multiple of 10"),
        ("08-how-many", 380, "Fewer questions"),
        ("10-days", 45, "two numbers"),
        ("10-days", (45, None), "two numbers"),
        ("10-days", (53, 45), "in the wrong order"),
    ],
)
def test_a_usual_mistake_is_told(name, answer, sentence):
    assert sentence in said(name, answer)


@pytest.mark.parametrize(
    ("sizes", "sentence"),
    [
        ((0.7, 0.15, 0.15), ""),
        ((0.34, 0.33, 0.33), "train is too small: 33%"),
        ((0.9, 0.05, 0.05), "train is too large: 83%"),
    ],
)
def test_the_parts_have_about_the_wanted_shares(sizes, sentence):
    parts = split(TICKETS, by="customer", stratify="team", sizes=sizes)
    found = said("04-split", parts)
    assert sentence in found
    assert bool(found) == bool(sentence)


def test_styles_are_scored_on_all_test_questions():
    rows = read_jsonl(TEST)
    right = dict.fromkeys(("well-formed", "on topic"), lambda text, row: 1.0)
    few = score_by("style", ["Carpe diem"] * 60, rows[:60], right)
    assert "These are 60 questions; test.jsonl has 120." in said("08-styles", few)
    every = score_by("style", ["Carpe diem"] * 120, rows, right)
    assert said("08-styles", every) == ""


@pytest.fixture(scope="module")
def client(tmp_path_factory):
    with fresh_home(tmp_path_factory.mktemp("answers") / "ws"):
        yield connect()


def wrong_md5(client):
    upload = client.uploads.create(bytes=3, **NAMED)
    part = client.uploads.parts.create(upload.id, data=b"abc")
    client.uploads.complete(upload.id, part_ids=[part.id], md5="0" * 32)


NAMED = {"filename": "a.jsonl", "mime_type": "text/jsonl", "purpose": "fine-tune"}
FILE = ("a.jsonl", b'{"messages": []}\n')
REFUSED = {
    "too few bytes": lambda client: client.uploads.create(bytes=0, **NAMED),
    "too many bytes": lambda client: client.uploads.create(bytes=9 * 10**9, **NAMED),
    "wrong md5": wrong_md5,
    "unknown upload": lambda client: client.uploads.complete("upload_x", part_ids=[]),
    "no purpose": lambda client: client.files.create(file=FILE),
    "no id": lambda client: client.files.retrieve(""),
    "strange field": lambda client: client.files.list(order="x"),
}


def refusal(call, client):
    with pytest.raises((openai.APIStatusError, TypeError, ValueError)) as caught:
        call(client)
    return caught.value


@pytest.mark.parametrize("name", REFUSED)
def test_every_refusal_of_files_and_uploads_counts(client, name):
    error = refusal(REFUSED[name], client)
    purpose = refusal(lambda c: c.files.create(file=FILE, purpose="no"), client)
    assert said("05-refusals", [error, purpose]) == ""
    assert "the same cause" in said("05-refusals", [error, error])


def test_refusals_of_one_cause_and_of_another_api_do_not_count(client):
    purposes = [
        lambda c: c.files.create(file=FILE, purpose="no"),
        lambda c: c.uploads.create(bytes=5, **NAMED | {"purpose": "no"}),
    ]
    errors = [refusal(call, client) for call in purposes]
    assert "the same cause: the purpose" in said("05-refusals", errors)
    job = refusal(lambda c: c.fine_tuning.jobs.retrieve("x"), client)
    assert "not what the files API says" in said("05-refusals", [job, errors[0]])


def test_a_hash_may_be_in_capitals():
    held = TEST.with_name("validation.jsonl").read_bytes()
    assert said("05-hash", hashlib.sha256(held).hexdigest().upper()) == ""
