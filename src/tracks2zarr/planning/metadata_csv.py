"""Reads the metadata CSV, which has one row per clip."""

from __future__ import annotations

import csv
import difflib
import io
from collections.abc import Callable, Collection, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from tracks2zarr.common.csv_types import CsvReader
from tracks2zarr.common.encodings import (
    HOLE,
    SAVE_AS_UTF8,
    UTF8_MARK,
    byte_found,
    no_text,
    other_separator,
    row_at,
    wide_encoding,
)
from tracks2zarr.common.files import read_file
from tracks2zarr.common.names import composed, stem
from tracks2zarr.common.problems import Problem, comma_list, one_line
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.clip_columns import column_problems, columns_of, typed_column
from tracks2zarr.planning.metadata import ClipRow, Metadata, Named
from tracks2zarr.planning.metadata_cells import (
    ESCAPE,
    ESCAPE_TYPE,
    FPS,
    NO_ESCAPE,
    VIDEO,
    BadCellError,
    check_escape,
    check_extent,
    clip_of,
    escape_frame_of,
    escape_type_of,
    fps_of,
    frame_of,
    video_of,
)
from tracks2zarr.planning.metadata_layouts import (
    GUIDE,
    PLAIN,
    is_mixed,
    layout_of,
    missing_columns,
)
from tracks2zarr.planning.odd_columns import text_column_problem
from tracks2zarr.planning.odd_rows import clip_ids_twice, clips_twice, differing_frame_rates


def read_metadata(path: Path, columns: Collection[str] | None = None) -> Metadata:
    """Read and check a metadata CSV; every problem is collected, none is raised.

    Parameters
    ----------
    path
        The metadata CSV (UTF-8, with or without a byte-order mark).
    columns
        The further columns to read; None for all of the plain layout, and none of the guide's.

    Returns
    -------
    Metadata
        The sound rows in the order of the file, and all problems, those of rows with
        the id of the video that they concern.
    """
    metadata = Metadata()
    columns = None if columns is None else [*map(composed, columns)]
    text = _read_text(path, metadata.problems)
    if text is None:
        return metadata
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    try:
        _read_table(path, reader, metadata, columns)
    except csv.Error as error:
        metadata.problems.append(
            Problem(
                kind="metadata-unreadable",
                what="The metadata CSV cannot be read as CSV.",
                file=str(path),
                row=_first_line_of_last_record(text),
                found=str(error),
                expected="comma-separated values, quotes closed",
                remedy="Export the spreadsheet as CSV again.",
            )
        )
        return metadata
    if not metadata.names and not metadata.problems:
        metadata.problems.append(
            Problem(
                kind="metadata-empty",
                what="The metadata CSV is empty.",
                file=str(path),
                found="no rows",
                expected="a metadata CSV, one row per clip",
                remedy="Fetch the file again.",
            )
        )
    metadata.problems += [
        *clips_twice(metadata, path),
        *clip_ids_twice(metadata, path),
        *differing_frame_rates(metadata, path),
    ]
    return metadata


def _read_table(
    path: Path, reader: CsvReader, metadata: Metadata, columns: Collection[str] | None
) -> None:
    """Read the header and the rows; without the columns of a layout, no row is read."""
    header = _without_empty([composed(name.strip()) for name in next(reader, [])])
    metadata.layout = layout_of(header)
    if not _check_header(path, header, metadata):
        return
    metadata.problems += column_problems(path, header, metadata.layout, columns)
    metadata.further = tuple(columns_of(header, metadata.layout, columns))
    rows = list(_cells(path, reader, header, metadata))
    metadata.columns = tuple(
        typed_column(name, [cells[name] for _, cells in rows]) for name in metadata.further
    )
    for name in metadata.further:
        column = [(row, cells[name]) for row, cells in rows]
        if (problem := text_column_problem(path, name, column)) is not None:
            metadata.problems.append(problem)
    for row, cells in rows:
        _read_row(path, row, cells, metadata)


def _first_line_of_last_record(text: str) -> int:
    """Return the line in which the record begins at which the csv module gives up."""
    reader = csv.reader(io.StringIO(text, newline=""), strict=True)
    line = 1
    try:
        for _ in reader:
            line = reader.line_num + 1
    except csv.Error:
        return line
    return line


def _read_text(path: Path, problems: list[Problem]) -> str | None:
    """Return the text of the file; where there is none to read, add the problem."""

    def problem(kind: str, what: str, found: str, remedy: str, row: int | None = None) -> None:
        problems.append(
            Problem(
                kind=kind,
                what=what,
                file=str(path),
                row=row,
                found=found,
                expected="a metadata CSV, one row per clip",
                remedy=remedy,
            )
        )

    pointer = annex_problem(path)
    if pointer is not None:
        problems.append(pointer)
        return None
    try:
        raw = read_file(path)
    except OSError as error:
        found = found_instead(error)
        problem("metadata-unreadable", "The metadata CSV cannot be read.", found, "Check the path.")
        return None
    if name := no_text(raw):
        remedy = "Open it in the program that wrote it, and save it as CSV in UTF-8."
        problem("metadata-not-csv", "The metadata CSV is not a CSV file.", name, remedy)
        return None
    if name := wide_encoding(raw):
        what = "The metadata CSV is not UTF-8."
        problem("metadata-not-utf8", what, f"text in {name}", SAVE_AS_UTF8)
        return None
    if (place := raw.find(HOLE)) >= 0:
        row, _ = row_at(raw, place)
        found, remedy = "bytes that are zero, as a crash leaves them", "Fetch the file again."
        problem("metadata-nul-bytes", "The metadata CSV has NUL bytes.", found, remedy, row=row)
        return None
    if not raw.removeprefix(UTF8_MARK).strip():
        problem("metadata-empty", "The metadata CSV is empty.", "no rows", "Fetch the file again.")
        return None
    try:
        return raw.decode().removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        row, before = row_at(raw, error.start)
        found = byte_found(raw[error.start - before :], before)
        what = "The metadata CSV is not UTF-8."
        problem("metadata-not-utf8", what, found, SAVE_AS_UTF8, row=row)
        return None


def _check_header(path: Path, header: list[str], metadata: Metadata) -> bool:
    """Add a problem for each column that is missing or twice; return whether all are sound."""
    problems, needed = metadata.problems, metadata.layout.columns
    if separator := other_separator(header):
        problems.append(
            Problem(
                kind="metadata-separator",
                what="The metadata CSV is not separated by commas.",
                file=str(path),
                row=1,
                found=f"a header separated by {separator[1]}",
                expected="commas",
                remedy="Save the spreadsheet as CSV separated by commas.",
            )
        )
        return False
    if is_mixed(header):
        problems.append(_mixed_layouts(path, header))
    others = {name.strip().casefold(): one_line(name) for name in header if name not in needed}
    for column in needed:
        count = header.count(column)
        if count == 1 or (count == 0 and is_mixed(header)):
            continue
        close = difflib.get_close_matches(column.casefold(), list(others), n=1, cutoff=0.75)
        if count > 1:
            what = f"The metadata CSV has the column '{column}' {count} times."
            found, remedy = f"{count} columns of this name", f"Keep one column '{column}'."
        elif close:
            what = f"The metadata CSV has no column '{column}'."
            found = f"'{others[close[0]]}'"
            remedy = f"Rename {found} to '{column}'."
        else:
            what = f"The metadata CSV has no column '{column}'."
            found = f"the columns {comma_list(header, 20)}"
            remedy = "Add the column, or pass another metadata CSV."
        problems.append(
            Problem(
                kind="metadata-column",
                what=what,
                file=str(path),
                row=1,
                column=column,
                found=found,
                expected=f"one column named exactly '{column}'",
                remedy=remedy,
            )
        )
    return all(header.count(column) == 1 for column in needed)


def _mixed_layouts(path: Path, header: Collection[str]) -> Problem:
    """Return the problem of a header with columns of both layouts, and all of neither."""
    plain, guide = (comma_list(missing_columns(one, header)) for one in (PLAIN, GUIDE))
    return Problem(
        kind="metadata-column",
        what="The metadata CSV has columns of both layouts, but not all columns of either.",
        file=str(path),
        row=1,
        found=f"the columns {comma_list([*header], 20)}",
        expected=f"the columns of the plain layout ({comma_list(PLAIN.columns)}), or those of the"
        f" guide ({comma_list(GUIDE.columns)})",
        remedy=f"Add or rename the columns that are missing: {plain} for the plain layout; or"
        f" {guide} for that of the guide.",
    )


def _cells(
    path: Path, reader: CsvReader, header: list[str], metadata: Metadata
) -> Iterator[tuple[int, dict[str, str]]]:
    """Yield the row number and the cells of each row that has as many as the header."""
    row = reader.line_num + 1
    for all_fields in reader:
        this_row, row = row, reader.line_num + 1
        fields = _without_empty(all_fields, len(header))
        if not any(cell.strip() for cell in fields):
            continue
        if len(fields) != len(header):
            named = dict(zip(header, fields, strict=False))
            metadata.problems.append(
                Problem(
                    kind="metadata-row",
                    what="A row of the metadata CSV has a different number of cells than the"
                    " header.",
                    file=str(path),
                    row=this_row,
                    found=count_text(len(fields), "cell"),
                    expected=count_text(len(header), "cell"),
                    remedy="Look for a missing comma, or one too many, in this row.",
                    video=stem(named.get(VIDEO, "")) or None,
                    clip=stem(named.get(metadata.layout.clip, "")) or None,
                )
            )
            continue
        yield this_row, dict(zip(header, fields, strict=True))


def _without_empty(cells: list[str], least: int = 0) -> list[str]:
    """Return cells without the empty ones at their end, but `least` of them where there are more.

    Spreadsheet programs write such columns, in some rows or in all.
    """
    count = len(cells)
    while count > least and not cells[count - 1].strip():
        count -= 1
    return cells[:count]


def _read_row(path: Path, row: int, cells: dict[str, str], metadata: Metadata) -> None:
    """Add a row to `metadata`, or the problems that it has."""
    layout = metadata.layout
    name = Named(stem(cells[VIDEO]), stem(cells[layout.clip]))
    metadata.names[row] = name
    problems: list[Problem] = []

    def read[T](check: Callable[..., T], *args: Any) -> T | None:
        try:
            return check(*args)
        except BadCellError as bad:
            problems.append(_row_problem(path, row, cells, bad, name))
            return None

    video = read(video_of, cells[VIDEO], name.video, name.clip_stem)
    clip = None
    if video is not None:  # else the clip would be measured by a name that it need not have
        clip_id = layout.clip_id_of(name.clip_stem, name.video)
        clip = read(clip_of, clip_id, name.video, layout.clip)
    fps = read(fps_of, cells[FPS])
    start, end, number = layout.extent
    first, last = (read(frame_of, cells[column], column, number) for column in (start, end))
    escape: int | None = NO_ESCAPE
    if layout.has_escapes:
        escape = read(escape_frame_of, cells[ESCAPE])
    if first is not None and last is not None:
        extent = read(check_extent, first, last, layout.extent)
        if extent is not None and layout.has_escapes:
            read(check_escape, escape, first, last)
    problems += _nul_in_cells(path, row, metadata.further, cells, name)
    metadata.problems += problems
    if problems or video is None or clip is None or fps is None:
        return
    if first is None or last is None or escape is None:
        return
    metadata.rows.append(
        ClipRow(
            row=row,
            video=video,
            clip=clip,
            clip_stem=name.clip_stem,
            fps=fps,
            first_frame=first - number,
            last_frame=last - number,
            escape_frame=escape,
            escape_type=escape_type_of(cells.get(ESCAPE_TYPE, ""), has_escape=escape != NO_ESCAPE),
            values=tuple(cells[name].strip() for name in metadata.further),
        )
    )


def _nul_in_cells(
    path: Path, row: int, columns: Iterable[str], cells: dict[str, str], name: Named
) -> Iterator[Problem]:
    """Yield the problem of each cell that no text of a dataset can hold."""
    for column in columns:
        if "\0" in cells[column]:
            yield Problem(
                kind="metadata-nul-bytes",
                what="The metadata CSV has NUL bytes.",
                file=str(path),
                row=row,
                column=column,
                found="a cell with a NUL byte",
                expected="text",
                remedy="Correct the cell.",
                video=name.video or None,
                clip=name.clip_stem or None,
            )


def _row_problem(
    path: Path, row: int, cells: dict[str, str], bad: BadCellError, name: Named
) -> Problem:
    return replace(
        bad.problem,
        file=str(path),
        row=row,
        found=f"'{one_line(cells[bad.problem.column or ''])}'",
        video=name.video or None,
        clip=name.clip_stem or None,
    )
