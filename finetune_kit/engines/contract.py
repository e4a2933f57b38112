"""The files between the server and a worker of any engine, with their version.

The server writes `spec.json` and the data; the worker appends one JSON object a line to
`events.jsonl`, writes checkpoints under `ckpt/`, and stops when `stop.json` appears.
Nothing else passes between the two, so the same worker runs under any scheduler.
"""

from typing import Literal, NotRequired, TypedDict

VERSION = 1
SPEC = "spec.json"
EVENTS = "events.jsonl"
STOP = "stop.json"
PID = "worker.pid"
CHECKPOINTS = "ckpt"
WEIGHTS = "weights.npz"  # in each checkpoint: a model that can be served


class Hyperparameters(TypedDict):
    n_epochs: int
    batch_size: int
    learning_rate_multiplier: float
    beta: NotRequired[float]  # of method dpo
    prompt_loss_weight: NotRequired[float]  # of method completion, as all below
    compute_classification_metrics: NotRequired[bool]
    classification_n_classes: NotRequired[int]
    classification_positive_class: NotRequired[str]
    classification_betas: NotRequired[list[float]]


class Spec(TypedDict):
    """What to train. Paths are absolute; `base_weights` None: the shipped model.

    Method `completion` is the fine-tunes API's of 2023: prompts and completions.
    """

    version: int
    job_id: str
    method: Literal["supervised", "dpo", "completion"]
    base_weights: str | None
    base_sha256: str
    training_file: str
    validation_file: str | None
    hyperparameters: Hyperparameters
    learning_rate: float  # the peak, all multipliers included
    seed: int
    resume_from: str | None
    pace_seconds_per_step: float


class Metrics(TypedDict):
    """Loss in nats per learnt token; accuracy: share of learnt tokens guessed right.

    Method dpo: loss of a pair, accuracy on the preferred answers, the mean margin
    between the rewards of a pair's answers, and the share of margins above zero.
    Method completion: accuracy on completions, token by token and whole, the data seen
    so far, and after each epoch `classification/…` where classes were asked for.
    """

    step: int
    total_steps: int
    train_loss: float
    train_mean_token_accuracy: float
    valid_loss: NotRequired[float]
    valid_mean_token_accuracy: NotRequired[float]
    full_valid_loss: NotRequired[float]
    full_valid_mean_token_accuracy: NotRequired[float]
    train_reward_margin: NotRequired[float]
    train_reward_accuracy: NotRequired[float]
    valid_reward_margin: NotRequired[float]
    valid_reward_accuracy: NotRequired[float]
    full_valid_reward_margin: NotRequired[float]
    full_valid_reward_accuracy: NotRequired[float]
    elapsed_tokens: NotRequired[int]
    elapsed_examples: NotRequired[int]
    train_sequence_accuracy: NotRequired[float]
    valid_sequence_accuracy: NotRequired[float]
    full_valid_sequence_accuracy: NotRequired[float]


class Event(TypedDict):
    """One line of `events.jsonl`; `seq` counts 1, 2, 3 …, `t` is Unix time.

    `cpu` is the processor time, in seconds, of the process that writes.
    """

    seq: int
    t: float
    cpu: NotRequired[float]
    type: Literal["message", "metrics", "checkpoint", "done", "stopped", "error"]
    level: NotRequired[str]
    message: NotRequired[str]
    data: NotRequired[Metrics]
    step: NotRequired[int]
    path: NotRequired[str]  # of the checkpoint, relative to the job's folder
    saved: NotRequired[bool]
    code: NotRequired[str]
