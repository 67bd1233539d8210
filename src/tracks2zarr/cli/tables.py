"""Tables that fit terminals of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

#: More columns than any line has.
UNLIMITED = 100_000
_INDENT = "  "


@dataclass(slots=True)
class Rows:
    """A table; the cells are rich's markup, and the first column is a name.

    Where a terminal is too narrow, each name gets a separate line above the other cells. Where
    it is narrower still, cells are folded.

    Parameters
    ----------
    columns
        The heads of the columns.
    left
        How many of them are text; the others are numbers.
    """

    columns: Sequence[str]
    left: int = 1
    cells: list[Sequence[str]] = field(default_factory=list)
    bold: list[bool] = field(default_factory=list)

    def add(self, cells: Sequence[str], *, bold: bool = False) -> None:
        """Add a row."""
        self.cells.append(cells)
        self.bold.append(bold)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        whole = self._table(0)
        if options.max_width >= UNLIMITED:  # nothing to fit, and measuring many rows takes seconds
            yield whole
            return
        stacked = (self._table(1, gap) for gap in (2, 1))
        room = options.max_width - len(_INDENT)
        rest = next((table for table in stacked if _width(console, table) <= room), None)
        if rest is None or _width(console, whole) <= options.max_width:
            yield whole
        else:
            yield from self._stacked(console, options, rest)

    def _table(self, first: int, gap: int = 2) -> Table:
        """Return the columns from one on as rich's table."""
        table = Table(box=None, pad_edge=False, header_style="bold", padding=(0, gap, 0, 0))
        for number, column in enumerate(self.columns[first:], start=first):
            justify = "left" if number < self.left else "right"
            table.add_column(column, justify=justify, overflow="fold")  # type: ignore[arg-type]
        for cells, bold in zip(self.cells, self.bold, strict=True):
            table.add_row(*cells[first:], style="bold" if bold else None)
        return table

    def _stacked(self, console: Console, options: ConsoleOptions, rest: Table) -> RenderResult:
        """Yield a line for each name, and below it one for the other cells."""
        room = options.update(max_width=options.max_width - len(_INDENT))
        lines = console.render_lines(rest, room, pad=False)
        for (name, style), line in zip(self._names(), lines, strict=True):
            text = Text.from_markup(name, style=style, overflow="fold")
            text.no_wrap = False  # also where the console does not fold
            yield text
            yield Segment(_INDENT)
            yield from line
            yield Segment.line()

    def _names(self) -> Iterator[tuple[str, str]]:
        """Yield the first cell and the style of each line, the head included."""
        yield self.columns[0], "bold"
        for cells, bold in zip(self.cells, self.bold, strict=True):
            yield cells[0], "bold" if bold else ""


def _width(console: Console, table: Table) -> int:
    """Return the width that a table needs to show all cells whole."""
    unlimited = console.options.update(max_width=UNLIMITED)
    return console.measure(table, options=unlimited).maximum
