"""The worker process of one job: `python -m finetune_kit.engines.tinygpt.worker DIR`.

Reads `spec.json` in DIR, trains, appends to `events.jsonl`, writes checkpoints.
Started again on the same folder it continues from the newest checkpoint and writes no
line twice: training is reproducible, so the lines would be the same.
"""

import finetune_kit.engines.tinygpt.threads  # noqa: F401  isort: skip

import json
import os
import shutil
import signal
import sys
import time
from functools import partial
from pathlib import Path
from typing import Any

from finetune_kit import disk
from finetune_kit.engines import contract
from finetune_kit.engines.tinygpt import tokenizer, weights
from finetune_kit.engines.tinygpt.chat import encode_example
from finetune_kit.engines.tinygpt.classification import Classification
from finetune_kit.engines.tinygpt.completions import CompletionTraining
from finetune_kit.engines.tinygpt.dpo import PreferenceObjective, encode_pair
from finetune_kit.engines.tinygpt.model import Config
from finetune_kit.engines.tinygpt.train import Settings, Training
from finetune_kit.patience import patiently

KEPT_CHECKPOINTS = 3
ENCODERS: dict[str, Any] = {
    "supervised": encode_example,
    "completion": encode_example,
    "dpo": encode_pair,
}


class StoppedError(Exception):
    """The server asks the worker to end; `save` says whether to keep the state."""

    def __init__(self, save: bool) -> None:
        super().__init__(f"stop, save={save}")
        self.save = save


class EventLog:
    """Appends to `events.jsonl`; on a second run it skips what is already there."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seq, self.last_step, self.checkpoints = 0, 0, set[int]()
        self.messages = set[str]()
        if path.exists():
            self._read()
        self.file = path.open("a", encoding="utf-8", newline="\n")

    def _read(self) -> None:
        """Recall what was written; a half-written last line is cut off."""
        data = self.path.read_bytes()
        whole = data[: data.rfind(b"\n") + 1]
        if len(whole) < len(data):
            os.truncate(self.path, len(whole))
        for line in whole.splitlines():
            event = json.loads(line)
            self.seq = event["seq"]
            if event["type"] == "metrics":
                self.last_step = event["data"]["step"]
            elif event["type"] == "checkpoint":
                self.checkpoints.add(event["step"])
            elif event["type"] == "message":
                self.messages.add(event["message"])

    def write(self, kind: str, **fields: Any) -> None:
        self.seq += 1
        event = {"seq": self.seq, "t": time.time(), "type": kind, **fields}
        event["cpu"] = round(time.process_time(), 3)
        self.file.write(json.dumps(event) + "\n")
        self.file.flush()

    def message(self, text: str, level: str = "info") -> None:
        if text not in self.messages:
            self.messages.add(text)
            self.write("message", level=level, message=text)

    def metrics(self, data: contract.Metrics) -> None:
        if data["step"] > self.last_step:
            self.last_step = data["step"]
            self.write("metrics", data=data)

    def checkpoint(self, path: str, data: contract.Metrics) -> None:
        if data["step"] not in self.checkpoints:
            self.checkpoints.add(data["step"])
            self.write("checkpoint", step=data["step"], path=path, data=data)


class Job:
    """One job's folder, spec and log."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.spec: contract.Spec = json.loads(
            (folder / contract.SPEC).read_text("utf-8")
        )
        self.log = EventLog(folder / contract.EVENTS)

    def run(self) -> None:
        training = self.prepare()
        newest = self.newest_checkpoint()
        if newest:
            training.load_state(newest)
        path = f"{contract.CHECKPOINTS}/step-{training.total_steps}"
        for metrics in training:
            time.sleep(self.spec["pace_seconds_per_step"])
            self.log.metrics(metrics)
            if training.at_epoch_end:
                self.save(training, metrics)
            self.obey_stop(training, metrics)
        self.log.write("done", step=training.total_steps, path=path)

    def prepare(self) -> Training:
        """Load the base and the data."""
        spec = self.spec
        base = Path(spec["base_weights"]) if spec["base_weights"] else None
        p = weights.load(base)
        training_examples = self.examples(spec["training_file"], p.config)
        validation: list[Any] = []
        if spec["validation_file"]:
            validation = self.examples(spec["validation_file"], p.config)
        hyper = spec["hyperparameters"]
        settings = Settings(
            hyper["n_epochs"], hyper["batch_size"], spec["learning_rate"], spec["seed"]
        )
        if spec["method"] == "supervised":
            return Training(p, training_examples, validation, settings)
        if spec["method"] == "completion":
            classes = self.classification(p.config)
            return CompletionTraining(
                p, training_examples, validation, settings, classes
            )
        objective = PreferenceObjective(p, hyper["beta"])
        training_examples, validation = map(
            objective.referred, (training_examples, validation)
        )
        return Training(p, training_examples, validation, settings, objective)

    def classification(self, config: Config) -> Classification | None:
        """The classes to measure, where the job asks for it."""
        spec, hyper = self.spec, self.spec["hyperparameters"]
        if not hyper.get("compute_classification_metrics"):
            return None
        return Classification(
            tokenizer.load(config.merges),
            rows(spec["training_file"]),
            rows(spec["validation_file"] or spec["training_file"]),
            config.context,
            positive_class=hyper.get("classification_positive_class"),
            betas=hyper.get("classification_betas") or (),
        )

    def examples(self, path: str, config: Config) -> list[Any]:
        """Rows of a JSONL file as tokens; what is cut or left out is told."""
        tok, context = tokenizer.load(config.merges), config.context
        encode = ENCODERS[self.spec["method"]]
        if self.spec["method"] == "completion":
            weight = self.spec["hyperparameters"]["prompt_loss_weight"]
            encode = partial(encode, prompt_loss_weight=weight)
        found: list[Any] = []
        for number, row in enumerate(rows(path), 1):
            try:
                example = encode(tok, row, context)
            except (KeyError, TypeError) as error:
                raise ValueError(f"Example {number} lacks {error}") from error
            if example.truncated:
                self.log.message(
                    f"Example {number} is longer than the {context} tokens that "
                    "tinygpt reads and was cut at the end",
                    level="warn",
                )
            if example.teaches:
                found.append(example)
            else:
                self.log.message(
                    f"Example {number} has nothing left to learn and was skipped",
                    level="warn",
                )
        if not found:
            raise ValueError(
                "No example has a token to learn. Each needs an assistant message "
                "whose weight is not 0, and it must begin within the first "
                f"{context} tokens, which is all that tinygpt reads."
            )
        return found

    # -------------------------------------------------------------------- checkpoints

    def newest_checkpoint(self) -> Path | None:
        """The folder to go on from: our own newest, else the one the spec names.

        One that is not in the log was written when the worker was killed: from the one
        before it, the same steps lead there again and its line is written.
        """
        logged = self.log.checkpoints
        own = sorted((p for p in self.saved() if step_of(p) in logged), key=step_of)
        if own:
            return own[-1]
        resume = self.spec["resume_from"]
        return self.folder / resume if resume else None

    def saved(self) -> list[Path]:
        return list((self.folder / contract.CHECKPOINTS).glob("step-*"))

    def save(self, training: Training, metrics: contract.Metrics) -> str:
        """Write a checkpoint (under another name first), drop what is too old."""
        name = f"{contract.CHECKPOINTS}/step-{metrics['step']}"
        target = self.folder / name
        if not target.exists():
            partial = target.with_name(f"partial-{metrics['step']}")
            shutil.rmtree(partial, ignore_errors=True)
            target.parent.mkdir(exist_ok=True)  # not the job's: it may have moved
            partial.mkdir()
            weights.save(training.p, partial / contract.WEIGHTS)
            training.save_state(partial)
            patiently(lambda: partial.rename(target))
        self.log.checkpoint(name, metrics)
        for old in sorted(self.saved(), key=step_of)[:-KEPT_CHECKPOINTS]:
            shutil.rmtree(old, ignore_errors=True)
        return name

    def obey_stop(self, training: Training, metrics: contract.Metrics) -> None:
        stop = self.folder / contract.STOP
        if not stop.exists():
            return
        order = patiently(lambda: stop.read_text("utf-8"))
        wanted = bool(json.loads(order or "{}").get("save"))
        path = self.save(training, metrics) if wanted else None
        self.log.write("stopped", saved=wanted, path=path)
        raise StoppedError(wanted)


def rows(path: str) -> list[dict[str, Any]]:
    with Path(path).open(encoding="utf-8-sig", newline="\n") as lines:
        return [json.loads(line) for line in lines if line.strip()]


def step_of(checkpoint: Path) -> int:
    return int(checkpoint.name.rpartition("-")[2])


def main(folder: Path) -> int:
    """Exit status: 0 done or stopped, 1 failed (the log says why)."""
    (folder / contract.PID).write_text(str(os.getpid()), "utf-8")
    job = Job(folder)
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(0))
    try:
        job.run()
    except StoppedError:
        return 0
    except (ValueError, KeyError, TypeError, OSError, FloatingPointError) as error:
        if getattr(error, "errno", None) in disk.UNWRITABLE or not folder.exists():
            raise  # without a last word: it is started again when there is room
        job.log.write("error", code="training_error", message=str(error))
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1])))
