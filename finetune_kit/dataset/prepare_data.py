"""The successor of `openai tools fine_tunes.prepare_data`: look, mend, split, write.

`prepare_data` looks; what it returns says what is needed and what is recommended,
makes the changes that are accepted, and writes them beside the original, which stays.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import partial
from os import PathLike
from pathlib import Path
from typing import Any, Literal

from finetune_kit import catalog
from finetune_kit.display.tables import Table

from . import chat_steps, completion_steps, tokens
from .affixes import ending, separator, visible
from .convert import convert
from .findings import Report
from .read import Source, kind, read
from .remedies import CannotPrepare, Remedy, Row
from .saving import line_of, write_lines
from .tables import BROKEN_SHEET

DataFormat = Literal["chat", "completion"]
Accept = Callable[[str], bool]

DEFAULT_MODELS = {"chat": "gpt-4.1-mini-2025-04-14", "completion": "babbage-002"}
_MOST_VALIDATION = 1000
_TRAINING_SHARE = 0.8
_SEED = 42
_FORMAT_NAMES = {"json_array": "JSON", "pretty_json": "JSON"}


@dataclass
class Prepared:
    """Rows with the accepted changes made, and what there is to know of them."""

    file: str | None
    format: DataFormat
    rows: list[Row]
    changed: bool

    @property
    def task(self) -> str:
        """Open-ended or conditional generation, or classification."""
        return _infer_task(self.format, self.rows)

    def split(self) -> tuple[list[Row], list[Row]]:
        """Training and validation rows: a fifth, at most 1,000, for validation.

        The very rows that the old tool chose: pandas' `sample` with seed 42.
        """
        import numpy

        total = len(self.rows)
        n_train = max(total - _MOST_VALIDATION, int(total * _TRAINING_SHARE))
        order = numpy.random.RandomState(_SEED).permutation(total)[:n_train].tolist()
        chosen = set(order)
        rest = [row for place, row in enumerate(self.rows) if place not in chosen]
        return [self.rows[place] for place in order], rest

    def write(
        self, output: str | PathLike[str] | None = None, split: bool = False
    ) -> list[Path]:
        """Write the rows, or both parts of their split, and return the new paths.

        The names are `<file>_prepared.jsonl`, or `…_prepared_train.jsonl` and
        `…_prepared_valid.jsonl`, or made from ``output``; a name that exists is never
        overwritten, but numbered. Raises ValueError where there is no name to make
        them from.
        """
        parts = self.split() if split else (self.rows,)
        paths = self._names(output, ("_train", "_valid") if split else ("",))
        for path, rows in zip(paths, parts, strict=True):
            write_lines(path, map(line_of, rows))
        return paths

    def _names(
        self, output: str | PathLike[str] | None, marks: tuple[str, ...]
    ) -> list[Path]:
        if output is not None:
            stem = Path(output)
            stem = stem.with_suffix("") if stem.suffix == ".jsonl" else stem
        elif self.file is not None:
            original = Path(self.file)
            stem = original.with_name(f"{original.stem}_prepared")
        else:
            raise ValueError("These rows have no file: name the output.")
        number = 0
        while True:
            again = f" ({number})" if number else ""
            names = [stem.with_name(f"{stem.name}{m}{again}.jsonl") for m in marks]
            if not any(name.exists() for name in names):
                return names
            number += 1

    @property
    def separator(self) -> str:
        """The sign that every prompt must end with when the tuned model is asked."""
        if self.format == "chat" or self.task == "open-ended generation":
            return ""
        return separator(completion_steps.texts(self.rows, "prompt"))

    @property
    def stop(self) -> str:
        """The stop sequence for the tuned model, where the completions end alike."""
        if self.format == "chat":
            return ""
        return ending(completion_steps.texts(self.rows, "completion"))

    def hints(self) -> list[str]:
        """What to remember when the tuned model is used."""
        hints = []
        if self.separator:
            hints.append(
                "After you've fine-tuned a model, remember that your prompt has to end "
                f"with the indicator string `{visible(self.separator)}` for the model "
                "to start generating completions, rather than continuing with the "
                "prompt."
            )
        if self.stop:
            hints.append(
                f'Make sure to include `stop=["{visible(self.stop)}"]` so that the '
                "generated texts end at the expected place."
            )
        if self.format == "completion" and self.task == "classification":
            hints.append(self._classes())
        return hints

    def _classes(self) -> str:
        counts = Counter(completion_steps.texts(self.rows, "completion"))
        if len(counts) == 2:
            (positive, _), _ = counts.most_common()
            flag = f'--classification_positive_class "{positive}"'
        else:
            flag = f"--classification_n_classes {len(counts)}"
        return f"In the 2023 API: --compute_classification_metrics {flag}"

    def check(self) -> Report:
        """The checker's report on the rows as they would be written."""
        from . import check

        return check(self.rows, format=self.format)


@dataclass
class Preparation:
    """What was found in the data; nothing is changed or written yet.

    ``rows`` have the needed changes; the recommended ones are made by `apply`.
    """

    file: str | None
    format: DataFormat
    rows: list[Row]
    remedies: list[Remedy] = field(default_factory=list)

    @property
    def needed(self) -> list[str]:
        return [remedy.needed for remedy in self.remedies if remedy.needed]

    @property
    def advised(self) -> list[str]:
        return [remedy.advised for remedy in self.remedies if remedy.advised]

    def apply(self, accept: Accept = lambda advised: True) -> Prepared:
        """Make the recommended changes that ``accept`` says yes to, all as it is."""
        rows, changed = self.rows, bool(self.needed)
        for remedy in self.remedies:
            if remedy.advised and remedy.change and accept(remedy.advised):
                rows, changed = remedy.change(rows), True
        return Prepared(self.file, self.format, rows, changed)

    def table(self) -> Table:
        rows = [
            [
                remedy.said,
                "needed" if remedy.needed else "recommended" if remedy.advised else "",
                remedy.needed or remedy.advised,
            ]
            for remedy in self.remedies
            if remedy.said or remedy.needed
        ]
        return Table(["found", "", "change"], rows, caption=self.file or "")

    def __repr__(self) -> str:
        return repr(self.table())

    def _repr_html_(self) -> str:
        return self.table()._repr_html_()


def prepare_data(
    source: Source, model: str | None = None, to: DataFormat | None = None
) -> Preparation:
    """Look through training data in any file format and say what should be done.

    Prompt/completion rows go through the steps of the old tool, chat rows through the
    matching ones; ``to`` converts them first. Examples are long beyond the limit of
    ``model``; without one beyond 10,000 characters, as in 2023, and in chats beyond the
    limit of gpt-4.1-mini. Raises CannotPrepare, a ValueError, where the data cannot be
    mended, and OSError where a path cannot be read.
    """
    rows, remedies = _read(source)
    found = _format_of(rows)
    if to and to != found:
        rows, conversion = _converted(rows, found, to)
        remedies.append(conversion)
        found = to
    for step in _steps(found, model):
        remedy = step(rows)
        if remedy is None:
            continue
        remedies.append(remedy)
        if remedy.change and not remedy.advised:
            rows = remedy.change(rows)
    name = str(source) if isinstance(source, str | PathLike) else None
    return Preparation(name, found, rows, remedies)


def _converted(
    rows: list[Row], found: DataFormat, to: DataFormat
) -> tuple[list[Row], Remedy]:
    """The rows in the other format; those that cannot be converted are left out."""
    conversion = convert(rows, to)
    left_out = {number for number, _ in conversion.skipped}
    kept = [row for number, row in enumerate(rows, start=1) if number not in left_out]
    said = [f"The {found} rows become {to} rows", *conversion.notes]
    said += [
        f"line {rows[number - 1].line} is left out: {why}"
        for number, why in conversion.skipped
    ]
    remedy = Remedy(
        "conversion",
        said="; ".join(said),
        needed=f"Convert {len(kept)} {found} rows to {to} rows",
    )
    changed = zip(kept, conversion.rows, strict=True)
    return [row.of(value) for row, value in changed], remedy


def _read(source: Source) -> tuple[list[Row], list[Remedy]]:
    """The rows as they came, and the conversions that reading them amounts to."""
    rows: list[Row] = []
    remedies = _conversions(source)
    for row in read(source):
        codes = {fault.code for fault in row.faults}
        if codes & {"utf16", "bom"}:
            remedies.append(
                Remedy("encoding", needed="Your encoding will be converted to `UTF-8`")
            )
        if isinstance(row.value, dict) and row.number:
            rows.append(Row(row.value, row.line))
        elif row.number and "blank_line" not in codes:
            raise CannotPrepare(
                f"line {row.line} cannot be read: {row.why_unread}. "
                "`finetune-kit check` shows all such lines and how to fix them."
            )
    if not rows:
        raise CannotPrepare("there is no row in the data.")
    return rows, remedies


def _conversions(source: Source) -> list[Remedy]:
    found = kind(source)
    if found is None:
        return []
    name = _FORMAT_NAMES.get(found, found.upper())
    suffix = Path(source).suffix if isinstance(source, str | PathLike) else ".jsonl"
    if found == "jsonl" and suffix.lower() != ".jsonl":
        name = suffix[1:].upper() or "unnamed"
    if name == "JSONL":
        return []
    said = f"Your file is formatted as a {name} file"
    if found == "xlsx" and (sheets := _sheets(source)) > 1:
        said += f". It contains {sheets} sheets. WARNING: only the first sheet is read"
    needed = f"Your format `{name}` will be converted to `JSONL`"
    return [Remedy("read_any_format", said=said, needed=needed)]


def _sheets(source: Any) -> int:
    import io

    import openpyxl

    file = io.BytesIO(source) if isinstance(source, bytes) else source
    try:
        book = openpyxl.load_workbook(file, read_only=True)
    except BROKEN_SHEET:
        return 0  # reading it says what is wrong
    try:
        return len(book.sheetnames)
    finally:
        book.close()


def _format_of(rows: list[Row]) -> DataFormat:
    """Chat where any row has messages; all else is looked at as prompt/completion."""
    keys = {str(key).lower() for row in rows for key in row}
    if {"preferred_output", "non_preferred_output"} & keys:
        raise CannotPrepare(
            "these are preference pairs, which need none of these steps; "
            "`finetune-kit check` checks them."
        )
    return "chat" if "messages" in keys else "completion"


def _steps(found: DataFormat, model: str | None) -> list[completion_steps.Step]:
    if found == "completion" and model is None:
        return completion_steps.completion_steps()
    base = catalog.base(model or DEFAULT_MODELS[found])
    if base is None:
        known = ", ".join(base.name for base in catalog.bases())
        raise ValueError(f"No model {model!r} is known. Known: {known}.")
    limit = base.training_example_tokens
    if found == "chat":
        return chat_steps.chat_steps(partial(_chat_tokens, base.encoding), limit)
    measure = partial(_completion_tokens, base.encoding)
    by_tokens = partial(completion_steps.long_examples, measure, limit, "tokens")
    return completion_steps.completion_steps(by_tokens)


def _chat_tokens(encoding: str, row: Row) -> int:
    return tokens.chat_tokens(chat_steps.messages(row), encoding)


def _completion_tokens(encoding: str, row: Row) -> int:
    return tokens.count(row["prompt"] + row["completion"], encoding)


def _infer_task(found: DataFormat, rows: list[Row]) -> str:
    if found == "chat":
        return chat_steps.infer_task(rows)
    return completion_steps.infer_task(rows)
