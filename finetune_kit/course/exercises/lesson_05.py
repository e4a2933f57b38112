"""Lesson 05: provoke two refusals, a hash of what was uploaded, parts by hand."""

from __future__ import annotations

import hashlib
import re
from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.lesson import data_folder

#: How refusals of `files` and `uploads` begin, and what causes them.
_CAUSES = {
    r"is not one of .* - 'purpose'": "the purpose",
    r"Invalid extension": "the file's name",
    r"is empty": "an empty file",
    r"Line 1 is not a dictionary": "the first line",
    r"expires_after": "the expiry",
    r"Supported values are: .*'fine-tune'": "the purpose",
    r"No such (File|Upload) object": "an unknown id",
    r"required property|required keyword-only": "something missing",
    r"Expected a non-empty value": "an empty id",
    r"Expected entry at `file`": "a path given as text",
}
_SHOWN = {"the purpose", "the file's name", "an empty file"}
_TRAIN = "proverbs/train.jsonl"
_VALIDATION = "proverbs/validation.jsonl"


def _bytes(name: str) -> bytes:
    return (data_folder() / name).read_bytes()


def judge_refusals(answer: Any) -> str | None:
    if not isinstance(answer, list | tuple) or len(answer) != 2:
        return "Give a list of two errors, each caught with `except … as error`."
    if texts := [each for each in answer if not isinstance(each, Exception)]:
        kind = type(texts[0]).__name__
        return f"One of them is a {kind}. Keep the error itself: `answer.append(error)`"
    causes = [_cause(error) for error in answer]
    if None in causes:
        unknown = answer[causes.index(None)]
        return f"This is not what the files API says to a bad upload: {unknown}"
    if causes[0] == causes[1]:
        return f"Both are refused for the same cause: {causes[0]}."
    if set(causes) <= _SHOWN:
        return "The lesson showed both. Let at least one be of another cause."
    return None


def _cause(error: Exception) -> str | None:
    said = str(error)
    known = (cause for sign, cause in _CAUSES.items() if re.search(sign, said))
    return next(known, None) or _parameter(error)


def _parameter(error: Exception) -> str | None:
    """What `files` or `uploads` finds at fault where no sign is known."""
    from openai import APIStatusError

    if not isinstance(error, APIStatusError):
        return None
    if not re.search(r"/v1/(files|uploads)\b", str(error.request.url)):
        return None
    code = f" ({error.code})" if error.code else ""
    return f"`{error.param}`{code}"


def judge_hash(answer: Any) -> str | None:
    if isinstance(answer, bytes):
        return "These are the raw bytes of a hash: take `.hexdigest()`."
    if not isinstance(answer, str):
        return f"A SHA-256 is a text of 64 characters, not a {type(answer).__name__}."
    given = answer.strip().lower()
    wrong = {
        _sha256(_TRAIN): "This is the hash of the training file.",
        hashlib.md5(_bytes(_VALIDATION)).hexdigest(): "This is the MD5, not SHA-256.",
    }
    if given == _sha256(_VALIDATION):
        return None
    length = f"A SHA-256 in hexadecimal has 64 characters, this has {len(given)}."
    other = "This is the hash of other bytes. Hash what `.content(id).read()` gives."
    return wrong.get(given, other if len(given) == 64 else length)


def _sha256(name: str) -> str:
    return hashlib.sha256(_bytes(name)).hexdigest()


def judge_parts(answer: Any) -> str | None:
    kind = getattr(answer, "object", type(answer).__name__)
    if kind == "file":
        return "This is the file. Give the upload that `uploads.complete` returns."
    if kind != "upload":
        return f"This is a {kind}. Give what `uploads.complete` returns."
    if answer.status != "completed":
        return f"The upload is {answer.status}: finish it with `uploads.complete`."
    if answer.bytes != len(_bytes(_TRAIN)):
        return f"It has {answer.bytes} bytes, `train.jsonl` {len(_bytes(_TRAIN))}."
    return None


EXERCISES = [
    Exercise(
        name="05-refusals",
        wants="a list of two errors that the API or the SDK raised",
        judge=judge_refusals,
        hints=[
            "Which arguments does `files.create` take besides `file` and `purpose`?",
            "`expires_after` wants at least 3,600 seconds.",
            "Ask for a file that never was: `client.files.retrieve('file-x')`.",
        ],
        solution_code="""
import openai

train = lesson.path("proverbs/train.jsonl")
soon = {"anchor": "created_at", "seconds": 60}
answer = []
try:
    client.files.create(file=train, purpose="fine-tune", expires_after=soon)
except openai.BadRequestError as error:
    answer.append(error)
try:
    client.files.retrieve("file-x")
except openai.NotFoundError as error:
    answer.append(error)
""",
        well_done="Two refusals, two causes, and each says what to change.",
    ),
    Exercise(
        name="05-hash",
        wants="the SHA-256 of a file, 64 hexadecimal characters",
        judge=judge_hash,
        hints=[
            "`lesson.files()` gives the uploaded training and validation file.",
            "`client.files.content(id).read()` gives the bytes that the API holds.",
            "`hashlib.sha256(those_bytes).hexdigest()` is the answer.",
        ],
        solution_code="""
import hashlib

_, validation_file = lesson.files()
held = client.files.content(validation_file.id).read()
answer = hashlib.sha256(held).hexdigest()
""",
        well_done="The API holds exactly your bytes.",
    ),
    Exercise(
        name="05-parts",
        wants="the completed upload",
        judge=judge_parts,
        hints=[
            "`client.uploads.create(bytes=…, filename=…, mime_type=…, purpose=…)`",
            "`client.uploads.parts.create(upload.id, data=…)`, once for each piece.",
            "`client.uploads.complete(upload.id, part_ids=[…])`, in the right order.",
        ],
        solution_code="""
data = lesson.path("proverbs/train.jsonl").read_bytes()
upload = client.uploads.create(
    bytes=len(data),
    filename="train.jsonl",
    mime_type="text/jsonl",
    purpose="fine-tune",
)
pieces = [data[at : at + 10_000] for at in range(0, len(data), 10_000)]
send = client.uploads.parts.create
parts = [send(upload.id, data=piece).id for piece in pieces]
answer = client.uploads.complete(upload.id, part_ids=parts)
""",
        well_done="Parts may travel in any order; `part_ids` puts them together.",
        level="optional",
    ),
]
