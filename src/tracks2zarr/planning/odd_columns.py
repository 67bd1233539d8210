"""Further columns that are text only because a spreadsheet wrote some of their cells otherwise."""

from __future__ import annotations

import re
from collections.abc import Sequence
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.planning.clip_columns import typed_column
from tracks2zarr.planning.metadata_cells import is_empty

#: Cells as spreadsheets write them, and how they are to be written.
_SPREADSHEET_CELLS = (
    (re.compile(r"[0-9]{1,4}[/.][0-9]{1,2}[/.][0-9]{1,4}"), "2023-09-04", "dates as 2023-09-04"),
    (re.compile(r"[+-]?[0-9]*,[0-9]+"), "1.5", "numbers with a decimal point, as 21.5"),
    (re.compile(r"yes|no", re.IGNORECASE), "true", "truth values as true and false"),
    (
        re.compile(r"#(?:N/A|NUM!|VALUE!|REF!|DIV/0!|NAME[?]|NULL!)|n/a|null|none", re.IGNORECASE),
        "",
        "missing values as empty cells",
    ),
)


def text_column_problem(path: Path, name: str, cells: Sequence[tuple[int, str]]) -> Problem | None:
    """Return the warning of a column that would not be text if some cells were written otherwise.

    Parameters
    ----------
    path
        The metadata CSV.
    name
        The name of the column.
    cells
        The number of each row, and its cell.
    """
    if typed_column(name, [cell for _, cell in cells]).type != "str":
        return None
    odd = [(row, cell, how) for row, cell in cells if (how := _as_written(cell)) is not None]
    meant = [how[0] if (how := _as_written(cell)) else cell for _, cell in cells]
    if not odd or all(map(is_empty, meant)):
        return None
    kind = typed_column(name, meant).type
    if kind == "str":
        return None
    row, cell, (_, remedy) = odd[0]
    return Problem(
        kind="column-is-text",
        what="A further column is text because of how some of its cells are written.",
        file=str(path),
        row=row,
        column=name,
        found=f"'{one_line(cell.strip())}'" + (f"; {len(odd)} such cells" if len(odd) > 1 else ""),
        expected=f"a cell of type {kind}",
        remedy=f"Write {remedy}; or leave the column as it is, if text is what you want.",
        severity="warning",
    )


def _as_written(cell: str) -> tuple[str, str] | None:
    """Return a cell of the type that is meant, and the remedy; None for any other cell."""
    text = cell.strip()
    for pattern, meant, remedy in _SPREADSHEET_CELLS:
        if pattern.fullmatch(text):
            return meant, remedy
    return None
