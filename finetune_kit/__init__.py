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
    "Table",
    "__version__",
    "approve",
    "as_curl",
    "as_if_paid",
    "ask",
    "break_even",
    "break_even_chart",
    "check",
    "checkpoint_picker",
    "compare",
    "connect",
    "convert",
    "cost_calculator",
    "duplicates",
    "estimate",
    "example_browser",
    "examples",
    "exercise",
    "extraction_graders",
    "follow",
    "inbox",
    "learnt",
    "lesson",
    "limits_graders",
    "loss_chart",
    "pieces",
    "playground",
    "preference_graders",
    "prepare_data",
    "proverb_graders",
    "read_jsonl",
    "refused",
    "remember",
    "repair",
    "replies",
    "results",
    "review_graders",
    "score",
    "score_by",
    "score_chart",
    "scores",
    "side_by_side",
    "sizes",
    "split",
    "step",
    "terminal",
    "ticket_graders",
    "token_histogram",
    "tone_graders",
    "tool_graders",
    "unsent",
    "wilson",
]

_HOMES = {
    "Table": "finetune_kit.display.tables",
    "wilson": "finetune_kit.evaluate",
    "approve": "finetune_kit.jobs.guard",
    "as_curl": "finetune_kit.course.wire",
    "as_if_paid": "finetune_kit.jobs.guard",
    "ask": "finetune_kit.evaluate",
    "break_even": "finetune_kit.dataset.money",
    "break_even_chart": "finetune_kit.display.saving_chart",
    "check": "finetune_kit.dataset",
    "checkpoint_picker": "finetune_kit.display.widgets.checkpoint_picker",
    "compare": "finetune_kit.evaluate",
    "convert": "finetune_kit.dataset.convert",
    "cost_calculator": "finetune_kit.display.widgets.cost_calculator",
    "duplicates": "finetune_kit.dataset.duplicates",
    "estimate": "finetune_kit.jobs.guard",
    "example_browser": "finetune_kit.display.widgets.example_browser",
    "examples": "finetune_kit.display.examples",
    "exercise": "finetune_kit.course.exercise",
    "extraction_graders": "finetune_kit.graders",
    "follow": "finetune_kit.jobs.follow",
    "inbox": "finetune_kit.jobs.inbox",
    "learnt": "finetune_kit.display.strips",
    "lesson": "finetune_kit.course.lesson",
    "limits_graders": "finetune_kit.graders",
    "loss_chart": "finetune_kit.display.charts",
    "playground": "finetune_kit.display.widgets.playground",
    "pieces": "finetune_kit.evaluate",
    "preference_graders": "finetune_kit.graders",
    "prepare_data": "finetune_kit.dataset.prepare_data",
    "proverb_graders": "finetune_kit.evaluate",
    "read_jsonl": "finetune_kit.evaluate",
    "refused": "finetune_kit.course.refusal",
    "replies": "finetune_kit.evaluate",
    "remember": "finetune_kit.workspace",
    "repair": "finetune_kit.dataset.repair",
    "results": "finetune_kit.jobs.results",
    "review_graders": "finetune_kit.graders",
    "score": "finetune_kit.evaluate",
    "score_by": "finetune_kit.evaluate",
    "score_chart": "finetune_kit.display.score_chart",
    "scores": "finetune_kit.evaluate",
    "side_by_side": "finetune_kit.evaluate",
    "sizes": "finetune_kit.dataset.sizes",
    "split": "finetune_kit.dataset.split",
    "step": "finetune_kit.workspace",
    "terminal": "finetune_kit.course.terminal",
    "ticket_graders": "finetune_kit.graders",
    "token_histogram": "finetune_kit.display.histogram",
    "tone_graders": "finetune_kit.graders",
    "tool_graders": "finetune_kit.graders",
    "unsent": "finetune_kit.course.wire",
}

if TYPE_CHECKING:
    from finetune_kit.course.exercise import exercise
    from finetune_kit.course.lesson import lesson
    from finetune_kit.course.refusal import refused
    from finetune_kit.course.terminal import terminal
    from finetune_kit.course.wire import as_curl, unsent
    from finetune_kit.dataset.check import check
    from finetune_kit.dataset.convert import convert
    from finetune_kit.dataset.duplicates import duplicates
    from finetune_kit.dataset.money import break_even
    from finetune_kit.dataset.prepare_data import prepare_data
    from finetune_kit.dataset.repair import repair
    from finetune_kit.dataset.sizes import sizes
    from finetune_kit.dataset.split import split
    from finetune_kit.display.charts import loss_chart
    from finetune_kit.display.examples import examples
    from finetune_kit.display.histogram import token_histogram
    from finetune_kit.display.saving_chart import break_even_chart
    from finetune_kit.display.score_chart import score_chart
    from finetune_kit.display.strips import learnt
    from finetune_kit.display.tables import Table
    from finetune_kit.display.widgets.checkpoint_picker import checkpoint_picker
    from finetune_kit.display.widgets.cost_calculator import cost_calculator
    from finetune_kit.display.widgets.example_browser import example_browser
    from finetune_kit.display.widgets.playground import playground
    from finetune_kit.evaluate import (
        ask,
        compare,
        pieces,
        proverb_graders,
        read_jsonl,
        replies,
        score,
        score_by,
        scores,
        side_by_side,
        wilson,
    )
    from finetune_kit.graders import (
        extraction_graders,
        limits_graders,
        preference_graders,
        review_graders,
        ticket_graders,
        tone_graders,
        tool_graders,
    )
    from finetune_kit.jobs.follow import follow
    from finetune_kit.jobs.guard import approve, as_if_paid, estimate
    from finetune_kit.jobs.inbox import inbox
    from finetune_kit.jobs.results import results
    from finetune_kit.workspace import remember, step


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(import_module(_HOMES[name]), name)
    globals()[name] = value
    return value
