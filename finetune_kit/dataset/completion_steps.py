"""The steps of `prepare-data` for prompt/completion rows.

They are those of `openai tools fine_tunes.prepare_data` (openai 0.28.1, MIT licence,
openai/validators.py), in its order and under its names, with its traps mended; what
differs is told in docs/prepare-data.md.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable
from functools import partial
from typing import Any

from .affixes import (
    common_prefix,
    common_suffix,
    ending,
    instruction,
    separator,
    unused_ending,
    unused_separator,
    visible,
)
from .remedies import (
    CannotPrepare,
    Remedy,
    Row,
    hint_for,
    lines,
    listing,
    removal_of_copies,
    task_of,
    upper_case_rules,
    without,
)

KEYS = ("prompt", "completion")
#: The models of 2023 took 2,049 tokens, of which these characters fill about all.
LONG_CHARACTERS = 10_000
LONG_SHARED = 10  # characters: a longer separator or ending wastes tokens
LONG_PREFIX = 12
LONG_COMPLETION_PREFIX = 5
FEW = 100

Step = Callable[[list[Row]], Remedy | None]


def infer_task(rows: list[Row]) -> str:
    return task_of(texts(rows, "prompt"), texts(rows, "completion"))


def count(rows: list[Row]) -> Remedy:
    more = (
        ". In general, a few hundred examples are a good start, and each doubling "
        "improves the model by about as much again"
    )
    few = more if len(rows) < FEW else ""
    return Remedy(
        "num_examples",
        said=f"Your file contains {len(rows)} prompt-completion pairs{few}",
    )


def column(key: str, rows: list[Row]) -> Remedy | None:
    """A key in the wrong case is put right; a missing one ends the preparation."""
    keys = columns(rows)
    if key in keys:
        return None
    meant = next((name for name in keys if name.lower() == key), None)
    if meant is None:
        there = ", ".join(f"`{name}`" for name in keys) or "none"
        raise CannotPrepare(
            f"`{key}` column/key is missing; the columns are: {there}. Name your "
            "columns/keys `prompt` and `completion`, then retry; or make chats of them "
            "with `finetune-kit convert FILE --template user='{…}' --template …`."
        )
    return Remedy(
        "necessary_column",
        said=f"The `{key}` column/key should be lowercase",
        needed=f"Lower case column name to `{key}`",
        change=lambda rows: [
            row.of({key if name == meant else name: row[name] for name in row})
            for row in rows
        ],
    )


def extra_columns(rows: list[Row]) -> Remedy | None:
    extra = [name for name in columns(rows) if name not in KEYS]
    if not extra:
        return None
    like = [name for name in extra if any(key in name.lower() for key in KEYS)]
    warning = f". WARNING: {like} look like them; they are ignored" if like else ""
    return Remedy(
        "additional_column",
        said="The input file should contain exactly two columns/keys per row. "
        f"Additional columns/keys present are: {extra}{warning}",
        needed=f"Remove additional columns/keys: {extra}",
        change=lambda rows: [
            row.of({key: row.get(key) for key in KEYS}) for row in rows
        ],
    )


def as_texts(rows: list[Row]) -> Remedy | None:
    """Values become texts before the steps that look into them."""

    def is_odd(row: Row) -> bool:
        return any(not isinstance(row.get(key), str) for key in KEYS)

    found = lines(rows, is_odd)
    if not found:
        return None
    return Remedy(
        "texts",
        said="Prompt and completion should be texts. They are not in lines: "
        f"{listing(found)}",
        needed=f"Write {len(found)} rows as texts",
        change=lambda rows: [
            row.of({key: text_of(row.get(key)) for key in KEYS}) for row in rows
        ],
    )


def empty_completions(rows: list[Row]) -> Remedy | None:
    def is_empty(row: Row) -> bool:
        return not row["completion"]

    found = lines(rows, is_empty)
    if not found:
        return None
    return Remedy(
        "empty_completion",
        said="`completion` column/key should not contain empty strings. These are "
        f"lines: {listing(found)}",
        needed=f"Remove {len(found)} rows with empty completions",
        change=partial(without, unwanted=is_empty),
    )


def some_rows(rows: list[Row]) -> None:
    if not rows:
        raise CannotPrepare("no row with a completion is left.")


def task(rows: list[Row]) -> Remedy | None:
    return hint_for(infer_task(rows))


def duplicates(rows: list[Row]) -> Remedy | None:
    return removal_of_copies(rows, "prompt-completion sets", without_duplicates)


def long_examples(
    measure: Callable[[Row], int],
    limit: int,
    unit: str,
    rows: list[Row],
    task_of_rows: Callable[[list[Row]], str] = infer_task,
) -> Remedy | None:
    if task_of_rows(rows) == "open-ended generation":
        return None

    def is_long(row: Row) -> bool:
        return measure(row) > limit

    found = lines(rows, is_long)
    if not found:
        return None
    return Remedy(
        "long_examples",
        said=f"There are {len(found)} examples that are very long, over {limit:,} "
        f"{unit}. These are lines: {listing(found)}",
        advised=f"Remove {len(found)} long examples",
        change=partial(without, unwanted=is_long),
    )


def characters(row: Row) -> int:
    return len(row["prompt"]) + len(row["completion"])


def upper_case(key: str, rows: list[Row]) -> Remedy | None:
    if not upper_case_rules(row[key] for row in rows):
        return None
    return Remedy(
        "lower_case",
        said=f"More than a third of your `{key}` column/key is uppercase. Uppercase "
        f"{key}s tend to perform worse than the mixture of cases in normal language. "
        "Lower case the data if that makes sense in your domain",
        advised=f"Lowercase all your data in column/key `{key}`",
        change=lambda rows: edited(rows, key, str.lower),
    )


def prompt_separator(rows: list[Row]) -> Remedy | None:
    if infer_task(rows) == "open-ended generation":
        return None
    prompts = texts(rows, "prompt")
    if len(set(prompts)) == 1:
        raise CannotPrepare(
            f"all prompts are identical: `{visible(prompts[0])}`. Leave the prompts "
            "empty for open-ended generation, otherwise make them differ."
        )
    end = separator(prompts)
    suggested = unused_separator(prompts)
    if end:
        said = f"All prompts end with suffix `{visible(end)}`"
        if len(end) > LONG_SHARED:
            said += (
                f". It is long; a shorter one would do, such as `{visible(suggested)}`"
            )
        if any(end in prompt[: -len(end)] for prompt in prompts):
            said += ". WARNING: some prompts contain it twice; a unique one is safer"
        return Remedy("common_prompt_suffix", said=said)
    words = common_suffix(prompts)
    note = f" (that all end with `{visible(words)}` is their text)" if words else ""
    return Remedy(
        "common_prompt_suffix",
        said="Your data does not contain a common separator at the end of your "
        f"prompts{note}. It shows the model where the completion begins. For "
        "open-ended generation leave the prompts empty",
        advised=f"Add a suffix separator `{visible(suggested)}` to all prompts",
        change=lambda rows: edited(rows, "prompt", lambda text: text + suggested),
    )


def prompt_prefix(rows: list[Row]) -> Remedy | None:
    prompts = texts(rows, "prompt")
    shared = common_prefix(prompts)
    if not shared or len(set(prompts)) == 1:
        return None
    said = f"All prompts start with prefix `{visible(shared)}`"
    prefix = instruction(prompts)
    if len(shared) > LONG_PREFIX:
        said += ". A tuned model needs no instruction that is always the same"
    if len(prefix) <= LONG_PREFIX:
        if len(shared) > LONG_PREFIX:
            said += ". It runs on into the text after it: look whether it is needed"
        return Remedy("common_prompt_prefix", said=said)
    return Remedy(
        "common_prompt_prefix",
        said=said,
        advised=f"Remove prefix `{visible(prefix)}` from all prompts",
        change=lambda rows: edited(rows, "prompt", lambda text: text[len(prefix) :]),
    )


def completion_prefix(rows: list[Row]) -> Remedy | None:
    completions = texts(rows, "completion")
    shared = common_prefix(completions)
    if len(shared) < LONG_COMPLETION_PREFIX or len(set(completions)) == 1:
        return None
    said = (
        f"All completions start with prefix `{visible(shared)}`. A completion is best "
        "the output alone, without any prefix"
    )
    prefix = instruction(completions)
    if len(prefix) < LONG_COMPLETION_PREFIX:
        said += ". This one runs on into the text after it and stays"
        return Remedy("common_completion_prefix", said=said)
    space = " " if prefix.startswith(" ") else ""
    return Remedy(
        "common_completion_prefix",
        said=said,
        advised=f"Remove prefix `{visible(prefix)}` from all completions",
        change=lambda rows: edited(
            rows, "completion", lambda text: space + text[len(prefix) :]
        ),
    )


def completion_ending(rows: list[Row]) -> Remedy | None:
    task = infer_task(rows)
    completions = texts(rows, "completion")
    if task != "open-ended generation" and len(set(completions)) == 1:
        raise CannotPrepare(
            f"all completions are identical: `{visible(completions[0])}`. Make them "
            "differ, otherwise the model will just repeat it."
        )
    if task != "conditional generation":
        return None
    end = ending(completions)
    suggested = unused_ending(completions)
    if end:
        said = f"All completions end with suffix `{visible(end)}`"
        if len(end) > LONG_SHARED:
            said += (
                f". It is long; a shorter one would do, such as `{visible(suggested)}`"
            )
        return Remedy("common_completion_suffix", said=said)
    words = common_suffix(completions)
    note = (
        f" (`{visible(words)}` at the end of all is text, or stands elsewhere too)"
        if words
        else ""
    )
    return Remedy(
        "common_completion_suffix",
        said="Your data does not contain a common ending at the end of your "
        f"completions{note}. It shows the model where to stop",
        advised=f"Add a suffix ending `{visible(suggested)}` to all completions",
        change=lambda rows: edited(rows, "completion", lambda text: text + suggested),
    )


def leading_space(rows: list[Row]) -> Remedy | None:
    if all(row["completion"].startswith(" ") for row in rows):
        return None

    def spaced(text: str) -> str:
        return text if text.startswith(" ") else f" {text}"

    return Remedy(
        "completion_space_start",
        said="The completion should start with a whitespace character (` `): most "
        "tokens of words begin with one",
        advised="Add a whitespace character to the beginning of the completion",
        change=lambda rows: edited(rows, "completion", spaced),
    )


def completion_steps(long: Step | None = None) -> list[Step]:
    """The steps in their order; ``long`` replaces the limit of 10,000 characters."""
    by_characters = partial(long_examples, characters, LONG_CHARACTERS, "characters")
    return [
        count,
        partial(column, "prompt"),
        partial(column, "completion"),
        extra_columns,
        as_texts,
        empty_completions,
        some_rows,
        task,
        duplicates,
        long or by_characters,
        partial(upper_case, "prompt"),
        partial(upper_case, "completion"),
        prompt_separator,
        prompt_prefix,
        completion_prefix,
        completion_ending,
        leading_space,
    ]


def columns(rows: list[Row]) -> list[str]:
    """All keys, in the order in which they first stand."""
    return list(dict.fromkeys(str(name) for row in rows for name in row))


def texts(rows: list[Row], key: str) -> list[str]:
    return [row[key] for row in rows]


def edited(rows: list[Row], key: str, edit: Callable[[str], str]) -> list[Row]:
    """The rows with ``edit`` done to one of their texts."""
    return [row.of(row | {key: edit(row[key])}) for row in rows]


def without_duplicates(rows: list[Row]) -> list[Row]:
    """The rows without those that stand before, prompt and completion alike."""
    seen: set[tuple[str, str]] = set()
    kept = []
    for row in rows:
        pair = (row["prompt"], row["completion"])
        if pair not in seen:
            kept.append(row)
        seen.add(pair)
    return kept


def text_of(value: Any) -> str:
    """A cell as text: nothing is empty, numbers and lists as JSON writes them."""
    if value is None or (isinstance(value, float) and math.isnan(value)):
        return ""
    if isinstance(value, str):
        return value
    return json.dumps(value, ensure_ascii=False, default=str)
