"""Looking at a job's files, in a process of its own: `python -m … <job folder>`.

A large file thus never slows an answer of the server. The findings come first, so
that training can start while tokens are still counted.
"""

import json
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from finetune_kit.localapi.runner import write_json
from finetune_kit.patience import patiently

VERSION = 1
_ORDER = "validate.json"
_FINDINGS = "validated.json"
_TOKENS = "tokens.json"
_FORMATS = {
    "chat": "one object with 'messages'",
    "completion": "one object with 'prompt' and 'completion'",
    "preference": "one object with 'input' and two outputs",
}


def start(folder: Path, order: dict[str, Any]) -> subprocess.Popen[bytes]:
    """Start a look at the files that `order` names.

    `order`: "files" (a list of {"param", "id", "path"}), "format" and "min_examples"
    that they must have, "classes" ({"n_classes", "positive_class"} of a classification,
    or null), "encoding", "example_tokens".
    """
    write_json(folder / _ORDER, {"version": VERSION, **order})
    with (folder / "validation.log").open("ab") as log:
        return subprocess.Popen(
            [sys.executable, "-m", "finetune_kit.localapi.validation", str(folder)],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
        )


def findings(folder: Path) -> dict[str, Any] | None:
    """{"error": {"code", "param", "message"} or null, "examples": int}, when known."""
    return _read(folder / _FINDINGS)


def tokens(folder: Path) -> int | None:
    """Billable tokens of one epoch of the training file, when they are counted."""
    counted = _read(folder / _TOKENS)
    return None if counted is None else int(counted["tokens"])


def validate(folder: Path) -> None:
    """What the process does."""
    order = json.loads((folder / _ORDER).read_text(encoding="utf-8"))
    error, examples = None, 0
    for file in order["files"]:
        file_error, file_examples = _look(file, order["format"], order["min_examples"])
        error = error or file_error
        if file["param"] == "training_file":
            examples = file_examples
    if error is None and order["classes"]:
        error = _wrong_classes(order)
    write_json(
        folder / _FINDINGS, {"version": VERSION, "error": error, "examples": examples}
    )
    if error is None:
        training = Path(order["files"][0]["path"])
        count = _count_tokens(training, order["encoding"], order["example_tokens"])
        write_json(folder / _TOKENS, {"version": VERSION, "tokens": count})


def _look(
    file: dict[str, Any], wanted: str, min_examples: int
) -> tuple[dict[str, str] | None, int]:
    """The service's error for one file (None: fine) and its number of examples."""
    from finetune_kit.dataset import check

    param, file_id = file["param"], file["id"]
    method: Literal["supervised", "dpo"]
    method = "dpo" if wanted == "preference" else "supervised"
    report = check(Path(file["path"]), method=method, structure_only=True)
    if report.examples >= min_examples:
        few = [found for found in report.findings if found.code == "too_few_examples"]
        report.findings = [found for found in report.findings if found not in few]
    error = report.service_error(file_kind=param, file_id=file_id)
    if error is None and report.format != wanted:
        kind = param.replace("_", " ")
        message = (
            f"The job failed due to an invalid {kind}. Invalid file format. Input file "
            f"{file_id} is in the fine-tune-{report.format} format, but this model and "
            f"method train on the fine-tune-{wanted} format: {_FORMATS[wanted]} per "
            "line."
        )
        error = {"code": f"invalid_{param}", "param": param, "message": message}
    return error, report.examples


def _wrong_classes(order: dict[str, Any]) -> dict[str, str] | None:
    """Classes are the distinct completions; the service's error where their number,
    or the positive one, is not as the request says."""
    wanted = order["classes"]
    found = {
        example["completion"].strip()
        for file in order["files"]
        for example in _examples(Path(file["path"]))
    }
    expected, positive = wanted["n_classes"], wanted["positive_class"]
    training = order["files"][0]["id"]
    if len(found) != expected:
        message = (
            f"The number of classes in {training} does not match the number of classes "
            f"specified in the hyperparameters: {len(found)} different completions, "
            f"{expected} expected. Each completion is one class, word for word."
        )
        param = "classification_n_classes"
    elif positive is not None and positive.strip() not in found:
        message = (
            f"The positive class '{positive}' is not among the completions of "
            f"{training}: {', '.join(sorted(found))[:200]}."
        )
        param = "classification_positive_class"
    else:
        return None
    return {"code": "invalid_training_file", "param": param, "message": message}


def _count_tokens(path: Path, encoding: str, example_tokens: int) -> int:
    """Each example counts up to the model's limit (contract 2.5)."""
    from finetune_kit.dataset import tokens

    def count(example: dict[str, Any]) -> int:
        if "prompt" in example:
            texts = (example["prompt"], example["completion"])
            return sum(tokens.count(text, encoding) for text in texts)
        definitions = tokens.tool_texts(example.get("input", example))
        tools = sum(tokens.count(text, encoding) for text in definitions)
        return tokens.chat_tokens(_messages(example), encoding) + tools

    return sum(min(count(example), example_tokens) for example in _examples(path))


def _messages(example: dict[str, Any]) -> list[dict[str, Any]]:
    """All messages of an example; of a pair, the input and both outputs."""
    if "messages" in example:
        return list(example["messages"])
    outputs = example["preferred_output"] + example["non_preferred_output"]
    return [*example["input"]["messages"], *outputs]


def _examples(path: Path) -> Iterator[dict[str, Any]]:
    with path.open(encoding="utf-8", newline="\n") as lines:
        yield from (json.loads(line) for line in lines if line.strip())


def _read(path: Path) -> dict[str, Any] | None:
    try:
        text = patiently(lambda: path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    document: dict[str, Any] = json.loads(text)
    return document


if __name__ == "__main__":
    validate(Path(sys.argv[1]))
