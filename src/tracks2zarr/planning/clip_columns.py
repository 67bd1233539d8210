"""Further columns of a metadata CSV, which become coordinates of clips: their names and types."""

from __future__ import annotations

import math
import re
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from datetime import datetime
from pathlib import Path

from tracks2zarr.common.names import why_unsafe
from tracks2zarr.common.near_names import did_you_mean
from tracks2zarr.common.problems import (
    Problem,
    comma_list,
    one_line,
)
from tracks2zarr.dataset.schema import ClipColumn, ColumnType, own_variables
from tracks2zarr.planning.metadata_cells import is_empty
from tracks2zarr.planning.metadata_layouts import MetadataLayout

_INTEGER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)")
_NUMBER = re.compile(r"[+-]?(?:0|[1-9][0-9]*)?(?:\.[0-9]*)?(?:[eE][+-]?[0-9]+)?")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}(?:[T ][0-9]{2}:[0-9]{2}(?::[0-9]{2})?)?")
#: Those that datetime64[ns] holds, which xarray and pandas make of dates.
_YEARS = range(1678, 2262)
_TRUTH = frozenset({"true", "false"})
#: What a cell of a further column holds.
type ColumnValue = int | float | bool | str | datetime | None
#: A float64 holds all integers that are smaller.
_EXACT = 2**53
#: Of an int64.
_LARGEST, _MOST_DIGITS = 2**63, 20
#: Names that `load_clip`, the tables of clips and of boxes, and movement give to something else.
_TAKEN = frozenset(
    {
        *("video", "clip", "fps", "n_frames", "seconds", "n_individuals", "n_boxes"),
        *("first_frame", "last_frame", "escape_frame", "escape_type", "escape_seconds"),
        *("frame", "video_frame", "track", "x", "y", "width", "height"),
        *("keypoint", "keypoints"),
    }
)


def columns_of(
    header: Sequence[str], layout: MetadataLayout, asked: Collection[str] | None
) -> list[str]:
    """Return the names of the further columns that become coordinates, in the order of the file.

    Parameters
    ----------
    header
        The names of all columns.
    layout
        The layout of the file.
    asked
        The names that are asked for; None for all of the plain layout, and none of the guide's.
    """
    further = [name for name in header if name and name not in layout.columns]
    if asked is None:
        return [] if layout.has_escapes else further
    return [name for name in further if name in asked]


def column_problems(
    path: Path, header: Sequence[str], layout: MetadataLayout, asked: Collection[str] | None
) -> Iterator[Problem]:
    """Yield what is wrong with the names of further columns.

    The parameters are those of `columns_of`, and the metadata CSV.
    """
    further = [name for name in header if name and name not in layout.columns]
    for name in sorted({*(asked or ())} - {*further}):
        yield _problem(
            path,
            name,
            what="A column that was named is not among the further columns of the metadata CSV.",
            found=f"the further columns {comma_list(further)}" if further else "no further column",
            expected=f"a column '{one_line(name)}'",
            remedy=did_you_mean(name, further) or "Correct --columns, or add the column.",
        )
    taken = {name.casefold() for name in own_variables() | _TAKEN}
    chosen = columns_of(header, layout, asked)
    counts = Counter(coordinate_name(name).casefold() for name in chosen)
    for name in dict.fromkeys(chosen):
        coordinate = coordinate_name(name)
        reason = why_unsafe(coordinate)
        if coordinate.casefold() in taken:
            reason = "the dataset, or a table made from it, has it for something else"
        elif (count := counts[coordinate.casefold()]) > 1:
            reason = f"{count} columns would have it, in upper or lower case"
        if reason:
            yield _problem(
                path,
                name,
                what=f"The name of a further column cannot be that of a coordinate: {reason}.",
                found=f"'{one_line(name)}'",
                expected="a name that no other variable has",
                remedy="Rename the column, or name the columns to take with --columns.",
            )


def _problem(
    path: Path, column: str, *, what: str, found: str, expected: str, remedy: str
) -> Problem:
    return Problem(
        kind="metadata-column",
        what=what,
        file=str(path),
        row=1,
        column=column,
        found=found,
        expected=expected,
        remedy=remedy,
    )


def coordinate_name(name: str) -> str:
    """Return the name of the coordinate that a column becomes, in which blanks are underscores.

    xarray finds coordinates by a list of names with blanks between them.

    >>> coordinate_name("water temperature")
    'water_temperature'
    """
    return "_".join(name.split())


def typed_column(name: str, cells: Sequence[str]) -> ClipColumn:
    """Return a further column with the type that all of its cells have.

    A number with zeros in front, as in ``007``, is a text: it is a name. So is an integer with
    more digits than a number can hold.

    Parameters
    ----------
    name
        Its name.
    cells
        Those of all rows. Empty ones make integers floats, and truth values texts.
    """
    filled = [cell.strip() for cell in cells if not is_empty(cell)]
    kind = _type_of(filled, is_complete=len(filled) == len(cells))
    return ClipColumn(coordinate_name(name), kind)


def columns_text(columns: Iterable[ClipColumn]) -> str:
    """Return further columns, each with its type, as text."""
    return ", ".join(f"{one_line(column.name)} ({column.type})" for column in columns)


def _type_of(filled: Sequence[str], *, is_complete: bool) -> ColumnType:
    if not filled:
        return "str"
    if all(map(_INTEGER.fullmatch, filled)):
        most = _LARGEST if is_complete else _EXACT
        if any(len(cell) > _MOST_DIGITS or abs(int(cell)) >= most for cell in filled):
            return "str"
        return "int64" if is_complete else "float64"
    if all(map(_is_float, filled)):
        return "float64"
    if is_complete and all(cell.lower() in _TRUTH for cell in filled):
        return "bool"
    return "date" if all(map(_is_date, filled)) else "str"


def _is_float(text: str) -> bool:
    """Tell whether a text is a number that a float64 holds, with all digits of an integer."""
    if not _NUMBER.fullmatch(text) or not any(map(str.isdigit, text)):
        return False
    return math.isfinite(float(text)) and (
        not _INTEGER.fullmatch(text) or (len(text) <= _MOST_DIGITS and abs(int(text)) <= _EXACT)
    )


def cell_value(kind: ColumnType, cell: str) -> ColumnValue:
    """Return the value of a cell of a further column; None for an empty one, ``""`` of texts."""
    if kind == "str":
        return cell
    if is_empty(cell):
        return None
    read: dict[ColumnType, Callable[[str], ColumnValue]] = {
        "int64": int,
        "float64": float,
        "bool": lambda text: text.lower() == "true",
        "date": datetime.fromisoformat,
    }
    return read[kind](cell)


def _is_date(text: str) -> bool:
    if not _DATE.fullmatch(text):
        return False
    try:
        return datetime.fromisoformat(text).year in _YEARS
    except ValueError:
        return False
