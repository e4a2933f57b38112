"""What the checker says: one finding per problem, one report per file."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

Severity = Literal["error", "warning", "advice"]
FileKind = Literal["training_file", "validation_file"]

#: The service gives these findings the error code `invalid_training_file`
#: (observed 2024-02 and 2024-12), the other errors `invalid_file_format`.
_SCHEMA_CODES = frozenset(
    {
        "bom",
        "content_part",
        "content_type",
        "empty_messages",
        "function_call_form",
        "input_ends_with_answer",
        "json_array",
        "last_not_assistant",
        "message_not_an_object",
        "messages_not_a_list",
        "missing_content",
        "missing_role",
        "no_assistant_message",
        "not_an_object",
        "other_format",
        "output_not_assistant",
        "parallel_tool_calls_type",
        "plain_text",
        "preference_form",
        "pretty_json",
        "table",
        "too_many_images",
        "tool_arguments",
        "tool_call_form",
        "tool_result_without_call",
        "tools_form",
        "unknown_format",
        "unknown_role",
        "weight_role",
        "weight_value",
        "wrong_method",
        "wrong_type",
    }
)
#: Findings that a report shows of itself as text.
SHOWN = 20
_COUNT_CODES = frozenset({"empty_file", "too_few_examples"})


class Excerpt(NamedTuple):
    """A piece of a line: what comes before the place, the place, what follows."""

    before: str
    marked: str
    after: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One problem of a data file, with the fields of `check --json`.

    `line` counts from 1 (None: the file as a whole), `message` is the index into
    the line's `messages`, `column` counts characters from 1 (bytes where the text
    cannot be decoded). `service_message` is what the service answers; `exact`
    says whether that wording was observed or is an approximation.
    """

    code: str
    severity: Severity
    line: int | None
    message: int | None
    field: str | None
    column: int | None
    what: str
    why: str
    fix: str
    service_message: str | None
    exact: bool
    #: What is marked: a text within the field, or its key; and the line around it.
    mark: str | None = dataclasses.field(default=None, repr=False, compare=False)
    at_key: bool = dataclasses.field(default=False, repr=False, compare=False)
    excerpt: Excerpt | None = dataclasses.field(default=None, repr=False, compare=False)

    @property
    def where(self) -> str:
        """The place in words, e.g. `line 3, messages[1].role`."""
        if self.line is None:
            return "file"
        words = [f"line {self.line}"]
        if self.path:
            words.append(self.path)
        elif self.column:
            words.append(f"column {self.column}")
        return ", ".join(words)

    @property
    def path(self) -> str:
        """The place within the line's value, e.g. `messages[1].role`, or ``."""
        if self.message is None or (self.field or "").startswith("input."):
            return self.field or ""
        path = f"messages[{self.message}]"
        return f"{path}.{self.field}" if self.field else path

    def to_dict(self) -> dict[str, Any]:
        """The finding as `check --json` prints it."""
        return {name: getattr(self, name) for name in _JSON_FIELDS}


_JSON_FIELDS = (
    "code",
    "severity",
    "line",
    "message",
    "field",
    "column",
    "what",
    "why",
    "fix",
    "service_message",
    "exact",
)


@dataclass(slots=True)
class Report:
    """All findings of one file, in the order of its lines.

    `examples` counts the lines that hold something, readable or not.
    """

    file: str | None
    format: str | None
    method: str
    examples: int
    findings: list[Finding] = dataclasses.field(default_factory=list)
    #: Code -> how often it was found, also where fewer are listed.
    counts: dict[str, int] = dataclasses.field(default_factory=dict)

    @property
    def ok(self) -> bool:
        """Whether the service would take the file: no finding is an error."""
        return not self.errors

    @property
    def errors(self) -> list[Finding]:
        return self.of("error")

    def of(self, severity: Severity) -> list[Finding]:
        """The findings of one severity."""
        return [f for f in self.findings if f.severity == severity]

    def only(self, code: str | None = None, line: int | None = None) -> Report:
        """The report on the findings of one code, of one line, or of both."""
        kept = [
            f
            for f in self.findings
            if code in (None, f.code) and line in (None, f.line)
        ]
        counts = {code: n for code, n in self.counts.items() if code in _codes(kept)}
        counts = counts if line is None else {}
        return dataclasses.replace(self, findings=kept, counts=counts)

    @property
    def summary(self) -> str:
        """One line: name, format, number of examples, number of findings."""
        counts = [
            f"{len(found)} {word if len(found) == 1 else plural}"
            for severity, word, plural in _WORDS
            if (found := self.of(severity))
        ]
        examples = "1 example" if self.examples == 1 else f"{self.examples:,} examples"
        kind = f" in the {self.format} format" if self.format else ""
        name = f"{self.file}: " if self.file else ""
        return f"{name}{examples}{kind}, {', '.join(counts) or 'nothing to fix'}"

    def to_dict(self) -> dict[str, Any]:
        """The object that `finetune-kit check --json` prints."""
        return {
            "file": self.file,
            "format": self.format,
            "examples": self.examples,
            "findings": [found.to_dict() for found in self.findings],
        }

    def service_error(
        self, file_kind: FileKind = "training_file", file_id: str = "file-…"
    ) -> dict[str, str] | None:
        """The job's `error` object for the first error, or None when there is none.

        Wording: "observed" replies of 2024 to 2026 where the finding is exact. Ten
        examples are asked of the training file only; no such rule is known for the
        validation file.
        """
        for found in self.errors:
            too_few = found.code == "too_few_examples"
            if not (too_few and file_kind == "validation_file"):
                return _job_error(found, file_kind, file_id)
        return None

    def text(
        self,
        most: int | None = None,
        rest: str = "in .findings",
        head: str | None = None,
    ) -> str:
        """The report for a terminal: all findings, or so many; `rest` is where more.

        `head` stands in place of the summary.
        """
        shown = self.findings[:most]
        left = len(self.findings) - len(shown)
        more = [f"  … and {left:,} more {rest}"] if left else []
        return _printable("\n".join([head or self.summary, *_lines(shown), *more]))

    def __repr__(self) -> str:
        return self.text(SHOWN)

    def _repr_html_(self) -> str:
        from .card import report_card

        return _printable(report_card(self))


_WORDS: tuple[tuple[Severity, str, str], ...] = (
    ("error", "error", "errors"),
    ("warning", "warning", "warnings"),
    ("advice", "piece of advice", "pieces of advice"),
)


def _job_error(found: Finding, file_kind: FileKind, file_id: str) -> dict[str, str]:
    where = f"Line {found.line}: " if found.line else ""
    message = found.service_message or f"Invalid file format. {where}{found.what}"
    message = message.replace("{file_id}", file_id)
    words = file_kind.replace("_", " ")
    if found.code in _COUNT_CODES:
        code = "invalid_n_examples"
        message = message.replace("Training file", words.capitalize())
    elif found.code in _SCHEMA_CODES:
        code = f"invalid_{file_kind}"
        message = f"The job failed due to an invalid {words}. {message}"
    else:
        code = "invalid_file_format"
        message = f"The job failed due to a file format error in the {words}. {message}"
    return {"code": code, "param": file_kind, "message": _printable(message)}


def _lines(findings: Iterable[Finding]) -> list[str]:
    """Plain text of findings, three to five lines each."""
    return [
        text
        for found in findings
        for text in (
            f"  {found.severity:<8}{found.where}: {found.what}",
            f"          why: {found.why}",
            f"          fix: {found.fix}",
            *_marked(found),
        )
    ]


def _marked(found: Finding) -> list[str]:
    """The piece of the line, and signs below its place."""
    if found.excerpt is None:
        return []
    before, marked, after = (_one_line(text) for text in found.excerpt)
    signs = "^" * max(1, len(marked))
    return [
        f"          {before}{marked}{after}",
        f"          {' ' * len(before)}{signs}",
    ]


def _one_line(text: str) -> str:
    return "".join(char if char.isprintable() else " " for char in text)


def _codes(findings: Iterable[Finding]) -> set[str]:
    return {found.code for found in findings}


def _printable(text: str) -> str:
    """Text that any UTF-8 output takes: lone surrogates become question marks."""
    return text.encode("utf-8", "replace").decode("utf-8")
