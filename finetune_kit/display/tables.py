"""The one table renderer: HTML in a notebook, plain text elsewhere, rows for JSON."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from io import StringIO
from typing import Any, Literal

TEXT_WIDTH = 100  # characters of the text twin, fixed so that outputs can be compared
LEAST_WIDTH = 20  # of a column of running text
# Rules belong to rows and padding to the page: styles in each cell made half of the
# size of a notebook's outputs.
ROW = "border-bottom:1px solid rgba(128,128,128,.45)"
HEAD = f"{ROW};background:rgba(128,128,128,.15)"
LONG = "max-width:26em;vertical-align:top;"  # where a text takes several lines
ONE_LINE = 40  # characters


@dataclass
class Table:
    """Named columns and rows of values; numbers are set right, the rest left."""

    columns: Sequence[str]
    rows: Sequence[Sequence[Any]]
    caption: str = ""
    note: str = ""

    def __post_init__(self) -> None:
        for number, row in enumerate(self.rows, 1):
            if len(row) != len(self.columns):
                raise ValueError(
                    f"Row {number} of the table has {len(row)} values, but there are "
                    f"{len(self.columns)} columns: {', '.join(self.columns)}."
                )

    def to_dicts(self) -> list[dict[str, Any]]:
        """One dictionary a row, for ``--json``."""
        return [dict(zip(self.columns, row, strict=True)) for row in self.rows]

    def _repr_html_(self) -> str:
        head = "".join(
            f'<th scope="col" style="text-align:{self._side(index)}">'
            f"{html.escape(name)}</th>"
            for index, name in enumerate(self.columns)
        )
        texts = [_text(value) for row in self.rows for value in row]
        style = LONG if any(len(text) > ONE_LINE for text in texts) else ""
        body = "".join(
            f'<tr style="{ROW}">{self._cells(row, style)}</tr>' for row in self.rows
        )
        note = f'<div style="opacity:.8">{html.escape(self.note)}</div>'
        return (
            '<table cellpadding="6" style="border-collapse:collapse;line-height:1.4">'
            f"{self._caption()}<thead>"
            f'<tr style="{HEAD}">{head}</tr></thead>'
            f"<tbody>{body}</tbody></table>{note if self.note else ''}"
        )

    def _caption(self) -> str:
        style = "text-align:left;font-weight:bold;padding:.3em 0;color:inherit"
        text = html.escape(self.caption)
        return f'<caption style="{style}">{text}</caption>' if self.caption else ""

    def _cells(self, row: Sequence[Any], style: str) -> str:
        return "".join(
            f'<td style="{style}text-align:{self._side(index)}">'
            f"{html.escape(_text(value))}</td>"
            for index, value in enumerate(row)
        )

    def _side(self, index: int) -> Literal["left", "right"]:
        values = [row[index] for row in self.rows if row[index] is not None]
        numbers = values and all(isinstance(value, int | float) for value in values)
        return "right" if numbers else "left"

    def __repr__(self) -> str:
        from rich import box
        from rich.console import Console
        from rich.table import Table as RichTable
        from rich.text import Text

        table = RichTable(box=box.SIMPLE_HEAD, title_justify="left", title_style="")
        table.title = Text(self.caption) if self.caption else None
        width = 2  # the edges
        for index, name in enumerate(self.columns):
            texts = [name, *(_text(row[index]) for row in self.rows)]
            one_word = not any(
                " " in text for text in texts
            )  # an id stays in one piece
            least = max(map(len, texts)) if one_word else LEAST_WIDTH
            width += least + 3  # two of padding, one between columns
            table.add_column(Text(name), justify=self._side(index), no_wrap=one_word)
        for row in self.rows:
            table.add_row(*(Text(_text(value)) for value in row))
        out = StringIO()
        console = Console(
            file=out,
            width=max(width, TEXT_WIDTH),
            color_system=None,
            force_jupyter=False,  # or it would show the table in the notebook as well
        )
        console.print(table)
        lines = [line.rstrip() for line in out.getvalue().splitlines()]
        return "\n".join([*filter(None, lines), *filter(None, [self.note])])


def _text(value: Any) -> str:
    if value is None:
        return ""
    return f"{value:.3f}" if isinstance(value, float) else str(value)
