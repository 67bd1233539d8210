"""The slow road from a tracks CSV to boxes: the csv module and orjson, row by row.

It names every row that breaks the format, and proves what the column reader read.
"""

from __future__ import annotations

import csv
import hashlib
import io
from array import array
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from tracks2zarr.common.csv_types import CsvReader
from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.clip_boxes import ClipBoxes, Int64s, is_in_order
from tracks2zarr.tracks import via
from tracks2zarr.tracks.files import named_digest
from tracks2zarr.tracks.json_cells import read_box, read_region
from tracks2zarr.tracks.row_problems import BadRowError, RowProblems, mixed_frames, not_utf8

_EMPTY = "{}"
# the module's own limit, 128 KiB, is less than the fast road takes: up to four of its batches
csv.field_size_limit(64 * 2**20)


@dataclass(frozen=True, slots=True)
class ReadClip:
    """The boxes of a clip, the digest of the bytes that they come from, and the problems.

    Where there are problems, the boxes are not to be used.
    """

    boxes: ClipBoxes
    digest: str
    problems: tuple[Problem, ...]
    warnings: tuple[Problem, ...]


def read_clip(
    path: Path, rule: via.FrameRule, on_bytes: Callable[[int], None] = lambda _: None
) -> ReadClip:
    """Read the boxes of a clip from its tracks file, row by row.

    Parameters
    ----------
    path
        The tracks CSV.
    rule
        How frames are found, and which there are.
    on_bytes
        Called with the number of bytes that were read since the last call.

    Returns
    -------
    ReadClip
        Boxes in ascending order of frame, or all problems: of each kind the first ten
        rows, and how many there are.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    columns, problems, digest = _Columns(), RowProblems(path), ""
    try:
        with path.open("rb", buffering=0) as raw:
            hashed = _HashedReader(raw, on_bytes)
            text = io.TextIOWrapper(io.BufferedReader(hashed, 1 << 20), "utf-8-sig", newline="")
            _read_rows(csv.reader(text, strict=True), columns, problems)
            digest = named_digest(hashed.hasher)
    except UnicodeDecodeError:
        problems.add_file_problem(*not_utf8(path))
    boxes = _finish(columns, rule, problems)
    warnings = (mixed_frames(path),) if columns.mixed else ()
    return ReadClip(boxes, digest, tuple(problems.listed()), warnings)


class _HashedReader(io.RawIOBase):
    """A raw file whose bytes are hashed as they are read."""

    def __init__(self, raw: io.FileIO, on_bytes: Callable[[int], None]) -> None:
        self._raw = raw
        self._on_bytes = on_bytes
        self.hasher = hashlib.sha256()

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any) -> int:
        count = self._raw.readinto(buffer)
        self.hasher.update(memoryview(buffer)[:count])
        self._on_bytes(count)
        return count


@dataclass(slots=True)
class _Columns:
    """What was read so far: one entry a box, and one a row for its image."""

    number_of: dict[tuple[str, str], int] = field(default_factory=dict)
    row_line: array[int] = field(default_factory=lambda: array("q"))
    row_image: array[int] = field(default_factory=lambda: array("i"))
    line: array[int] = field(default_factory=lambda: array("q"))
    image: array[int] = field(default_factory=lambda: array("i"))
    track: array[int] = field(default_factory=lambda: array("q"))
    # to each of them Python gives the nearest float32
    box: array[float] = field(default_factory=lambda: array("f"))
    confidence: array[float] = field(default_factory=lambda: array("f"))
    mixed: bool = False


def _read_rows(reader: CsvReader, columns: _Columns, problems: RowProblems) -> None:
    line = 1
    try:
        header = next(reader, [])
        if not via.is_header(header):
            problems.add_file_problem(
                1, "tracks-header", "A tracks file has another header.", ",".join(header)
            )
            return
        line = reader.line_num + 1
        for fields in reader:
            if fields:
                try:
                    _read_row(line, fields, columns)
                except BadRowError as bad:
                    problems.add(line, bad)
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add_file_problem(
            line, "tracks-csv", "A tracks file cannot be read as CSV.", str(error)
        )


def _read_row(line: int, fields: list[str], columns: _Columns) -> None:
    """Add the box of a row, if it has one, to the columns."""
    if len(fields) != len(via.HEADER):
        raise BadRowError(
            "row-fields", "A row has another number of fields.", "filename",
            f"{len(fields)} fields", f"{len(via.HEADER)} fields",
        )  # fmt: skip
    filename, _, file_attributes, count, _, shape_text, region_text = fields
    numbers = columns.number_of
    image = numbers.setdefault((filename, file_attributes), len(numbers))
    columns.row_line.append(line)
    columns.row_image.append(image)
    if shape_text.strip() == _EMPTY and region_text.strip() == _EMPTY:
        if via.to_integer(count) != 0:
            raise BadRowError(
                "row-without-box", "A row has no box.", "region_shape_attributes",
                f"{_EMPTY} and a region_count of {count}", "a box, or a region_count of 0",
            )  # fmt: skip
        return
    if count.strip() == "0":
        raise BadRowError(
            "box-in-empty-frame", "A row of a frame without boxes has a box.", "region_count",
            count, "1 or more, or '{}' as region_shape_attributes and region_attributes",
        )  # fmt: skip
    x, y, width, height = read_box(shape_text)
    track, confidence = read_region(region_text)
    columns.line.append(line)
    columns.image.append(image)
    columns.track.append(track)
    columns.box.extend((x, y, width, height))
    columns.confidence.append(confidence)


def _finish(columns: _Columns, rule: via.FrameRule, problems: RowProblems) -> ClipBoxes:
    """Find frames, and look for boxes that are there twice."""
    images = [via.Image(*pair) for pair in columns.number_of]
    frames = via.frames_of(images, rule)
    columns.mixed = frames.mixed
    if frames.bad:
        _name_bad_images(columns, frames.bad, problems)
    image = np.asarray(columns.image, np.int64)
    frame = np.array([*frames.of_image, 0], np.int64)[image] if not frames.bad else image
    box = np.asarray(columns.box, np.float32).reshape(-1, 4)
    track = np.asarray(columns.track, np.int64)
    if not problems:
        _name_duplicates(columns, frame, track, problems)
    centre = box[:, :2] + box[:, 2:] / np.float32(2)
    return ClipBoxes.from_arrays(
        frame.astype(np.int32),
        track,
        np.concatenate([centre, box[:, 2:]], axis=1),
        np.asarray(columns.confidence, np.float32),
    )


def _name_bad_images(
    columns: _Columns, bad: dict[int, via.BadImage], problems: RowProblems
) -> None:
    for line, image in zip(columns.row_line, columns.row_image, strict=True):
        if image in bad:
            why = bad[image]
            row = BadRowError(why.kind, why.what, why.column, why.found, why.expected)
            problems.add(line, row, why.remedy)


def _name_duplicates(
    columns: _Columns, frame: Int64s, track: Int64s, problems: RowProblems
) -> None:
    """Name each row whose frame and track another row before it has."""
    if is_in_order(frame, track):
        return
    order = np.lexsort((track, frame))
    same = (frame[order][1:] == frame[order][:-1]) & (track[order][1:] == track[order][:-1])
    for position in np.flatnonzero(same):
        before, after = int(order[position]), int(order[position + 1])
        found = f"track {track[after]} in frame {frame[after]}, as in row {columns.line[before]}"
        row = BadRowError(
            "duplicate-box", "A track has two boxes in one frame.", "region_attributes",
            found, "one box a track and frame",
        )  # fmt: skip
        problems.add(columns.line[after], row)
