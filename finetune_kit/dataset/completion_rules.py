"""Rules of the older format: {"prompt": …, "completion": …}."""

from __future__ import annotations

from collections.abc import Iterator

from .rules import Example, Hit, Rule, json_type, near, rule, shown, special_tokens

COMPLETION_RULES: list[Rule[Example]] = []
KEYS = ("prompt", "completion")


@rule(
    COMPLETION_RULES,
    "error",
    why="A line of this format has exactly the keys prompt and completion.",
    fix="Add the key; an empty prompt is written as an empty string.",
    service="Expected file to have JSONL format with prompt/completion keys. Missing "
    "'{key}' key on line {line}. (HINT: line starts with: \"{hint}...\")",
)
def missing_key(example: Example) -> Iterator[Hit]:
    for key in KEYS:
        if key not in example.value:
            close = [k for k in example.value if k not in KEYS and near(k, KEYS) == key]
            there = f", there is {shown(close[0])}" if close else ""
            yield Hit(
                f"`{key}` is missing{there}",
                field=close[0] if close else key,
                fix=f"Did you mean `{key}`?" if close else None,
                service={"key": key, "hint": example.row.text.lstrip()[:3]},
                at_key=bool(close),
            )


@rule(
    COMPLETION_RULES,
    "error",
    why="A line of this format has exactly the keys prompt and completion.",
    fix="Remove the key.",
    service='Invalid file format. Example {example} contains an extra "{key}".',
    exact=True,
)
def extra_key(example: Example) -> Iterator[Hit]:
    lacking = set(KEYS) - example.value.keys()
    for key in example.value:
        if key not in KEYS and near(key, KEYS) not in lacking:
            what = f"unknown key {shown(key)}"
            yield Hit(what, field=key, service={"key": key}, at_key=True)


@rule(
    COMPLETION_RULES,
    "error",
    why="Prompt and completion are texts.",
    fix="Write a string; an object becomes one with json.dumps.",
    service="Invalid file format. Example {example} {field}: str type expected",
)
def wrong_type(example: Example) -> Iterator[Hit]:
    for key in KEYS:
        value = example.value.get(key, "")
        if not isinstance(value, str):
            yield Hit(f"`{key}` is {json_type(value)}, not a string", field=key)


@rule(
    COMPLETION_RULES,
    "warning",
    why="An empty completion teaches the model to stay silent.",
    fix="Write the completion, or remove the line.",
)
def empty_completion(example: Example) -> Iterator[Hit]:
    value = example.value.get("completion")
    if isinstance(value, str) and not value.strip():
        yield Hit("the completion is empty", field="completion")


@rule(
    COMPLETION_RULES,
    "error",
    why="These signs structure the model's input; a text must not contain them.",
    fix="Remove the token, or write it with a space after the `<`.",
    service="Invalid file format. Example {example} contains an invalid token: "
    "{token}.",
)
def special_token(example: Example) -> Iterator[Hit]:
    for key in KEYS:
        value = example.value.get(key)
        for token in special_tokens(value) if isinstance(value, str) else []:
            what = f"the text contains the special token {token}"
            yield Hit(what, field=key, service={"token": token}, mark=token)
