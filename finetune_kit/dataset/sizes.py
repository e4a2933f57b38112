"""How many tokens a data file holds: by example, by role, and over the limit."""

from __future__ import annotations

from array import array
from collections import deque
from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Future, ProcessPoolExecutor
from dataclasses import dataclass, field
from itertools import islice
from multiprocessing import get_context
from os import PathLike
from pathlib import Path
from statistics import median
from typing import Any

from finetune_kit import catalog
from finetune_kit.display.tables import Table

from . import tokens
from .quick import processes
from .read import Source, read_rows

#: An image of `detail: low` (OpenAI, vision guide); others cost more, by their size.
TOKENS_PER_IMAGE = 85
_CHUNK = 2_000  # rows that a worker gets at once
_SHOWN_CUT = 60  # characters

Numbered = tuple[int, Mapping[str, Any]]


@dataclass(frozen=True, slots=True)
class Truncation:
    """An example over the limit: the service trains on its beginning only.

    ``cut`` tokens are lost, from ``role``'s text ``lost`` on to the end.
    """

    line: int
    tokens: int
    cut: int
    role: str
    lost: str


@dataclass
class Sizes:
    """Token counts of a file in the encoding of ``model``.

    ``tokens[i]`` is the size of the example in line ``lines[i]``, whole;
    ``roles[role][i]`` what a role has in it. ``trained`` counts what one epoch trains
    on, cut at the limit; ``bare`` the same without the three tokens around a message.
    ``images`` are counted at 85 tokens each, which is approximate; ``unread`` are the
    lines without an example: unreadable, or without messages and texts.
    """

    file: str | None
    model: str
    encoding: str
    limit: int
    lines: array[int] = field(default_factory=lambda: array("Q"))
    tokens: array[int] = field(default_factory=lambda: array("Q"))
    roles: dict[str, array[int]] = field(default_factory=dict)
    truncated: list[Truncation] = field(default_factory=list)
    trained: int = 0
    bare: int = 0
    images: int = 0
    unread: array[int] = field(default_factory=lambda: array("Q"))

    @property
    def examples(self) -> int:
        return len(self.tokens)

    def require_tokens(self) -> None:
        """Raises ValueError where no example has a token to train on."""
        if not self.trained:
            file = self.file or "FILE"
            raise ValueError(
                f"{self.file or 'The data'} has nothing to train on: no row has "
                "`messages`, or a `prompt` and `completion`, with text. "
                f"`finetune-kit check {file}` says what is wrong; "
                f"`finetune-kit convert {file}` makes examples of other rows."
            )

    def mean(self, *roles: str) -> float:
        """Tokens that some roles have together in an average example."""
        total = sum(sum(self.roles.get(role, ())) for role in roles)
        return total / max(1, self.examples)

    def table(self) -> Table:
        """Tokens by role and together: all, and of the examples that have any."""
        rows = [_statistics(role, counts) for role, counts in self.roles.items()]
        rows.append(_statistics("together", self.tokens))
        columns = ["role", "tokens", "examples", "median", "95 % below", "largest"]
        return Table(columns, rows, caption=self._caption(), note=self._note())

    def _caption(self) -> str:
        name = f"{Path(self.file).name}: " if self.file else ""
        count = "1 example" if self.examples == 1 else f"{self.examples:,} examples"
        return f"{name}{count}, counted in {self.encoding}"

    def _note(self) -> str:
        notes = []
        if self.truncated:
            lines = _listed([one.line for one in self.truncated])
            notes.append(
                f"{len(self.truncated):,} over the limit of {self.limit:,} tokens an "
                f"example for {self.model}, cut there ({lines})."
            )
        elif self.examples:
            notes.append(f"None over the limit of {self.limit:,} tokens an example.")
        if self.images:
            notes.append(
                f"{self.images:,} images counted at {TOKENS_PER_IMAGE} tokens each; "
                "large ones cost more."
            )
        return " ".join([*notes, *self.left_out()])

    def left_out(self) -> list[str]:
        """A sentence about the lines that are not counted, where there are some."""
        if not self.unread:
            return []
        return [
            f"Lines that hold no example: {len(self.unread):,} "
            f"({_listed(self.unread)}); `finetune-kit check` says why."
        ]

    def to_dict(self) -> dict[str, Any]:
        return {
            "file": self.file,
            "model": self.model,
            "encoding": self.encoding,
            "limit": self.limit,
            "examples": self.examples,
            "tokens": sum(self.tokens),
            "trained_tokens_per_epoch": self.trained,
            "images": self.images,
            "unread_lines": len(self.unread),
            "roles": self.table().to_dicts(),
            "truncated": [
                {name: getattr(one, name) for name in Truncation.__slots__}
                for one in self.truncated
            ],
        }

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def sizes(source: Source, model: str = "gpt-4.1-mini", workers: int = 1) -> Sizes:
    """Count the tokens of every example in a file, bytes, a DataFrame or a list.

    ``workers`` processes count at once; 0 takes all cores. They are spawned, so a
    script that asks for them needs its `if __name__ == "__main__"`. Raises ValueError
    for a model that the catalog does not know.
    """
    base = catalog.base(model)
    if base is None:
        known = ", ".join(base.name for base in catalog.bases())
        raise ValueError(f"No model {model!r} is known. Known: {known}.")
    name = str(source) if isinstance(source, str | PathLike) else None
    found = Sizes(name, base.name, base.encoding, base.training_example_tokens)
    rows = _numbered(source, found)
    for line, size in _counted(rows, base.encoding, found.limit, workers):
        _add(found, line, size)
    return found


@dataclass(slots=True)
class _Size:
    roles: dict[str, int]
    messages: int = 0
    images: int = 0
    truncation: tuple[str, str] | None = None


def _numbered(source: Source, found: Sizes) -> Iterator[Numbered]:
    for row in read_rows(source):
        if isinstance(row.value, dict) and _is_example(row.value):
            yield row.line, row.value
        else:
            found.unread.append(row.line)


def _is_example(value: Mapping[str, Any]) -> bool:
    texts = (value.get("prompt"), value.get("completion"))
    return any(isinstance(text, str) for text in texts) or any(
        True for _ in messages_of(value)
    )


def _add(found: Sizes, line: int, size: _Size) -> None:
    place, total = found.examples, sum(size.roles.values())
    found.lines.append(line)
    found.tokens.append(total)
    for role, counted in size.roles.items():
        column = found.roles.setdefault(role, array("Q"))
        column.extend([0] * (place - len(column)))
        column.append(counted)
    found.trained += min(total, found.limit)
    found.bare += min(total - tokens.TOKENS_PER_MESSAGE * size.messages, found.limit)
    found.images += size.images
    if size.truncation:
        cut = total - found.limit
        found.truncated.append(Truncation(line, total, cut, *size.truncation))


def _counted(
    rows: Iterator[Numbered], encoding: str, limit: int, workers: int
) -> Iterator[tuple[int, _Size]]:
    workers = processes(workers)
    chunks = iter(lambda: list(islice(rows, _CHUNK)), [])
    if workers == 1:
        for chunk in chunks:
            yield from _count_chunk(chunk, encoding, limit)
        return
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn")) as pool:
        running: deque[Future[list[tuple[int, _Size]]]] = deque()
        for chunk in chunks:
            running.append(pool.submit(_count_chunk, chunk, encoding, limit))
            if len(running) > 2 * workers:
                yield from running.popleft().result()
        for future in running:
            yield from future.result()


def _count_chunk(
    rows: Iterable[Numbered], encoding: str, limit: int
) -> list[tuple[int, _Size]]:
    return [(line, _size(value, encoding, limit)) for line, value in rows]


def _size(value: Mapping[str, Any], encoding: str, limit: int) -> _Size:
    size = _Size({})
    count_message = tokens.message_counter(encoding)
    for role, message in messages_of(value):
        counted = count_message(message)
        size.messages += 1
        images = _images(message) if isinstance(message.get("content"), list) else 0
        size.images += images
        size.roles[role] = size.roles.get(role, 0) + counted + TOKENS_PER_IMAGE * images
    for role, text in texts_of(value):
        size.roles[role] = size.roles.get(role, 0) + tokens.count(text, encoding)
    if sum(size.roles.values()) > limit:
        size.truncation = _lost(value, encoding, limit)
    return size


def messages_of(value: Mapping[str, Any]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """The messages of a chat, preference or reinforcement row with their roles."""
    inner = value.get("input")
    inner = inner.get("messages") if isinstance(inner, dict) else None
    for key, found in (
        ("", value.get("messages")),
        ("", inner),
        ("preferred_output", value.get("preferred_output")),
        ("non_preferred_output", value.get("non_preferred_output")),
    ):
        for message in found if isinstance(found, list) else ():
            if isinstance(message, dict):
                yield key or str(message.get("role", "")), message


def texts_of(value: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Prompt, completion and tool definitions."""
    for key in ("prompt", "completion"):
        if isinstance(value.get(key), str):
            yield key, value[key]
    inner = value.get("input")
    for holder in (value, inner if isinstance(inner, dict) else {}):
        yield from (("tools", text) for text in tokens.tool_texts(holder))


def _images(message: Mapping[str, Any]) -> int:
    return sum(
        isinstance(part, dict) and part.get("type") == "image_url"
        for part in message["content"]
    )


def _lost(value: Mapping[str, Any], encoding: str, limit: int) -> tuple[str, str]:
    """The role in whose text the limit falls, and the beginning of what is cut off."""
    encode = tokens.encoding(encoding)
    count_message = tokens.message_counter(encoding)
    left, role = limit, "tools"
    for role, message in messages_of(value):
        content = message.get("content")
        counted = count_message(message)
        if counted > left:
            if not isinstance(content, str):
                return role, ""
            ids = encode.encode_ordinary(content)
            kept = max(0, left - (counted - len(ids)))
            return role, encode.decode(ids[kept : kept + _SHOWN_CUT])[:_SHOWN_CUT]
        left -= counted
    for role, text in texts_of(value):
        ids = encode.encode_ordinary(text)
        if len(ids) > left:
            return role, encode.decode(ids[left : left + _SHOWN_CUT])[:_SHOWN_CUT]
        left -= len(ids)
    return role, ""


def _listed(lines: Sequence[int]) -> str:
    more = ", …" if len(lines) > 10 else ""
    return f"line {', '.join(map(str, lines[:10]))}{more}"


def _statistics(role: str, counts: array[int]) -> list[Any]:
    some = sorted(count for count in counts if count)
    if not some:
        return [role, 0, 0, 0, 0, 0]
    below = some[max(0, -(-95 * len(some) // 100) - 1)]
    return [role, sum(some), len(some), round(median(some)), below, some[-1]]
