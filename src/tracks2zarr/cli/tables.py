"""Tables that fit terminals of any width."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field

from rich.cells import cell_len
from rich.console import Console, ConsoleOptions, RenderResult
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

#: More columns than any line has.
UNLIMITED = 100_000
_INDENT = "  "


@dataclass(slots=True)
class Rows:
    """A table, whose first column is a name.

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
    cells: list[Sequence[Text]] = field(default_factory=list)
    bold: list[bool] = field(default_factory=list)

    def add(self, cells: Sequence[Text], *, bold: bool = False) -> None:
        """Add a row."""
        self.cells.append(cells)
        self.bold.append(bold)

    def __rich_console__(self, console: Console, options: ConsoleOptions) -> RenderResult:
        if options.max_width >= UNLIMITED:  # a file, and rich takes seconds for many rows
            yield from (Segment(f"{line}\n") for line in self._lines())
            return
        whole = self._table(0)
        stacked = (self._table(1, gap) for gap in (2, 1))
        room = options.max_width - len(_INDENT)
        rest = next((table for table in stacked if _width(console, table) <= room), None)
        if rest is None or _width(console, whole) <= options.max_width:
            yield whole
        else:
            yield from self._stacked(console, options, rest)

    def _lines(self) -> Iterator[str]:
        """Yield the lines of the table, as wide as they are and without styles."""
        rows = [self.columns, *([cell.plain for cell in cells] for cells in self.cells)]
        widths = [max(map(cell_len, column)) for column in zip(*rows, strict=True)]
        for row in rows:
            spaces = [
                " " * (width - cell_len(cell)) for width, cell in zip(widths, row, strict=True)
            ]
            yield "  ".join(
                cell + space if number < self.left else space + cell
                for number, (cell, space) in enumerate(zip(row, spaces, strict=True))
            ).rstrip()

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
        for name, line in zip(self._names(), lines, strict=True):
            name.no_wrap = False  # also where the console does not fold
            yield name
            yield Segment(_INDENT)
            yield from line
            yield Segment.line()

    def _names(self) -> Iterator[Text]:
        """Yield the first cell of each line, the head included."""
        yield Text(self.columns[0], style="bold", overflow="fold")
        for cells, bold in zip(self.cells, self.bold, strict=True):
            yield Text(cells[0].plain, style="bold" if bold else cells[0].style, overflow="fold")


def _width(console: Console, table: Table) -> int:
    """Return the width that a table needs to show all cells whole."""
    unlimited = console.options.update(max_width=UNLIMITED)
    return console.measure(table, options=unlimited).maximum
