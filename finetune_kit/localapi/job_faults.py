"""What a lesson in failure does to a job: see `faults.py`."""

import math
from typing import Any, NamedTuple

from finetune_kit.localapi.faults import NOTE, Fault

_PLACES = 3  # of jobs that seem to be served before one in a slow queue


class JobError(NamedTuple):
    code: str
    message: str
    param: str | None


_BLOCKED = JobError(
    "invalid_training_file",
    "The job failed due to an invalid training file. This training file was blocked "
    "because too many examples were flagged by our moderation API for containing "
    "content that violates OpenAI's usage policies in the following categories: hate. "
    "Use the free OpenAI Moderation API to identify these examples and remove them "
    "from your training data. See https://platform.openai.com/docs/guides/moderation."
    + NOTE,
    "training_file",
)
_CRASHED = JobError(
    "server_error", "The job failed due to an internal error." + NOTE, None
)


def block(fault: Fault | None) -> JobError | None:
    """The end of a job whose file does not pass the moderation."""
    return _BLOCKED if fault and fault.name == "moderation_block" else None


def crash(
    fault: Fault | None, lines: list[dict[str, Any]]
) -> tuple[list[dict[str, Any]], JobError | None]:
    """The worker's lines that are told before the job crashes, in mid-run."""
    if fault and fault.name == "crash":
        for number, line in enumerate(lines, 1):
            data = line.get("data", {})
            if 2 * data.get("step", 0) >= data.get("total_steps", math.inf):
                return lines[:number], _CRASHED
    return lines, None


def queue_seconds(fault: Fault | None) -> int:
    """How long a job is kept in the queue."""
    return fault.seconds if fault and fault.name == "slow_queue" else 0


def place(left: float, seconds: int) -> int:
    """How many jobs seem to be served before, with `left` of the `seconds`."""
    return math.ceil(_PLACES * left / seconds)
