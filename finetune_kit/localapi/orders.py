"""What the processes of a job are told: the validation's order, the worker's spec."""

import json
from pathlib import Path
from sqlite3 import Row
from typing import Any

from finetune_kit import catalog
from finetune_kit.engines import contract
from finetune_kit.localapi import hyperparameters, jobs
from finetune_kit.localapi.ids import is_fine_tune
from finetune_kit.localapi.kit import Kit
from finetune_kit.localapi.store import copy_file
from finetune_kit.localapi.weights import sha256


def base_of(job: Row) -> catalog.Base:
    base = catalog.base(job["base"])
    if base is None:
        raise LookupError(f"the catalog does not know {job['base']} any more")
    return base


def order(job: Row, kit: Kit) -> dict[str, Any]:
    """For the validation process."""
    folder, base = kit.home.job(job["id"]), base_of(job)
    copies = {"training_file": jobs.TRAINING, "validation_file": jobs.VALIDATION}
    return {
        "files": [
            {"param": param, "id": job[param], "path": str(folder / copy)}
            for param, copy in copies.items()
            if job[param]
        ],
        "format": _format(job, base),
        # 2023 trained on a single line; today the service wants ten.
        "min_examples": 1 if is_fine_tune(job["id"]) else 10,
        "classes": _classes(json.loads(job["hyperparameters"])),
        "encoding": base.encoding,
        "example_tokens": base.training_example_tokens,
    }


def _format(job: Row, base: catalog.Base) -> str:
    """The format of data that the job's method, or else its model, trains on."""
    if job["method"] == "dpo":
        return "preference"
    return "chat" if base.chat else "completion"


def _classes(given: dict[str, Any]) -> dict[str, Any] | None:
    """The classes that the files of a classification must have."""
    if not given.get("compute_classification_metrics"):
        return None
    positive = given.get("classification_positive_class")
    n_classes = given.get("classification_n_classes", 2)
    return {"n_classes": n_classes, "positive_class": positive}


def resolved(job: Row, examples: int) -> dict[str, Any]:
    """The job's hyperparameters in numbers."""
    given = json.loads(job["hyperparameters"])
    return hyperparameters.resolved(given, examples, base_of(job))


def keep_base(job: Row, kit: Kit) -> bool:
    """Keep the tuned model that a job goes on from beside the job, which may outlive
    it; False where it is gone already."""
    source, kept = Path(job["base_weights"] or ""), _kept_base(job, kit)
    if kit.home.models in source.parents and not kept.is_file():
        try:
            copy_file(source, kept)
        except FileNotFoundError:
            return False
    return True


def _kept_base(job: Row, kit: Kit) -> Path:
    return kit.home.job(job["id"]) / "base.npz"


def spec(job: Row, kit: Kit, resolved: Any) -> contract.Spec:
    """For the worker; `resolved` are the hyperparameters in numbers."""
    folder, base = kit.home.job(job["id"]), base_of(job)
    kept = _kept_base(job, kit)
    weights = str(kept) if kept.is_file() else job["base_weights"]
    return {
        "version": contract.VERSION,
        "job_id": job["id"],
        "method": job["method"],
        "base_weights": weights,
        "base_sha256": sha256(Path(weights)) if weights else kit.weights_sha256,
        "training_file": str(folder / jobs.TRAINING),
        "validation_file": str(folder / jobs.VALIDATION)
        if job["validation_file"]
        else None,
        "hyperparameters": resolved,
        "learning_rate": hyperparameters.learning_rate(resolved, job["method"], base),
        "seed": job["seed"],
        "resume_from": None,
        "pace_seconds_per_step": kit.settings.pace.step,
    }
