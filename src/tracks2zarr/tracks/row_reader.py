"""The reader that names bad rows: the csv module and orjson, row by row.

It names every row that breaks the format, and proves what the column reader read.
"""

from __future__ import annotations

import csv
import io
import re
from array import array
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.batches import Batch, Int32s, is_in_order
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
from tracks2zarr.tracks.row_problems import BadRowError, RowProblems, file_warnings, first_not_utf8
from tracks2zarr.tracks.source_file import open_source

_EMPTY = "{}"
#: Boxes that are handed on at once.
_BATCH_BOXES = 1 << 18
# the module's own limit, 128 KiB, is less than other readers take: up to four of their batches
_MOST_LETTERS = 64 * 2**20
csv.field_size_limit(_MOST_LETTERS)
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
    rows, problems, digest = _Rows(take), RowProblems(path), ""
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
    for line, image in zip(rows.row_line, rows.row_image, strict=True):
        # what has changed quotes in one cell of a row has changed them in all
        if image in frames.bad and not problems.has("json-quotes"):
            problems.add(line, frames.bad[image])
    frame_of_image = np.array(frames.of_image, np.int32) if not frames.bad else _NO_FRAMES
    if not problems:
        _name_duplicates(rows, frame_of_image, problems)
    if problems:
        raise Tracks2ZarrError(problems.all())
    warnings = file_warnings(path, is_mixed=frames.mixed, n_blank_rows=rows.n_blank)
    return ReadFile("rows", digest, source.stamp, frame_of_image, warnings)


_NO_FRAMES = np.empty(0, np.int32)


@dataclass(slots=True)
class _Rows:
    """What was read so far: where each row and each box stands, and boxes not yet handed on."""

    take: TakeBoxes
    number_of: dict[tuple[str, str], int] = field(default_factory=dict)
    row_line: array[int] = field(default_factory=lambda: array("q"))
    row_image: array[int] = field(default_factory=lambda: array("i"))
    line: array[int] = field(default_factory=lambda: array("q"))
    image: array[int] = field(default_factory=lambda: array("i"))
    track: array[int] = field(default_factory=lambda: array("q"))
    # to each of them Python gives the nearest float32
    box: array[float] = field(default_factory=lambda: array("f"))
    confidence: array[float] = field(default_factory=lambda: array("f"))
    n_blank: int = 0

    def add_box(self, line: int, image: int, box: Sequence[float], confidence: float) -> None:
        """Add a box but for its track, which `track` has already."""
        self.line.append(line)
        self.image.append(image)
        self.box.extend(box)
        self.confidence.append(confidence)
        if len(self.confidence) == _BATCH_BOXES:
            self.hand_on()

    def hand_on(self) -> None:
        """Hand on the boxes that were not yet."""
        count = len(self.confidence)
        if not count:
            return
        box = np.array(self.box, np.float32).reshape(-1, 4)
        self.take(
            Batch(
                image=np.array(self.image[-count:], np.int32),
                track=np.array(self.track[-count:], np.int64),
                corner=box[:, :2],
                size=box[:, 2:],
                confidence=np.array(self.confidence, np.float32),
            )
        )
        self.box, self.confidence = array("f"), array("f")


class _Lines:
    """The lines of a text, each with its end; one that is too long for a row ends the file."""

    def __init__(self, text: io.TextIOWrapper) -> None:
        self._text = text
        self.last = ""

    def __iter__(self) -> Iterator[str]:
        while line := self._text.readline(_MOST_LETTERS):
            self.last = line
            if len(line) == _MOST_LETTERS:
                raise csv.Error("a line of more than 64 Mi characters")
            yield line


def _read_rows(lines: _Lines, rows: _Rows, problems: RowProblems) -> None:
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


def _read_row(line: int, fields: list[str], rows: _Rows) -> None:
    """Add a row, and the box that it has, if it has one."""
    if len(fields) != len(HEADER):
        raise BadRowError(_other_fields(fields))
    if fields[0].startswith(MARK) or is_header(fields):
        raise BadRowError(_joined(fields))
    filename, _, file_attributes, count, _, shape_text, region_text = fields
    numbers = rows.number_of
    image = numbers.setdefault((filename, file_attributes), len(numbers))
    rows.row_line.append(line)
    rows.row_image.append(image)
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
    rows.track.append(track)
    rows.add_box(line, image, box, confidence)


def _other_fields(fields: Sequence[str]) -> Problem:
    """Return the problem of a row that has not as many fields as columns."""
    if fields[0].startswith(MARK):
        return _joined(fields)
    if len(fields) > len(HEADER) and any(_OPEN_OBJECT.match(field) for field in fields):
        return other_quotes(",".join(fields), None, "JSON cells without quotes around them")
    return Problem(
        kind="row-fields",
        what="A row has another number of fields.",
        column="filename",
        found=count_text(len(fields), "field"),
        expected=f"{len(HEADER)} fields",
    )


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


def _name_duplicates(rows: _Rows, frame_of_image: Int32s, problems: RowProblems) -> None:
    """Name each row whose frame and track another row before it has."""
    if not rows.image:
        return
    frame = frame_of_image[np.asarray(rows.image, np.int64)]
    track = np.asarray(rows.track, np.int64)
    if is_in_order(frame, track):
        return
    order = np.lexsort((track, frame))
    same = (frame[order][1:] == frame[order][:-1]) & (track[order][1:] == track[order][:-1])
    for position in np.flatnonzero(same):
        before, after = int(order[position]), int(order[position + 1])
        problems.add(
            rows.line[after],
            Problem(
                kind="duplicate-box",
                what="A track has two boxes in one frame.",
                column="region_attributes",
                found=f"track {track[after]} in frame {frame[after]},"
                f" as in row {rows.line[before]}",
                expected="one box a track and frame",
            ),
        )
