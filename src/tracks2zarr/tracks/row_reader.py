"""The reader that names bad rows: the csv module and orjson, row by row.

It names every row that breaks the format, and proves what the column reader read.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks import values
from tracks2zarr.tracks.file_start import (
    COPY_AGAIN,
    EXPORT_AGAIN,
    HOLE,
    FileFault,
    cut_off,
    nul_bytes,
    other_header,
)
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes
from tracks2zarr.tracks.frames import FrameRule, Image, frames_of
from tracks2zarr.tracks.header import HEADER, is_blank, is_header
from tracks2zarr.tracks.json_cells import read_box, read_region
from tracks2zarr.tracks.odd_cells import QUOTES, other_quotes
from tracks2zarr.tracks.row_problems import (
    BadRowError,
    RowProblems,
    file_warnings,
    first_not_utf8,
    other_fields,
)
from tracks2zarr.tracks.rows_read import MOST_LETTERS, RowsRead
from tracks2zarr.tracks.source_file import open_source

_EMPTY = "{}"
HOLE_TEXT = HOLE.decode()
MARK = "\ufeff"
#: The start of a JSON object in a line, quoted or not, where its own quotes are single.
_QUOTES_NOT_DOUBLED = re.compile(r',"?\{"[A-Za-z]')
#: A JSON object that a comma has cut.
_OPEN_OBJECT = re.compile(r"\s*\{[^}]*$")


def read_file(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a tracks file row by row; see `tracks2zarr.tracks.formats.TracksReader`.

    Raises
    ------
    Tracks2ZarrError
        If any row breaks the format: of each kind of problem the first ten rows, and how many
        there are.
    OSError
        If the file cannot be read.
    """
    rows: RowsRead[tuple[str, str]] = RowsRead(take, [path])
    (problems,), digest = rows.problems, ""
    try:
        with open_source(path, on_bytes, buffer_bytes=1 << 20) as source:
            text = io.TextIOWrapper(source.file, "utf-8-sig", newline="")
            _read_rows(_Lines(text), rows, problems)
            digest = source.digest
            if not problems:
                source.check_end()
    except UnicodeDecodeError:
        problems.add_fault(first_not_utf8(path))
    frames = frames_of([Image(*pair) for pair in rows.number_of], rule)
    # what has changed quotes in one cell of a row has changed them in all
    rows.name_bad_images({} if problems.has("json-quotes") else frames.bad)
    frame_of_image = np.array(frames.of_image, np.int32) if not frames.bad else _NO_FRAMES
    if not problems:
        rows.name_duplicates(frame_of_image, "region_attributes")
    if problems:
        raise Tracks2ZarrError(rows.all_problems())
    warnings = file_warnings(path, is_mixed=frames.mixed, n_blank_rows=rows.n_blank)
    return ReadFile("rows", digest, source.stamp, frame_of_image, warnings)


_NO_FRAMES = np.empty(0, np.int32)


class _Lines:
    """The lines of a text, each with its end; one that is too long for a row ends the file."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(MOST_LETTERS):
            self.last = line
            if len(line) == MOST_LETTERS:
                raise csv.Error("a line of more than 64 Mi characters")
            yield line


def _read_rows(lines: _Lines, rows: RowsRead[tuple[str, str]], problems: RowProblems) -> None:
    line, reader = 1, csv.reader(lines, strict=True)
    try:
        header = next(reader, [])
        if not is_header(header):
            problems.add_fault(other_header(header))
            return
        line = reader.line_num + 1
        for fields in reader:
            try:
                if is_blank(fields):
                    rows.n_blank += 1
                else:
                    _read_row(line, fields, rows)
            except BadRowError as bad:
                if any(HOLE_TEXT in field for field in fields):
                    problems.add_fault(nul_bytes(line))
                elif len(fields) < len(HEADER) and not lines.last.endswith(("\n", "\r")):
                    problems.add(line, _cut_off_row(bad.problem))
                else:
                    problems.add(line, bad.problem)
            line = reader.line_num + 1
        rows.hand_on()
    except csv.Error as error:
        problems.add_fault(_csv_fault(error, line, reader.line_num, lines.last))


def _cut_off_row(problem: Problem) -> Problem:
    """Return the problem of a row with too few fields, after which the file ends."""
    found = f"{problem.found}, and then the file ends"
    return replace(problem, found=found, remedy=f"The file was cut off. {COPY_AGAIN}")


def _csv_fault(error: csv.Error, row: int, last_line: int, text: str) -> FileFault:
    """Return why a file cannot be read as CSV from a row on; `text` is its last line."""
    if HOLE_TEXT in text:
        return nul_bytes(row)
    if (match := _QUOTES_NOT_DOUBLED.search(text)) is not None:
        is_quoted = match[0].startswith(',"')
        found = "quotes that are not doubled" if is_quoted else "JSON cells without quotes"
        return FileFault(
            kind="json-quotes",
            what="The quotes in a row are not those that VIA writes.",
            row=row,
            found=f"{found}: {text}",
            expected=QUOTES,
            remedy=f"{EXPORT_AGAIN} Spreadsheet and text programs may change quotes.",
        )
    if row == last_line and not text.endswith(("\n", "\r")) and "unexpected end" in str(error):
        return cut_off(row, "a quoted cell without its end")
    return FileFault(
        kind="tracks-csv",
        what="A tracks file cannot be read as CSV.",
        row=row,
        found=str(error),
        remedy=f"{EXPORT_AGAIN} Quotes within a quoted cell must be doubled, as VIA writes them.",
    )


def _read_row(line: int, fields: list[str], rows: RowsRead[tuple[str, str]]) -> None:
    """Add a row, and the box that it has, if it has one."""
    if len(fields) != len(HEADER):
        raise BadRowError(_other_fields(fields))
    if fields[0].startswith(MARK) or is_header(fields):
        raise BadRowError(_joined(fields))
    filename, _, file_attributes, count, _, shape_text, region_text = fields
    rows.add_row(line, (filename, file_attributes))
    if shape_text.strip() == _EMPTY and region_text.strip() == _EMPTY:
        _check_no_box(count)
        return
    if count.strip() == "0":
        raise BadRowError(
            Problem(
                kind="box-in-empty-frame",
                what="A row of a frame without boxes has a box.",
                column="region_count",
                found=count,
                expected="1 or more, or '{}' as region_shape_attributes and region_attributes",
            )
        )
    box = read_box(shape_text)
    track, confidence = read_region(region_text)
    rows.add_box(track, box, confidence)


def _other_fields(fields: Sequence[str]) -> Problem:
    """Return the problem of a row that has not as many fields as columns."""
    if fields[0].startswith(MARK):
        return _joined(fields)
    if len(fields) > len(HEADER) and any(_OPEN_OBJECT.match(field) for field in fields):
        return other_quotes(",".join(fields), None, "JSON cells without quotes around them")
    return other_fields("filename", count_text(len(fields), "field"), f"{len(HEADER)} fields")


def _joined(fields: Sequence[str]) -> Problem:
    """Return the problem of a row that begins as a file does."""
    has_mark = fields[0].startswith(MARK)
    return Problem(
        kind="tracks-joined",
        what="A tracks file has the start of another file in the middle.",
        column="filename",
        found="a byte-order mark" if has_mark else "the header again",
        expected="one header, in the first row",
        remedy="Export the tracks again, one file for each clip; do not join files.",
    )


def _check_no_box(count: str) -> None:
    """Check the number of regions of a row without a box."""
    if values.to_integer(count) != 0:
        raise BadRowError(
            Problem(
                kind="row-without-box",
                what="A row has no box.",
                column="region_shape_attributes",
                found=f"{_EMPTY} and a region_count of {count}",
                expected="a box, or a region_count of 0",
            )
        )
