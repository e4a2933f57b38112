"""From one format to another: prompt/completion and chat, tables, JSON arrays."""

from __future__ import annotations

import json
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from os import PathLike
from pathlib import Path
from string import Formatter
from typing import Any, Literal, get_args

from .affixes import ending, separator, unused_ending, unused_separator, visible
from .chat_rules import ROLES
from .check import check
from .findings import Report
from .read import Source, read_rows
from .rules import did_you_mean
from .saving import line_of, write_lines

Json = dict[str, Any]
To = Literal["chat", "completion"]
#: What to write for each role, or for prompt and completion: a text with {column} in
#: it, or a list of columns, which are written as one JSON object.
Template = Mapping[str, str | Sequence[str]]

_SHOWN = 3
_NO_TALK = "its messages are no list of objects; repair it first"


@dataclass(slots=True)
class Conversion:
    """The rows in their new format, not yet written: `.save(path)` writes them.

    `notes` say what was added or taken away, `skipped` which lines could not be
    converted and why.
    """

    rows: list[Json]
    notes: list[str]
    skipped: list[tuple[int, str]]
    to: To
    source: Source

    @property
    def report(self) -> Report:
        """What `check` says of the converted rows."""
        return check(self.rows, format=self.to)

    def save(self, path: str | PathLike[str]) -> Path:
        """Write the rows as JSONL; ValueError if `path` is the original."""
        return write_lines(path, map(line_of, self.rows), self.source)

    @property
    def summary(self) -> str:
        """One line: how many rows became what, and how many could not."""
        left = f", {len(self.skipped):,} left out" if self.skipped else ""
        rows = "1 row" if len(self.rows) == 1 else f"{len(self.rows):,} rows"
        return f"{rows} in the {self.to} format{left}"

    def __repr__(self) -> str:
        return "\n".join([self.summary, *(f"  {line}" for line in self._lines())])

    def _repr_html_(self) -> str:
        from finetune_kit.display.cards import Card

        tone = "warn" if self.skipped else "good"
        return Card(self.summary, self._lines(), tone)._repr_html_()

    def _lines(self) -> list[str]:
        left = [f"line {line} left out: {why}" for line, why in self.skipped[:_SHOWN]]
        more = len(self.skipped) - _SHOWN
        return [
            *self.notes,
            *left,
            *([f"and {more:,} more in .skipped"] if more > 0 else []),
            *map(line_of, self.rows[:1]),
        ]


def convert(
    source: Source,
    to: To = "chat",
    template: Template | None = None,
    system: str | None = None,
) -> Conversion:
    """Rows of any source in the chat or the prompt/completion format.

    Prompt/completion becomes a question and its answer, without the separator, the
    leading space and the ending that older models needed; the way back adds them.
    `system` is put before each conversation. Rows of a table of your own need a
    `template`: {"user": "{question}", "assistant": "{answer}"}, or
    {"user": "{message}", "assistant": ["team", "urgency"]} for an answer in JSON.
    Raises ValueError when a template is missing or names a column that is not there.
    """
    if to not in get_args(To):
        raise ValueError(f"to must be one of {', '.join(get_args(To))}, not {to!r}")
    if template is not None:
        _known_template(template, to)
    found, skipped = [], []
    for row in read_rows(source):
        if not isinstance(row.value, dict):
            skipped.append((row.line, f"it cannot be read: {row.why_unread}"))
        elif system is not None and "messages" in row.value and not _is_talk(row.value):
            skipped.append((row.line, _NO_TALK))
        else:
            found.append((row.line, row.value))
    if not found:
        raise ValueError(_nothing(skipped))
    notes: list[str] = []
    if template is not None:
        rows = _filled(found, template, to, skipped)
    elif to == "chat":
        rows = _as_chat(found, notes, skipped)
    else:
        rows = _as_completion(found, notes, skipped)
    if system is not None and to == "chat":
        rows = [_with_system(row, system) for row in rows]
    return Conversion(rows, notes, sorted(skipped), to, source)


def _nothing(skipped: list[tuple[int, str]]) -> str:
    if not skipped:
        return "there is no row to convert"
    lines = [f"line {line}: {why}" for line, why in skipped[:_SHOWN]]
    more = len(skipped) - _SHOWN
    lines += [f"and {more:,} more"] if more > 0 else []
    return f"none of the lines can be converted; {'; '.join(lines)}"


def _as_chat(
    found: list[tuple[int, Json]], notes: list[str], skipped: list[tuple[int, str]]
) -> list[Json]:
    """Chat rows as they are, prompt/completion rows as question and answer."""
    older = [
        (line, _lowered(value)) for line, value in found if "messages" not in value
    ]
    pairs = [(line, value) for line, value in older if _is_pair(value, line, skipped)]
    prompts = [value["prompt"] for _, value in pairs]
    answers = [value["completion"] for _, value in pairs]
    sign, end = separator(prompts), ending(answers)
    spaces = bool(answers) and all(answer.startswith(" ") for answer in answers)
    if len(pairs) < 2:  # what one row ends with is no common ending
        sign = end = ""
    for what, text in (("separator", sign), ("ending", end)):
        if text:
            notes.append(f"the {what} `{visible(text)}` was taken away")
    if spaces:
        notes.append("the leading space of the completions was taken away")
    converted = {}
    for line, value in pairs:
        answer = value["completion"].removesuffix(end)
        answer = answer[1:] if spaces else answer
        converted[line] = _chat(value["prompt"].removesuffix(sign), answer)
    rows = (
        (value if "messages" in value else converted.get(line)) for line, value in found
    )
    return [row for row in rows if row is not None]


def _chat(question: str, answer: str) -> Json:
    asked = [{"role": "user", "content": question}] if question else []
    return {"messages": [*asked, {"role": "assistant", "content": answer}]}


def _lowered(value: Json) -> Json:
    """Columns `Prompt` and `COMPLETION` count as what they are named for."""
    names = {key: key.strip().lower() for key in value if isinstance(key, str)}
    both = {"prompt", "completion"}
    return {
        (name if (name := names.get(key, key)) in both else key): one
        for key, one in value.items()
    }


def _is_pair(value: Json, line: int, skipped: list[tuple[int, str]]) -> bool:
    if not {"prompt", "completion"} <= value.keys():
        if not {"prompt", "completion"} & value.keys():
            raise ValueError(_needs_template(value, line))
        skipped.append((line, "it lacks `prompt` or `completion`"))
    elif not isinstance(value["prompt"], str) or not isinstance(
        value["completion"], str
    ):
        skipped.append((line, "`prompt` and `completion` must be texts; repair it"))
    elif not value["completion"].strip():
        skipped.append((line, "its completion is empty"))
    else:
        return True
    return False


def _needs_template(value: Json, line: int) -> str:
    columns = list(value)
    one, two = (columns * 2)[:2] if columns else ("question", "answer")
    return (
        f"line {line} has the columns {', '.join(columns)}; say by a template which is "
        f'what, for example user: "{{{one}}}", assistant: "{{{two}}}"'
    )


def _as_completion(
    found: list[tuple[int, Json]], notes: list[str], skipped: list[tuple[int, str]]
) -> list[Json]:
    """Prompt/completion rows as they are, one-turn conversations with the signs."""
    pairs: list[tuple[int, str, str]] = []
    for line, value in found:
        if "messages" in value:
            turn, why = _one_turn(value)
            if turn:
                pairs.append((line, *turn))
            else:
                skipped.append((line, why))
        elif not {"prompt", "completion"} <= _lowered(value).keys():
            raise ValueError(_needs_template(value, line))
    sign = unused_separator([prompt for _, prompt, _ in pairs])
    end = unused_ending([answer for _, _, answer in pairs])
    if pairs:
        notes.append(
            f"prompts end with `{visible(sign)}`, completions start with a space and "
            f"end with `{visible(end)}`: send the prompts like that, and that ending "
            "as `stop`"
        )
    made = {
        line: {"prompt": prompt + sign, "completion": f" {answer}{end}"}
        for line, prompt, answer in pairs
    }
    rows = (
        made.get(line) if "messages" in value else _lowered(value)
        for line, value in found
    )
    return [row for row in rows if row is not None]


def _one_turn(value: Json) -> tuple[tuple[str, str] | None, str]:
    """Question and answer of a conversation, or why it has no such form."""
    messages = value["messages"]
    if not _is_talk(value):
        return None, _NO_TALK
    told = [m for m in messages if m.get("role") in ("system", "developer")]
    said = [m for m in messages if m not in told]
    if "tools" in value or any(m.get("tool_calls") for m in said):
        return None, "it has tools, which prompt/completion does not"
    roles = [m.get("role") for m in said]
    if roles not in (["user", "assistant"], ["assistant"]):
        return None, f"it has {len(said)} turns; prompt/completion has one"
    texts = [m.get("content") for m in [*told, *said]]
    if not all(isinstance(text, str) for text in texts):
        return None, "its contents are not plain text"
    *asked, answer = [str(text) for text in texts]
    return ("\n\n".join(asked), answer), ""


def _is_talk(value: Json) -> bool:
    messages = value["messages"]
    return isinstance(messages, list) and all(isinstance(m, dict) for m in messages)


def _with_system(row: Json, system: str) -> Json:
    """The row with that system prompt; one of its own gives way."""
    said = [m for m in row["messages"] if m.get("role") not in ("system", "developer")]
    return {**row, "messages": [{"role": "system", "content": system}, *said]}


def _known_template(template: Template, to: To) -> None:
    if not isinstance(template, Mapping):
        raise TypeError(
            f"a template is a dict of what to write for whom, not {template!r:.60}; "
            'for example {"user": "{question}", "assistant": "{answer}"}'
        )
    wanted = ROLES if to == "chat" else ("prompt", "completion")
    unknown = [key for key in template if key not in wanted]
    if unknown:
        raise ValueError(
            f"a template for {to} has the keys {', '.join(wanted)}, not {unknown[0]!r}."
            + did_you_mean(unknown[0], wanted)
        )
    needed = ("assistant",) if to == "chat" else wanted
    missing = [key for key in needed if key not in template]
    if missing:
        raise ValueError(f"the template says nothing for {missing[0]!r}")
    for key, form in template.items():
        try:
            list(Formatter().parse(form if isinstance(form, str) else ""))
        except ValueError:
            raise ValueError(
                f"the template for {key!r} has a bracket without its other half: "
                f"{form!r}. Write a column as {{name}}, and a bracket itself twice."
            ) from None


def _filled(
    found: Iterable[tuple[int, Json]],
    template: Template,
    to: To,
    skipped: list[tuple[int, str]],
) -> list[Json]:
    """One row for each in which every column of the template holds something."""
    rows = []
    for line, value in found:
        empty = [
            name for name in _columns(template, value, line) if _blank(value[name])
        ]
        if empty:
            skipped.append((line, f"its column {empty[0]!r} is empty"))
            continue
        texts = {key: _fill(form, value) for key, form in template.items()}
        messages = [{"role": role, "content": text} for role, text in texts.items()]
        rows.append({"messages": messages} if to == "chat" else dict(texts))
    return rows


def _columns(template: Template, value: Json, line: int) -> list[str]:
    """The columns that a template names; ValueError if a row has one of them not."""
    named = []
    for form in template.values():
        if isinstance(form, str):
            named += [
                name for _, name, _, _ in Formatter().parse(form) if name is not None
            ]
        else:
            named += form
    for name in named:
        if name not in value:
            raise ValueError(
                f"line {line} has no column {name!r}; it has: {', '.join(value)}."
                + did_you_mean(name, value)
            )
    return named


def _fill(form: str | Sequence[str], value: Json) -> str:
    if not isinstance(form, str):
        return json.dumps({name: value[name] for name in form}, ensure_ascii=False)
    # by the column's whole name: `{a.b}` is a column, not an attribute
    return "".join(
        text + ("" if name is None else _as_text(value[name]))
        for text, name, _, _ in Formatter().parse(form)
    )


def _as_text(value: Any) -> str:
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def _blank(value: Any) -> bool:
    return value is None or value != value or not re.search(r"\S", _as_text(value))
