"""The two readers of a folder of OCTRON: polars, and the csv module row by row."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Iterable, Iterator
from operator import itemgetter
from pathlib import Path
from typing import NamedTuple

import numpy as np
import polars as pl

from tracks2zarr.common.problems import Problem
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks import checked_values as checked
from tracks2zarr.tracks import numbered_frames as numbered
from tracks2zarr.tracks.csv_records import is_quoted_strictly
from tracks2zarr.tracks.file_start import no_csv
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.number_columns import numbers, whole_numbers, with_line_feeds
from tracks2zarr.tracks.octron import (
    COLUMNS,
    EDGES,
    EXPECTED,
    N_LINES_BEFORE,
    header_fault,
)
from tracks2zarr.tracks.row_problems import BadFileError, BadRowError, other_fields
from tracks2zarr.tracks.source_file import SourceFile
from tracks2zarr.tracks.values import MAX_NUMBER, is_nan

#: Tables are joined up to about so many bytes.
_BATCH_BYTES = 1 << 20
_CHOSEN = itemgetter(*COLUMNS)


def read_columns(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a folder with polars; see `tracks2zarr.tracks.formats.ReadTracks`."""
    return numbered.read_columns_of_files(path, rule, take, on_bytes, _columns)


def _columns(sources: Iterable[SourceFile]) -> Iterator[numbered.Columns]:
    """Yield the boxes of several tracks at once: polars takes long to start on a small file."""
    return map(_of_table, _joined(map(_table, sources)))


def _joined(tables: Iterable[tuple[bytes, bytes]]) -> Iterator[bytes]:
    """Yield tables one below the other, as long as their headers are the same."""
    header, rows, n_bytes = b"", list[bytes](), 0
    for its_header, its_rows in tables:
        if rows and (its_header != header or n_bytes >= _BATCH_BYTES):
            yield b"".join([header, *rows])
            rows, n_bytes = [], 0
        header = its_header
        rows.append(its_rows)
        n_bytes += len(its_rows)
    if rows:
        yield b"".join([header, *rows])


def _table(source: SourceFile) -> tuple[bytes, bytes]:
    """Return the header and the rows of one track, whole lines each."""
    content = with_line_feeds(source.file.read())
    try:
        content.decode()
    except UnicodeDecodeError:
        raise UnrecognisedError from None
    *before, rows = (*content.split(b"\n", N_LINES_BEFORE + 1), b"")[: N_LINES_BEFORE + 2]
    if header_fault([line.decode() for line in before]) is not None:
        raise UnrecognisedError
    header = before[-1]
    if not is_quoted_strictly(header) or not is_quoted_strictly(rows):
        raise UnrecognisedError
    return header + b"\n", rows if not rows or rows.endswith(b"\n") else rows + b"\n"


def _of_table(table: bytes) -> numbered.Columns:
    """Return the numbers in a header and rows of text."""
    try:
        found = pl.read_csv(table, columns=list(COLUMNS), infer_schema=False)
    except pl.exceptions.PolarsError:
        raise UnrecognisedError from None
    frame, track = whole_numbers(found["frame_idx"]), whole_numbers(found["track_id"])
    if (track < 0).any():
        raise UnrecognisedError  # also of rows without a box
    edges = numbers(found.select(EDGES))
    if (np.abs(edges) >= MAX_NUMBER).any():  # NaN is not
        raise UnrecognisedError
    has_box = ~np.isnan(edges).all(axis=1)
    edges = edges[has_box].astype(np.float32)
    size = (edges[:, 2:] - edges[:, :2]).astype(np.float64)
    return numbered.Columns(
        frame=frame[has_box],
        track=track[has_box],
        corner=edges[:, :2].astype(np.float64),
        size=size,
        confidence=numbers(found.select("confidence"))[has_box, 0],
        frame_without_box=frame[~has_box],
    )


class _Cells(NamedTuple):
    """The cells of a row by column, and how many fields the row has."""

    by_column: dict[str, str]
    n_fields: int


def read_rows(path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
    """Read a folder row by row; see `tracks2zarr.tracks.formats.ReadTracks`."""
    return numbered.read_rows(path, rule, take, on_bytes, _ROWS)


def _rows(source: SourceFile) -> Iterator[tuple[int, _Cells]]:
    """Yield line and cells of each row that is not blank."""
    text = io.TextIOWrapper(source.file, "utf-8-sig", newline="")
    before = list(itertools.islice(text, N_LINES_BEFORE))
    reader = csv.reader(text, strict=True)
    try:
        header = [name.strip() for name in next(reader, [])]
        if fault := header_fault([*before, ",".join(header)]):
            raise BadFileError(fault)
        for fields in reader:
            if "".join(fields).strip():
                cells = dict(zip(header, fields, strict=False))
                yield N_LINES_BEFORE + reader.line_num, _Cells(cells, len(fields))
    except csv.Error as error:
        raise BadFileError(no_csv(str(error), N_LINES_BEFORE + reader.line_num, EXPECTED)) from None


def _box(row: _Cells) -> numbered.Row:
    cells = row.by_column
    try:
        frame_cell, track_cell, *edge_cells, confidence_cell = _CHOSEN(cells)
    except KeyError:
        raise BadRowError(_few_fields(row)) from None
    frame = checked.frame_number(frame_cell, "frame_idx")
    track = checked.track_number(track_cell, "track_id")
    if all(map(is_nan, edge_cells)):
        return numbered.Row(frame, track, None, math.nan)  # a mask without a box
    left, top, right, bottom = map(np.float32, map(checked.number, edge_cells, EDGES, EDGES))
    width, height = float(right - left), float(bottom - top)
    checked.check_size(width, height, EDGES[2])
    confidence = checked.confidence(confidence_cell, "confidence")
    return numbered.Row(frame, track, (float(left), float(top), width, height), confidence)


def _few_fields(row: _Cells) -> Problem:
    column = next(name for name in COLUMNS if name not in row.by_column)
    return other_fields(column, count_text(row.n_fields, "field"), "as many as the header")


_ROWS = numbered.RowFormat(
    rows_of=_rows,
    box_of=_box,
    frame="frame_idx",
    track="track_id",
    expected=EXPECTED,
)
