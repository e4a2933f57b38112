"""Lesson 06: a request in full, the parameter at fault, the number of steps."""

from typing import Any

from finetune_kit.course.exercise import Exercise
from finetune_kit.course.loose import by_letter, whole

_WANTED = {"model": "gpt-4.1-mini", "training_file": "file-train1"}
_LONGEST = 64  # characters of a suffix
_FAULTS = {
    "A": ("suffix", "A suffix has at least one character; no suffix is left out."),
    "B": ("training_file", "A job names a file by its id, and B names a path."),
    "C": ("metadata", "Values of metadata are text: 7 is a number."),
}


def _request(answer: dict[str, Any]) -> str | None:
    for name, value in _WANTED.items():
        if answer.get(name) != value:
            return f"`{name}` should be `{value}`."
    if "hyperparameters" in answer or "n_epochs" in answer:
        return "The epochs belong into `method`, three levels down."
    return _method(answer.get("method")) or _rest(answer)


def _method(method: Any) -> str | None:
    if not isinstance(method, dict) or method.get("type") != "supervised":
        return "`method` is a dictionary whose `type` is `supervised`."
    if "hyperparameters" in method:
        return "One level is missing: `hyperparameters` stands inside `supervised`."
    own = method.get("supervised")
    given = own.get("hyperparameters") if isinstance(own, dict) else None
    if not isinstance(given, dict):
        return "Under `supervised` comes a dictionary with `hyperparameters`."
    if given.get("n_epochs") != 2:
        return "`n_epochs` should be the number 2, inside `hyperparameters`."
    left_open = {name: v for name, v in given.items() if v != "auto"}
    return None if set(left_open) == {"n_epochs"} else "Leave the other numbers open."


def _rest(answer: dict[str, Any]) -> str | None:
    suffix = answer.get("suffix", "")
    if not isinstance(suffix, str) or "tickets" not in suffix:
        return "What puts `tickets` into the model's name is missing."
    if len(suffix) > _LONGEST:
        return (
            f"The `suffix` has {len(suffix)} characters; the API takes no more than "
            f"{_LONGEST}. Shorten it."
        )
    seed = answer.get("seed")
    if not isinstance(seed, int) or isinstance(seed, bool) or seed < 0:
        return "A second run repeats the first only if you choose the `seed`, a number."
    more = set(answer) - {*_WANTED, "method", "suffix", "seed"}
    return f"`{sorted(more)[0]}` was not asked for: leave it open." if more else None


def _faults(answer: dict[str, str]) -> str | None:
    named = by_letter(answer)
    for letter, (name, why) in _FAULTS.items():
        given = named.get(letter)
        if given is None:
            return f"{letter} is missing."
        if given.split(".")[0] != name:
            return f"{letter} is not refused for its `{given}`. {why}"
    return None


def _steps(answer: Any) -> str | None:
    usual = {
        960: "960 is how often an example is seen; a step sees 8 of them.",
        30: "30 is one epoch. There are four.",
        60: "Every epoch passes over all 240 examples, 8 at a time.",
        240: "240 is the number of examples.",
    }
    steps = whole(answer)
    if steps is None:
        return "Give a whole number: how many steps the job takes."
    if steps == 120:
        return None
    return usual.get(steps, "Steps: examples by the batch size, times the epochs.")


EXERCISES = [
    Exercise(
        name="06-request",
        wants="a dictionary, as you would give it to `create(**answer)`",
        judge=_request,
        hints=[
            "Five keys: model, training_file, method, suffix, seed.",
            'The method is `{"type": "supervised", "supervised": {…}}`.',
            'Inside: `{"hyperparameters": {"n_epochs": 2}}`. Any seed will do.',
        ],
        solution_code="""
hyper = {"hyperparameters": {"n_epochs": 2}}
answer = {
    "model": "gpt-4.1-mini",
    "training_file": "file-train1",
    "method": {"type": "supervised", "supervised": hyper},
    "suffix": "tickets",
    "seed": 11,
}
""",
        well_done="That request is complete, and nothing in it is left to chance.",
    ),
    Exercise(
        name="06-faults",
        wants='a dictionary such as {"A": "model", "B": "seed", "C": "method"}',
        judge=_faults,
        hints=[
            "Compare each with the table of section 2: name, meaning, range.",
            "A: how long is it? B: is that an id? C: is that text?",
            "Try them: `with kit.refused(): client.fine_tuning.jobs.create(…)`.",
        ],
        solution_code="""
answer = {"A": "suffix", "B": "training_file", "C": "metadata"}
""",
        well_done="Each refusal would have said so in its `param`.",
    ),
    Exercise(
        name="06-steps",
        wants="a whole number of steps",
        judge=_steps,
        hints=[
            "How many steps does one epoch take, with 8 examples in each?",
            "240 / 8 steps an epoch; then times the epochs.",
        ],
        solution_code="answer = 240 // 8 * 4",
        well_done="120 steps: 30 in each of 4 epochs. The price depends on the epochs, "
        "not on the batch size.",
        level="optional",
    ),
]
