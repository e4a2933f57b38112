"""The checker: every rule over every line of a training or validation file."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from importlib.util import find_spec
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Literal, get_args

from .explain import explain, located
from .findings import Finding, Report
from .formats import format_of_rows
from .jsonl import Row
from .quick import PlainBlock, processes, quick_look, shared_look
from .read import Source, kept, read, read_rows, texts_at
from .rules import COUNT_RULES, FORMAT_RULES, File
from .truncation import Limit, limit_of, truncated

if TYPE_CHECKING:
    from finetune_kit.catalog import Base

    from .contents import Contents

FormatChoice = Literal["auto", "chat", "completion", "preference", "reinforcement"]
Method = Literal["supervised", "dpo", "reinforcement"]
MethodChoice = Method | Literal["auto"]
#: What `auto` takes a file to be meant for; the other formats are supervised.
_METHOD_OF: dict[str | None, Method] = {
    "preference": "dpo",
    "reinforcement": "reinforcement",
}

#: So many findings of one code are listed; the rest is counted in a last one.
LISTED_PER_CODE = 1_000
#: The format is taken from the first line that shows one, among so many.
_LINES_TO_GUESS_FROM = 20


def check(
    source: Source,
    format: FormatChoice = "auto",
    method: MethodChoice = "auto",
    *,
    model: str | None = None,
    training: Source | None = None,
    structure_only: bool = False,
    workers: int = 1,
) -> Report:
    """Check a data file and report all problems of all its lines.

    `source` is a path (streamed, whatever its size), bytes, rows (dicts) or a
    DataFrame. `method` is what the file is meant for, `auto` what its format is made
    for. `model` must take the format and the method, and sets the length to which
    the service cuts an example (65,536 tokens without it). `training` is the training
    file when `source` is to validate: rows that stand in both are found.
    `structure_only` looks at the lines' structure alone and leaves out the file's
    name, copies, habits, personal data and long examples; so many `workers` then share
    the look at a chat file, 0 takes all cores. They are spawned, so a script that asks
    for them needs its `if __name__ == "__main__"`.

    Bad content never raises; OSError tells of a path that cannot be read and
    ValueError of an unknown format, method or model.
    """
    _known("format", format, get_args(FormatChoice))
    _known("method", method, (*get_args(Method), "auto"))
    base = _base(model)
    limit = limit_of(base)
    findings = _Findings()
    source = kept(source)
    first = list(islice(read(source), _LINES_TO_GUESS_FROM))
    kind = format_of_rows(first, method) if format == "auto" else format
    if method == "auto":
        method = _METHOD_OF.get(kind, "supervised")
    findings.extend(_about_format(first, kind, method, base))
    contents = None if structure_only else _contents(training, kind)
    examples, readable = 0, True
    shared = processes(workers) if structure_only else 1
    for piece in _pieces(source, first, kind, limit, shared):
        if isinstance(piece, PlainBlock):
            examples = piece.number + piece.count - 1
            if contents:
                findings.extend(_plainly_said(piece, contents))
        else:
            examples = max(examples, piece.number)
            readable = not any(fault.code == "broken_table" for fault in piece.faults)
            found = explain(piece, kind)
            if contents and isinstance(piece.value, dict):
                sound = all(one.severity != "error" for one in found)
                found += contents.example(piece.line, piece.value, kind, sound)
                found += truncated(piece, kind, limit)
            findings.extend(found, piece.text)
    if contents:
        findings.extend(contents.end())
    name = str(source) if isinstance(source, str | PathLike) else None
    if readable:
        lines_of_json = not structure_only and (not first or first[0].number > 0)
        file = File(None, examples, kind, method, name if lines_of_json else None)
        findings.extend(f for rule in COUNT_RULES for f in rule.findings(file))
    findings.locate(source)
    return Report(name, kind, method, examples, findings.listed(), findings.counts)


def _known(name: str, value: str, choices: tuple[str, ...]) -> None:
    if value not in choices:
        raise ValueError(f"{name} must be one of {', '.join(choices)}, not {value!r}")


def _base(model: str | None) -> Base | None:
    if model is None:
        return None
    from finetune_kit import catalog

    if base := catalog.base(model):
        return base
    raise ValueError(f"model {model!r} is not in the catalog")


def _about_format(
    first: list[Row], kind: str | None, method: str, base: Base | None
) -> Iterator[Finding]:
    objects = [row for row in first if isinstance(row.value, dict)]
    if objects:
        file = File(objects[0].line, objects[0].number, kind, method, base=base)
        for rule in FORMAT_RULES:
            yield from rule.findings(file)


def _pieces(
    source: Source, first: list[Row], kind: str | None, limit: Limit, workers: int
) -> Iterator[PlainBlock | Row]:
    """The quick look where the source is chat in JSON lines, else each row.

    Without msgspec (a platform that it is not built for) each line gets the rules'
    look, which takes longer and finds the same.
    """
    is_jsonl = bool(first) and first[0].number > 0
    if kind == "chat" and is_jsonl and find_spec("msgspec"):
        if workers > 1 and isinstance(source, str | PathLike):
            return shared_look(Path(source), limit.tokens, workers)
        if isinstance(source, str | PathLike | bytes):
            return quick_look(source, limit.tokens)
    return read(source)


def _contents(training: Source | None, kind: str | None) -> Contents:
    from .contents import Contents, training_index

    if training is None:
        return Contents()
    rows = (
        (row.line, row.value)
        for row in read_rows(training)
        if isinstance(row.value, dict)
    )
    return Contents(training_index(rows, kind))


def _plainly_said(block: PlainBlock, contents: Contents) -> Iterator[Finding]:
    for line, example in enumerate(block.examples, start=block.line):
        yield from contents.plain(line, example.messages)


class _Findings:
    """Findings in the order of lines; beyond a number of one code only counted."""

    def __init__(self) -> None:
        self._listed: list[Finding] = []
        self._counts: Counter[str] = Counter()

    @property
    def counts(self) -> dict[str, int]:
        return dict(self._counts)

    def extend(self, found: Iterable[Finding], text: str = "") -> None:
        """Take findings; `text` is the line that they are about."""
        for finding in found:
            self._counts[finding.code] += 1
            if self._counts[finding.code] <= LISTED_PER_CODE:
                self._listed.append(located(finding, text) if text else finding)

    def locate(self, source: Source) -> None:
        """The columns of findings whose line was not at hand when they were made."""
        places: dict[int, list[int]] = {}
        for place, found in enumerate(self._listed):
            if found.line and found.path and found.column is None:
                places.setdefault(found.line, []).append(place)
        for line, text in texts_at(source, set(places)) if places else ():
            for place in places[line]:
                self._listed[place] = located(self._listed[place], text)

    def listed(self) -> list[Finding]:
        self._listed.sort(key=lambda found: found.line or 1 << 62)
        return self._listed + [
            self._rest(code, count - LISTED_PER_CODE)
            for code, count in self._counts.items()
            if count > LISTED_PER_CODE
        ]

    def _rest(self, code: str, count: int) -> Finding:
        like = next(found for found in self._listed if found.code == code)
        return Finding(
            code=code,
            severity=like.severity,
            line=None,
            message=None,
            field=None,
            column=None,
            what=f"{count:,} more like the {LISTED_PER_CODE:,} listed: {like.what}",
            why=like.why,
            fix=like.fix,
            service_message=None,
            exact=False,
        )
