"""What a rule is, and the rules that hold for every format.

A rule is one small function: it looks at one subject (a line, an example, a file)
and yields a `Hit` for each place that breaks it. Its decorator says how bad that
is, why, how to fix it, and what the service answers; `exact` marks a wording that
was observed, everything else is an approximation. The code is the function's name.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePath
from typing import TYPE_CHECKING, Any, Generic, Protocol, TypeVar

from .findings import Finding, Severity
from .jsonl import Row

if TYPE_CHECKING:
    from finetune_kit.catalog import Base

MIN_EXAMPLES = 10

#: The special tokens of o200k_base and cl100k_base and of the chat template.
_SPECIAL_TOKEN = re.compile(
    r"<\|(?:endoftext|fim_prefix|fim_middle|fim_suffix|endofprompt"
    r"|im_start|im_end|im_sep)\|>"
)


class Subject(Protocol):
    """What findings are about: its line (None: the file), its number as example."""

    @property
    def line(self) -> int | None: ...
    @property
    def number(self) -> int: ...


S = TypeVar("S", bound=Subject)
S_contra = TypeVar("S_contra", bound=Subject, contravariant=True)


@dataclass(frozen=True, slots=True)
class Hit:
    """One place that breaks a rule.

    `fix` and `exact` where the rule's own do not fit here; `service` fills the
    named places of the rule's service message; `mark` is the text within the field,
    `at_key` says that the key is the place, not its value.
    """

    what: str
    message: int | None = None
    field: str | None = None
    column: int | None = None
    fix: str | None = None
    service: Mapping[str, object] | None = None
    exact: bool | None = None
    mark: str | None = None
    at_key: bool = False


@dataclass(frozen=True, slots=True)
class Rule(Generic[S_contra]):
    """A rule and everything that is said when it is broken."""

    code: str
    severity: Severity
    why: str
    fix: str
    service: str | None
    exact: bool
    find: Callable[[S_contra], Iterable[Hit]]

    def findings(self, subject: S_contra) -> Iterator[Finding]:
        for hit in self.find(subject):
            yield Finding(
                code=self.code,
                severity=self.severity,
                line=subject.line,
                message=hit.message,
                field=hit.field,
                column=hit.column,
                what=hit.what,
                why=self.why,
                fix=hit.fix or self.fix,
                service_message=self._service_message(subject, hit),
                exact=self.exact if hit.exact is None else hit.exact,
                mark=hit.mark,
                at_key=hit.at_key,
            )

    def _service_message(self, subject: S_contra, hit: Hit) -> str | None:
        if self.service is None:
            return None
        values: dict[str, object] = {
            "example": subject.number,
            "line": subject.line,
            "message": None if hit.message is None else hit.message + 1,
            "field": hit.field,
            "file_id": "{file_id}",
        }
        return self.service.format(**{**values, **(hit.service or {})})


def rule(
    rules: list[Rule[S]],
    severity: Severity,
    *,
    why: str,
    fix: str,
    service: str | None = None,
    exact: bool = False,
) -> Callable[[Callable[[S], Iterable[Hit]]], Callable[[S], Iterable[Hit]]]:
    """Make the decorated function a rule of the list `rules`."""

    def register(find: Callable[[S], Iterable[Hit]]) -> Callable[[S], Iterable[Hit]]:
        code = find.__name__
        rules.append(Rule(code, severity, why, fix, service, exact, find))
        return find

    return register


@dataclass(frozen=True, slots=True)
class Example:
    """A line that holds a JSON object.

    `messages` are those of its messages that are objects, each with its index.
    """

    row: Row
    value: dict[str, Any]
    messages: list[tuple[int, dict[str, Any]]]
    format: str | None
    own_format: str | None

    @property
    def line(self) -> int:
        return self.row.line

    @property
    def number(self) -> int:
        return self.row.number


@dataclass(frozen=True, slots=True)
class File:
    """What is known of a whole file; `line` is where a finding points to.

    `name` is that of a file of JSON lines, where its name matters; `base` the model
    that is to be trained, where one was named.
    """

    line: int | None
    number: int
    format: str | None
    method: str
    name: str | None = None
    base: Base | None = None


EXAMPLE_RULES: list[Rule[Example]] = []
FORMAT_RULES: list[Rule[File]] = []
COUNT_RULES: list[Rule[File]] = []


@rule(
    EXAMPLE_RULES,
    "error",
    why="All lines of a file must be in one format; the trainer reads them alike.",
    fix="Move this line to a file of its own, or convert it.",
    service="Unexpected file format, expected either prompt/completion pairs or chat "
    "messages.",
)
def other_format(example: Example) -> Iterator[Hit]:
    if example.own_format and example.own_format != example.format:
        yield Hit(
            f"this line is in the {example.own_format} format, "
            f"the file in the {example.format} format"
        )


@rule(
    FORMAT_RULES,
    "error",
    why="Each training method reads its own kind of line.",
    fix="Send chat or prompt/completion lines with method supervised, preference lines "
    "(input, preferred_output, non_preferred_output) with method dpo, tasks without "
    "an answer with method reinforcement.",
    service="Invalid file format. Input file {file_id} is in the {kind} format, but "
    "the specified fine-tuning job is not using '{needs}' as the training method "
    "(provided method={method}). ",
    exact=True,
)
def wrong_method(file: File) -> Iterator[Hit]:
    needs = {
        "chat": "supervised",
        "completion": "supervised",
        "preference": "dpo",
        "reinforcement": "reinforcement",
    }
    wanted = needs.get(file.format or "", file.method)
    if wanted != file.method:
        kind = f"fine-tune-{file.format}"
        values = {"kind": kind, "needs": wanted, "method": file.method}
        yield Hit(
            f"the lines are in the {file.format} format, which method {file.method} "
            "does not train on",
            service=values,
            exact=file.format == "chat",
        )


@rule(
    FORMAT_RULES,
    "error",
    why="Chat models are trained on chats, the older base models on prompt/completion; "
    "and not every model takes every method.",
    fix="Convert the file (`finetune-kit convert FILE --to …`) or name another model.",
    service="Invalid file format. Input file {file_id} is in the {kind} format, but "
    "the specified model {model} does not train on it.",
)
def wrong_model(file: File) -> Iterator[Hit]:
    base = file.base
    if base is None or file.format is None:
        return
    values = {"kind": f"fine-tune-{file.format}", "model": base.name}
    if base.chat == (file.format == "completion"):
        takes = "chats" if base.chat else "prompt/completion lines"
        what = f"the lines are in the {file.format} format, {base.name} takes {takes}"
        yield Hit(what, service=values)
    elif base.methods and file.method not in base.methods:
        known = ", ".join(base.methods)
        what = f"{base.name} is not trained by method {file.method}, only by {known}"
        yield Hit(what, fix="Name another model or method.", service=values)


@rule(
    FORMAT_RULES,
    "error",
    why="A chat line has the key `messages`, an older line `prompt` and `completion`.",
    fix='Turn each example into {"messages": [{"role": "user", "content": …}, '
    '{"role": "assistant", "content": …}]}.',
    service="Unexpected file format, expected either prompt/completion pairs or chat "
    "messages.",
    exact=True,
)
def unknown_format(file: File) -> Iterator[Hit]:
    if file.format is None:
        yield Hit("the lines are in none of the known formats")


@rule(
    COUNT_RULES,
    "error",
    why="The upload looks at the file's name before it looks into it.",
    fix="Rename the file so that it ends in .jsonl; its lines are in JSONL.",
    service="Invalid extension '{suffix}' of '{name}'. Fine-tuning accepts only "
    "'.jsonl' files: one JSON object per line, saved as UTF-8.",
)
def file_name(file: File) -> Iterator[Hit]:
    name = PurePath(file.name or ".jsonl").name
    suffix = PurePath(name).suffix
    if file.name and suffix.lower() != ".jsonl":
        yield Hit(
            f"the file is called {shown(name)}, not ….jsonl",
            service={"suffix": suffix, "name": name},
        )


@rule(
    COUNT_RULES,
    "error",
    why="There is nothing to train on.",
    fix="Write one JSON object a line, at least 10 of them.",
    service="Training file has 0 example(s), but must have at least 10 examples",
)
def empty_file(file: File) -> Iterator[Hit]:
    if file.number == 0:
        yield Hit("the file holds no example")


@rule(
    COUNT_RULES,
    "error",
    why="The service trains on at least 10 examples; 50 to 100 good ones are a "
    "sensible start.",
    fix="Write more examples; copies of the same ones teach nothing new.",
    service="Training file has {example} example(s), but must have at least 10 "
    "examples",
    exact=True,
)
def too_few_examples(file: File) -> Iterator[Hit]:
    if 0 < file.number < MIN_EXAMPLES:
        yield Hit(f"{file.number} of at least {MIN_EXAMPLES} examples")


def near(word: str, known: Iterable[str]) -> str | None:
    """The known word that `word` is probably a misspelling of, or None."""
    found = difflib.get_close_matches(word.strip().lower(), list(known), 1, 0.7)
    return found[0] if found else None


def did_you_mean(word: str, known: Iterable[str]) -> str:
    """A sentence to add to an error, empty where no known word is near."""
    found = near(str(word), [str(one) for one in known])
    return f" Did you mean {found!r}?" if found else ""


def special_tokens(text: str) -> list[str]:
    """The special tokens in a text, each once."""
    return list(dict.fromkeys(_SPECIAL_TOKEN.findall(text)))


def shown(value: object) -> str:
    """A value for a message: short, and by its JSON type where it is no scalar."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return repr(value if len(value) <= 40 else value[:39] + "…")
    if isinstance(value, int | float):
        return repr(value) if -1e15 < value < 1e15 else "a number out of range"
    return json_type(value)


def json_type(value: object) -> str:
    """The name of a value's JSON type, with its article."""
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "a boolean"
    names: dict[type, str] = {str: "a string", dict: "an object", list: "a list"}
    return names.get(type(value), "a number")
