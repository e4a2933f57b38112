"""Repair: what can be mended in a data file, shown before it is written.

A repair is made on a copy. Safe fixes change only what can be meant in one way;
every other one is named by its code, and what would be a guess is asked about.
"""

from __future__ import annotations

import tempfile
from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from os import PathLike
from pathlib import Path
from typing import Any

from .check import FormatChoice, MethodChoice, check
from .contents import usual_texts
from .edits import Edit, Plan
from .findings import Finding, Report
from .formats import format_of_rows
from .mended_rows import UNREAD, Mender
from .read import Source, kept, read
from .recode import recoded
from .saving import write_lines


@dataclass(slots=True)
class Repair:
    """A repaired copy, not yet written: `.save(path)` writes it.

    `edits` is what was changed, `counts` how often by code. `offered` counts the
    fixes that were found but not asked for. `remaining` reports what is still wrong,
    by the lines of the original; `ok` says whether the copy passes `check`.
    """

    source: Source
    edits: list[Edit]
    counts: Counter[str]
    offered: Counter[str]
    remaining: Report
    _copy: Path
    _folder: tempfile.TemporaryDirectory[str] = field(repr=False)

    @property
    def ok(self) -> bool:
        return self.remaining.ok

    @property
    def rows(self) -> list[dict[str, Any]]:
        """The repaired examples that can be read."""
        values = (row.value for row in read(self._copy) if row.number)
        return [value for value in values if isinstance(value, dict)]

    def save(self, path: str | PathLike[str], partial: bool = False) -> Path:
        """Write the repaired file; the original stays as it is.

        Raises ValueError when errors remain (unless `partial`) and when `path` is
        the original.
        """
        errors = self.remaining.errors
        if errors and not partial:
            raise ValueError(
                f"not written: {remaining(len(errors))}, the first at "
                f"{errors[0].where}: {errors[0].what}. {errors[0].fix} "
                "(Asked for a partial copy, it writes what there is.)"
            )
        with self._copy.open(encoding="utf-8", newline="\n") as lines:
            plain = (line.removesuffix("\n") for line in lines)
            return write_lines(path, plain, self.source)

    def to_dict(self) -> dict[str, Any]:
        """What `finetune-kit repair --json` prints."""
        from .repair_card import edit_dict

        return {
            "ok": self.ok,
            "counts": dict(self.counts),
            "offered": dict(self.offered),
            "edits": [edit_dict(edit) for edit in self.edits],
            "remaining": self.remaining.to_dict(),
        }

    def __repr__(self) -> str:
        from .repair_card import repair_text

        return repair_text(self)

    def _repr_html_(self) -> str:
        from .repair_card import repair_card

        return repair_card(self)


def repair(
    source: Source,
    fixes: str | Iterable[str] = "safe",
    answers: Mapping[str, str] | None = None,
    format: FormatChoice = "auto",
    method: MethodChoice = "auto",
) -> Repair:
    """Mend what can be mended in a copy of a data file.

    `fixes` is "safe" or a list of codes, among which "safe" may stand. `answers`
    says what roles of your own mean: {"bot": "assistant"}. Nothing is written before
    `.save(path)`. Raises ValueError for an unknown code or role.
    """
    plan = Plan.of(fixes, answers or {})
    source = kept(source)
    folder = tempfile.TemporaryDirectory(prefix="finetune-kit-")
    kind = format_of_rows(islice(read(source), 20)) if format == "auto" else format
    work = Mender(plan, kind, usual_texts(source, kind))
    readable = source
    if plan.wants("not_utf8", safe=False):
        readable = recoded(source, Path(folder.name) / "recoded", work.note_line)
    written = Path(folder.name) / "repaired.jsonl"
    origin = array("Q")
    with written.open("w", encoding="utf-8", newline="\n") as out:
        for line, text in work.lines(read(readable)):
            out.write(text + "\n")
            origin.append(line)
    report = check(written, format=format, method=method)
    remaining = _remaining(report, origin, work.unread, source)
    return Repair(
        source, work.edits, work.counts, work.offered, remaining, written, folder
    )


def remaining(errors: int) -> str:
    """How many errors remain, in words."""
    return "1 error remains" if errors == 1 else f"{errors:,} errors remain"


def _remaining(
    report: Report, origin: array[int], unread: set[int], source: Source
) -> Report:
    """What is still wrong, by the original's lines, with the lines not read."""

    def moved(found: Finding) -> Finding:
        if found.line is None or found.line > len(origin):
            return found
        return replace(found, line=origin[found.line - 1])

    findings = [moved(found) for found in report.findings]
    if unread:
        before = check(source).findings
        findings = [f for f in before if f.code in UNREAD] + findings
    name = str(source) if isinstance(source, str | PathLike) else None
    return replace(report, file=name, findings=findings)
