"""The two readers of MOTChallenge text: polars, and the csv module row by row."""

from __future__ import annotations

import csv
import io
import math
import re
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import polars as pl

from tracks2zarr.common.encodings import UTF8_MARK
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks import checked_values as checked
from tracks2zarr.tracks import numbered_frames as numbered
from tracks2zarr.tracks.csv_records import whole_records
from tracks2zarr.tracks.file_start import no_csv
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.mot import COLUMNS, EXPECTED, LEAST_VALUES
from tracks2zarr.tracks.number_columns import numbers, whole_numbers, with_line_feeds
from tracks2zarr.tracks.row_problems import BadFileError, BadRowError, other_fields
from tracks2zarr.tracks.source_file import SourceFile
from tracks2zarr.tracks.values import to_number

_FIRST_FRAME = 1
#: The id of a detection.
_NO_TRACK = -1
#: The confidence of a box that has none.
_NO_CONFIDENCE = -1
_BATCH_BYTES = 4 * 2**20
_BLANKS = re.compile(rb"[ \t]*,[ \t]*")
_BLANKS_OF_LINES = re.compile(rb"[ \t]*(\r?\n|\Z)[ \t]*")


def read_columns(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file with polars; see `tracks2zarr.tracks.formats.ReadTracks`."""
    return numbered.read_columns(path, rule, take, on_bytes, _columns, first_number=_FIRST_FRAME)


def _columns(source: SourceFile) -> Iterator[numbered.Columns]:
    for number, records in enumerate(whole_records(source.file, b"", _BATCH_BYTES)):
        if number and records.startswith(UTF8_MARK):
            raise UnrecognisedError  # it was joined from several files
        text = with_line_feeds(records)
        if b" " in text or b"\t" in text:
            text = _BLANKS_OF_LINES.sub(rb"\1", _BLANKS.sub(b",", text))
        if not text.strip():
            continue
        try:
            yield _of_text(pl.read_csv(text, has_header=False, quote_char=None, infer_schema=False))
        except pl.exceptions.PolarsError:
            raise UnrecognisedError from None


def _of_text(found: pl.DataFrame) -> numbered.Columns:
    """Return the numbers in columns of text, whatever follows them."""
    if found.width < LEAST_VALUES:
        raise UnrecognisedError
    frame, track = (whole_numbers(found[:, place]) for place in range(2))
    values = numbers(found[:, 2 : len(COLUMNS)])
    confidence = np.full(len(found), np.nan)
    if found.width > LEAST_VALUES:
        given = values[:, -1]
        confidence = np.where(given == _NO_CONFIDENCE, np.nan, given)
    return numbered.Columns(frame, track, values[:, :2], values[:, 2:4], confidence)


def read_rows(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a file row by row; see `tracks2zarr.tracks.formats.ReadTracks`."""
    return numbered.read_rows(path, rule, take, on_bytes, _ROWS)


def _rows(source: SourceFile) -> Iterator[tuple[int, list[str]]]:
    text = io.TextIOWrapper(source.file, "utf-8-sig", newline="")
    reader = csv.reader(text, quoting=csv.QUOTE_NONE)
    try:
        for fields in reader:
            if any(field.strip() for field in fields):
                yield reader.line_num, fields
    except csv.Error as error:
        raise BadFileError(no_csv(str(error), reader.line_num, EXPECTED)) from None


def _box(fields: list[str]) -> numbered.Row:
    if len(fields) < LEAST_VALUES:
        raise BadRowError(_few_fields(fields))
    frame = checked.frame_number(fields[0], "frame")
    if to_number(fields[1]) == _NO_TRACK:
        raise BadRowError(_detection(fields[1]))
    track = checked.track_number(fields[1], "id")
    named = zip(COLUMNS[2:], fields[2:LEAST_VALUES], strict=False)
    left, top, width, height = (checked.number(field, name, name) for name, field in named)
    checked.check_size(width, height, "width")
    confidence = math.nan
    if len(fields) > LEAST_VALUES:
        confidence = checked.confidence(fields[LEAST_VALUES], "confidence")
    confidence = math.nan if confidence == _NO_CONFIDENCE else confidence
    return numbered.Row(frame, track, (left, top, width, height), confidence)


def _detection(found: str) -> Problem:
    return Problem(
        kind="track",
        what="The track of a box is not a track number.",
        column="id",
        found=f"id {found}",
        expected="an integer from 0 to 2**63 - 1",
        remedy="Boxes with the id -1 are detections, which belong to no track: run a tracker on"
        " them first.",
    )


def _few_fields(fields: list[str]) -> Problem:
    expected = f"{LEAST_VALUES} fields or more: {','.join(COLUMNS)}"
    return other_fields("frame", count_text(len(fields), "field"), expected)


_ROWS = numbered.RowFormat(
    rows_of=_rows,
    box_of=_box,
    frame="frame",
    track="id",
    expected=EXPECTED,
    first_number=_FIRST_FRAME,
)
