"""Splitting rows into training, validation and test data, without leaks.

Rows of one group (a customer, a document) stay together. Where a group goes depends
on a hash of its name and the seed, not on the other rows, so that a split keeps
still when rows are added.
"""

from __future__ import annotations

import hashlib
import json
import math
import re
from collections import Counter, defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .example_texts import question_of, whole_of
from .read import Source, read_rows
from .saving import line_of, refuse_original, write_lines

if TYPE_CHECKING:
    from finetune_kit.display.tables import Table

Json = dict[str, Any]
#: What tells the group or the label of a row: its key, a pattern, or a function.
Key = str | re.Pattern[str] | Callable[[Json], Any]
Sizes = Mapping[str, float] | Sequence[float]

_WANTED = "two or three shares, such as (0.8, 0.2), or a dict of names and shares"
_NAMES = ("train", "validation", "test")


@dataclass(slots=True)
class Split:
    """Rows by the name of their part; `split["train"]` is a list of rows."""

    parts: dict[str, list[Json]]
    groups: dict[str, int]
    labels: dict[str, Counter[str]]
    source: Source
    grouped_by: str

    def __getitem__(self, name: str) -> list[Json]:
        return self.parts[name]

    @property
    def table(self) -> Table:
        """Rows, groups and labels of each part."""
        from finetune_kit.display.tables import Table

        total = sum(map(len, self.parts.values()))
        found = sorted({label for counts in self.labels.values() for label in counts})
        rows = [
            [
                name,
                len(rows),
                f"{len(rows) / total:.0%}",
                self.groups[name],
                *(self.labels[name][label] for label in found),
            ]
            for name, rows in self.parts.items()
        ]
        columns = ["part", "rows", "share", f"groups by {self.grouped_by}", *found]
        return Table(columns, rows, note=self._warning())

    def shared(self, by: Key) -> list[str]:
        """Names of the groups that stand in more than one part: leaks, by ``by``.

        `by` as for `split`. Raises ValueError for a row without such a group.
        """
        found = [
            {_named(by, row, line, "by") for line, row in enumerate(rows, start=1)}
            for rows in self.parts.values()
        ]
        counts = Counter(name for names in found for name in names)
        return sorted(name for name, count in counts.items() if count > 1)

    def save(self, folder: str | PathLike[str], stem: str | None = None) -> list[Path]:
        """Write one JSONL file a part, `<stem>_<part>.jsonl`, and say where.

        `stem` is the source's by default, or none for rows that come from no file.
        """
        if stem is None and isinstance(self.source, str | PathLike):
            stem = Path(self.source).stem
        names = {part: f"{stem}_{part}.jsonl" if stem else f"{part}.jsonl"
                 for part in self.parts}  # fmt: skip
        for name in names.values():
            refuse_original(Path(folder) / name, self.source)
        return [
            write_lines(Path(folder) / names[part], map(line_of, rows), self.source)
            for part, rows in self.parts.items()
        ]

    def _warning(self) -> str:
        empty = [name for name, rows in self.parts.items() if not rows]
        if not empty:
            return ""
        return (
            f"No rows in {', '.join(empty)}: there are too few groups. Group by "
            "something finer, or give larger sizes."
        )

    def __repr__(self) -> str:
        return repr(self.table)

    def _repr_html_(self) -> str:
        return self.table._repr_html_()


def split(
    source: Source,
    by: Key | None = None,
    stratify: Key | None = None,
    sizes: Sizes = (0.8, 0.2),
    seed: int = 42,
) -> Split:
    """Split rows so that no group stands in two parts.

    `by` tells a row's group: a key (`"customer"`, `"metadata.customer"`), a compiled
    pattern searched in its text (`re.compile(r"C-\\d+")`), or a function. Without it
    the question is the group, so that copies stay together. `stratify` tells a
    row's label the same way and keeps the labels' shares alike in all parts.
    `sizes` are shares: two or three numbers, or {"train": 0.8, "test": 0.2}.

    Rows added later, at any place, move no earlier row; with `stratify` that holds
    for rows added at the end. Raises ValueError for a row without group or label.
    """
    shares = _shares(sizes)
    parts: dict[str, list[Json]] = {name: [] for name in shares}
    homes: dict[str, str] = {}
    labels: dict[str, Counter[str]] = {name: Counter() for name in shares}
    for row in read_rows(source):
        if not isinstance(row.value, dict):
            raise ValueError(
                f"line {row.line} cannot be read: {row.why_unread}; repair the file "
                "before splitting it"
            )
        group = _named(by or _own_group, row.value, row.line, "by")
        label = _named(stratify, row.value, row.line, "stratify") if stratify else ""
        if group not in homes:
            free = _deficits(shares, labels, label) if stratify else shares
            homes[group] = _drawn(free, f"{seed}\0{group}")
        parts[homes[group]].append(row.value)
        labels[homes[group]][label] += 1
    if not homes:
        raise ValueError("there is no row to split")
    counts = Counter(homes.values())
    return Split(
        parts,
        {name: counts[name] for name in shares},
        labels if stratify else defaultdict(Counter),
        source,
        by if isinstance(by, str) else "question" if by is None else "by",
    )


def _own_group(value: Json) -> str:
    """The question, or the whole example where there is none."""
    return question_of(value).strip() or whole_of(value)


def _shares(sizes: Sizes) -> dict[str, float]:
    """The parts and their shares, which add up to 1."""
    if isinstance(sizes, Mapping):
        shares = dict(sizes)
    elif isinstance(sizes, Sequence) and 2 <= len(sizes) <= len(_NAMES):
        shares = dict(zip(_NAMES, sizes, strict=False))
    else:
        raise ValueError(f"sizes are {_WANTED}, not {sizes!r}")
    if not all(isinstance(share, Real) for share in shares.values()):
        raise ValueError(f"sizes are {_WANTED}, not {sizes!r}")
    if not shares or min(shares.values()) <= 0 or not math.isclose(
        sum(shares.values()), 1, abs_tol=1e-6
    ):  # fmt: skip
        percent = sum(shares.values()) == 100
        parts = ", ".join(f"{share / 100:g}" for share in shares.values())
        meant = f". Did you mean {parts}?" if percent else ""
        raise ValueError(
            f"sizes must be positive and add up to 1, not {list(shares.values())}; "
            f'for example {{"train": 0.8, "validation": 0.1, "test": 0.1}}{meant}'
        )
    return shares


def _drawn(shares: Mapping[str, float], name: str) -> str:
    """A part drawn by its share; the same name always draws the same part."""
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).digest()
    place = int.from_bytes(digest[:8]) / 2**64 * sum(shares.values())
    for part, share in shares.items():
        place -= share
        if place < 0:
            return part
    return part


def _deficits(
    shares: Mapping[str, float], labels: Mapping[str, Counter[str]], label: str
) -> dict[str, float]:
    """How many rows of a label each part lacks; those that lack none are left out."""
    seen = sum(counts[label] for counts in labels.values()) + 1
    lacking = {
        name: share * seen - labels[name][label] for name, share in shares.items()
    }
    return {name: lack for name, lack in lacking.items() if lack > 0}


def _named(key: Key, value: Json, line: int, argument: str) -> str:
    """The name of a row's group or label."""
    if isinstance(key, str):
        found: Any = value
        for part in [key] if key in value else key.split("."):
            found = found.get(part) if isinstance(found, dict) else None
    elif isinstance(key, re.Pattern):
        match = key.search(json.dumps(value, ensure_ascii=False))
        found = match.group(match.lastindex or 0) if match else None
    else:
        found = key(value)
    if found is None or (found == "" and isinstance(key, str)):
        keys = ", ".join(map(str, value))
        raise ValueError(
            f"line {line} has nothing for {argument}={key!r}; its keys are: {keys}"
        )
    return found if isinstance(found, str) else json.dumps(found, default=str)
