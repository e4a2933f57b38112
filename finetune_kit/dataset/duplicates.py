"""Copies and near copies, within a file and across files (leakage)."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from itertools import combinations
from numbers import Real
from os import PathLike
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, get_args

from .example_texts import question_of, whole_of
from .read import Source, read_rows

if TYPE_CHECKING:
    from finetune_kit.display.tables import Table

Of = Literal["example", "question"]

#: Five-character pieces that two texts share: a word in ten changed gives about 0.7.
NEAR = 0.7
_SHOWN = 20
_EXCERPT = 70  # characters


@dataclass(frozen=True, slots=True)
class Member:
    """One example of a group: the name of its source and its line there."""

    source: str
    line: int
    text: str


@dataclass(frozen=True, slots=True)
class Group:
    """Examples that say the same; `similarity` is that of the least similar link."""

    members: tuple[Member, ...]
    similarity: float

    @property
    def exact(self) -> bool:
        return len({member.text for member in self.members}) == 1

    @property
    def sources(self) -> list[str]:
        """The sources that it stands in, each once."""
        return list(dict.fromkeys(member.source for member in self.members))

    @property
    def leaks(self) -> bool:
        """Whether it stands in more than one source."""
        return len(self.sources) > 1


@dataclass(slots=True)
class Duplicates:
    """All groups of copies and near copies, the most alike first.

    `counts` says how many examples each source has, `unread` which lines of it hold
    none that could be read.
    """

    groups: list[Group]
    counts: dict[str, int]
    of: str
    threshold: float
    unread: dict[str, list[int]] = field(default_factory=dict)

    @property
    def leaks(self) -> list[Group]:
        """The groups that stand in more than one source."""
        return [group for group in self.groups if group.leaks]

    @property
    def extra_lines(self) -> dict[str, list[int]]:
        """Lines to leave out, by source, so that each group is left once.

        Kept is the first line of the last source that the group stands in: an
        example that stands in training and validation leaves the training file.
        """
        found: dict[str, list[int]] = defaultdict(list)
        order = {name: number for number, name in enumerate(self.counts)}
        for group in self.groups:
            last = max(order[name] for name in group.sources)
            keep = next(m for m in group.members if order[m.source] == last)
            for member in group.members:
                if member is not keep:
                    found[member.source].append(member.line)
        return {name: sorted(lines) for name, lines in found.items()}

    @property
    def table(self) -> Table:
        """The groups, one a row: how alike, where, and how one of them begins."""
        from finetune_kit.display.tables import Table

        rows = [
            [
                "exact" if group.exact else "near",
                round(group.similarity, 2),
                "yes" if group.leaks else "",
                _places(group),
                _excerpt(group.members[0].text),
            ]
            for group in self.groups[:_SHOWN]
        ]
        left_off = len(self.groups) - _SHOWN
        note = f"and {left_off:,} more in .groups" if left_off > 0 else ""
        columns = ["kind", "similarity", "leak", "lines", "text"]
        return Table(columns, rows, caption=self.summary, note=note)

    @property
    def matrix(self) -> Table:
        """How many groups each pair of sources shares; the diagonal is within one."""
        from finetune_kit.display.tables import Table

        shared: Counter[tuple[str, str]] = Counter()
        for group in self.groups:
            within = Counter(member.source for member in group.members)
            shared.update((name, name) for name, n in within.items() if n > 1)
            for one, two in combinations(group.sources, 2):
                shared.update([(one, two), (two, one)])
        names = list(self.counts)
        rows = [[one, *(shared[one, two] for two in names)] for one in names]
        return Table(["groups in", *names], rows)

    @property
    def summary(self) -> str:
        """One line: how many groups of which kind in how many examples."""
        exact = sum(group.exact for group in self.groups)
        total = sum(self.counts.values())
        across = f", {len(self.leaks):,} across files" if len(self.counts) > 1 else ""
        things = "questions" if self.of == "question" else "examples"
        left_out = f"; {_unread(self.unread)}" if self.unread else ""
        if not self.groups:
            return f"no duplicates among {total:,} {things}{left_out}"
        return (
            f"{exact:,} exact and {len(self.groups) - exact:,} near duplicates among "
            f"{total:,} {things}{across}{left_out}"
        )

    def to_dict(self) -> dict[str, Any]:
        """The groups for programs."""
        return {
            "of": self.of,
            "threshold": self.threshold,
            "examples": self.counts,
            "unread": self.unread,
            "groups": [
                {
                    "exact": group.exact,
                    "similarity": round(group.similarity, 4),
                    "leaks": group.leaks,
                    "members": [[m.source, m.line] for m in group.members],
                }
                for group in self.groups
            ],
        }

    def __repr__(self) -> str:
        return repr(self.table) if self.groups else self.summary

    def _repr_html_(self) -> str:
        matrix = self.matrix._repr_html_() if len(self.counts) > 1 else ""
        return self.table._repr_html_() + matrix


def duplicates(
    source: Source,
    *others: Source,
    of: Of = "example",
    threshold: float | None = NEAR,
) -> Duplicates:
    """Find what stands twice within `source` and `others`, or in several of them.

    `of="question"` compares what the model is given and leaves the answers out: a
    validation question that also stands in training is a leak whatever its answer.
    System prompts never count. `threshold` is the share of five-character pieces
    that near duplicates have in common, from 0.5 to 1; None finds exact copies only.
    Lines that cannot be read are counted; ValueError where a source has no others.
    """
    if of not in get_args(Of):
        raise ValueError(f"of must be one of {', '.join(get_args(Of))}, not {of!r}")
    number = isinstance(threshold, Real) and 0.5 <= threshold <= 1
    if threshold is not None and not number:
        raise ValueError(f"threshold must lie between 0.5 and 1, not {threshold!r}")
    sources = dict(zip(_names([source, *others]), [source, *others], strict=True))
    text_of = question_of if of == "question" else whole_of
    members: list[Member] = []
    unread: dict[str, list[int]] = defaultdict(list)
    for name, rows in sources.items():
        for row in read_rows(rows):
            if isinstance(row.value, dict):
                members.append(Member(name, row.line, text_of(row.value)))
            else:
                unread[name].append(row.line)
    counts = Counter(member.source for member in members)
    if empty := {name: lines for name, lines in unread.items() if not counts[name]}:
        raise ValueError(f"Nothing to compare: {_unread(empty)}")
    found = _groups(members, threshold)
    return Duplicates(
        sorted(found, key=lambda group: (-group.similarity, not group.exact)),
        {name: counts[name] for name in sources},
        of,
        1.0 if threshold is None else threshold,
        dict(unread),
    )


def _groups(members: Sequence[Member], threshold: float | None) -> Iterable[Group]:
    same: dict[str, list[Member]] = defaultdict(list)
    for member in members:
        same[member.text].append(member)
    texts = list(same)
    clusters = {n: [n] for n in range(len(texts))}
    least = dict.fromkeys(clusters, 1.0)
    if threshold is not None and len(texts) > 1:
        from .near import Joined, normalised, similar_pairs  # numpy, so not at once

        joined = Joined(len(texts))
        for one, two, share in similar_pairs([*map(normalised, texts)], threshold):
            first, second = sorted((joined.root(one), joined.root(two)))
            joined.join(first, second)
            clusters[first] += clusters.pop(second)
            least[first] = min(least[first], least[second], share)
    order = {id(member): n for n, member in enumerate(members)}
    for root, numbers in clusters.items():
        group = [member for number in numbers for member in same[texts[number]]]
        if len(group) > 1:
            group.sort(key=lambda member: order[id(member)])
            yield Group(tuple(group), least[root])


def _names(sources: Sequence[Source]) -> list[str]:
    """A name for each source: the file's, as short as tells them apart."""
    paths = [Path(s) if isinstance(s, str | PathLike) else None for s in sources]
    short = [path.name if path else f"rows {n}" for n, path in enumerate(paths, 1)]
    full = [
        str(path) if path and short.count(name) > 1 else name
        for path, name in zip(paths, short, strict=True)
    ]
    return [
        name if full.count(name) == 1 else f"{name} ({n})"
        for n, name in enumerate(full, start=1)
    ]


def _places(group: Group) -> str:
    by_source: dict[str, list[int]] = defaultdict(list)
    for member in group.members:
        by_source[member.source].append(member.line)
    return _listed(by_source)


def _listed(lines: dict[str, list[int]]) -> str:
    return "; ".join(
        f"{name}: {', '.join(map(str, some[:5]))}{' …' if len(some) > 5 else ''}"
        for name, some in lines.items()
    )


def _unread(lines: dict[str, list[int]]) -> str:
    """How many lines could not be read, where the first are, and what says why."""
    count = sum(map(len, lines.values()))
    things = "1 line" if count == 1 else f"{count:,} lines"
    return (
        f"{things} could not be read ({_listed(lines)}); `finetune-kit check` says why"
    )


def _excerpt(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _EXCERPT else f"{line[:_EXCERPT]}…"
