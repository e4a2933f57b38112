"""finetune-kit: learn to fine-tune language models, on a laptop, with the real SDK.

The names that notebooks use are handed on from here; each is imported when it is
first touched, so that ``import finetune_kit`` stays cheap.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING, Any

# Not lazily: it shares its name with its module, which an import would put here.
from finetune_kit.connect import connect

__version__ = "0.1.0"

__all__ = [
    "__version__",
    "approve",
    "ask",
    "check",
    "compare",
    "connect",
    "estimate",
    "examples",
    "exercise",
    "follow",
    "lesson",
    "loss_chart",
    "proverb_graders",
    "read_jsonl",
    "remember",
    "results",
    "score",
    "side_by_side",
    "step",
]

_HOMES = {
    "approve": "finetune_kit.jobs.guard",
    "ask": "finetune_kit.evaluate",
    "check": "finetune_kit.dataset",
    "compare": "finetune_kit.evaluate",
    "estimate": "finetune_kit.jobs.guard",
    "examples": "finetune_kit.display.examples",
    "exercise": "finetune_kit.course.exercise",
    "follow": "finetune_kit.jobs.follow",
    "lesson": "finetune_kit.course.lesson",
    "loss_chart": "finetune_kit.display.charts",
    "proverb_graders": "finetune_kit.evaluate",
    "read_jsonl": "finetune_kit.evaluate",
    "remember": "finetune_kit.workspace",
    "results": "finetune_kit.jobs.results",
    "score": "finetune_kit.evaluate",
    "side_by_side": "finetune_kit.evaluate",
    "step": "finetune_kit.workspace",
}

if TYPE_CHECKING:
    from finetune_kit.course.exercise import exercise
    from finetune_kit.course.lesson import lesson
    from finetune_kit.dataset import check
    from finetune_kit.display.charts import loss_chart
    from finetune_kit.display.examples import examples
    from finetune_kit.evaluate import (
        ask,
        compare,
        proverb_graders,
        read_jsonl,
        score,
        side_by_side,
    )
    from finetune_kit.jobs.follow import follow
    from finetune_kit.jobs.guard import approve, estimate
    from finetune_kit.jobs.results import results
    from finetune_kit.workspace import remember, step


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
