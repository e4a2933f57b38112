"""Looking through a data file, one example at a time."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from finetune_kit import catalog
from finetune_kit.dataset.passages import passages
from finetune_kit.dataset.read import Row, Source, name_of, read_rows, refuse_count
from finetune_kit.display.cards import Card
from finetune_kit.display.strips import KEY, Strips
from finetune_kit.display.widgets.panel import ROW, Panel, Stack

if TYPE_CHECKING:
    import ipywidgets

TO_COUNT = "gpt-4.1-mini"


def example_browser(
    source: Source, n: int = 3, model: str = TO_COUNT
) -> ExampleBrowser:
    """Examples of any format, token by token: previous, next, line, filter.

    Where controls do not live, the first ``n`` examples. Tokens are counted as for
    ``model``. Raises ValueError for data without examples or an unknown model.
    """
    return ExampleBrowser(source, n, model)


class ExampleBrowser(Panel):
    """The rows of data; the line and the filter say which one is shown."""

    def __init__(self, source: Source, n: int, model: str) -> None:
        refuse_count(n)
        base = catalog.base(model)
        if base is None:
            raise ValueError(f"No model {model!r} is known.")
        self.name, self.n, self.base = name_of(source), n, base
        self.rows = list(read_rows(source))
        if not self.rows:
            raise ValueError(f"There is no example in {self.name}.")
        self.line, self.filter = _fields(self.rows[0].line, self.rows[-1].line)

    def twin(self) -> Stack:
        shown = [self._strips(row) for row in self.rows[: self.n]]
        counted = f"{len(self.rows):,} examples, the first {len(shown)} here"
        return Stack([Card(f"{self.name}: {counted}", [KEY]), *shown])

    def controls(self) -> ipywidgets.Widget:
        from ipywidgets import Button, HBox, Layout

        back, on = Button(description="Previous"), Button(description="Next")
        back.on_click(lambda _: self.move(-1))
        on.on_click(lambda _: self.move(1))
        for field in (self.line, self.filter):
            field.observe(self.refresh, "value")
        return HBox([back, on, self.line, self.filter], layout=Layout(**ROW))

    def move(self, by: int) -> None:
        """Go to the previous or next example that the filter lets through."""
        found = self._found()
        if found:
            place = found.index(self._current(found)) + by
            self.line.value = found[max(0, min(place, len(found) - 1))].line

    def result(self) -> Any:
        found = self._found()
        if not found:
            return Card(f"No example says “{self.filter.value}”")
        row = self._current(found)
        place = f"Example {found.index(row) + 1:,} of {len(found):,}"
        wanted = f" with “{self.filter.value}”" if self.filter.value else ""
        return Stack([self._strips(row, f"{place}{wanted} · line {row.line}"), KEY])

    def _strips(self, row: Row, heading: str = "") -> Strips:
        return Strips(row, self.base.name, self.base.encoding, heading)

    def _found(self) -> list[Row]:
        wanted = self.filter.value.casefold()
        return [row for row in self.rows if not wanted or wanted in _text(row)]

    def _current(self, found: list[Row]) -> Row:
        """The first example from the chosen line on, else the last one."""
        after = (row for row in found if row.line >= self.line.value)
        return next(after, found[-1])


def _text(row: Row) -> str:
    if not isinstance(row.value, dict):
        return row.text.casefold()
    return "\n".join(passage.text for passage in passages(row.value)).casefold()


def _fields(first: int, last: int) -> tuple[Any, Any]:
    from ipywidgets import BoundedIntText, Layout, Text

    small, wide = Layout(width="9em"), Layout(width="18em")
    line = BoundedIntText(
        first,
        min=first,
        max=last,
        description="Line",
        style={"description_width": "3em"},
        layout=small,
    )
    filter_ = Text(
        description="Filter",
        placeholder="a word, then Enter",
        continuous_update=False,
        style={"description_width": "4em"},
        layout=wide,
    )
    return line, filter_
