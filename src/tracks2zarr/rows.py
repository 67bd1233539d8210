"""The slow road from a tracks CSV to boxes: the csv module and orjson, row by row.

It shares no parser with the fast road (`tracks2zarr.parse`). It names every row that
breaks the format, and it is what `tracks2zarr.verify` holds the store against.
"""

from __future__ import annotations

import csv
import hashlib
import io
import json
import math
from array import array
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import orjson

from tracks2zarr import via
from tracks2zarr.boxes import ClipBoxes, Int64s
from tracks2zarr.csvs import CsvReader
from tracks2zarr.problems import ROWS_NAMED, Problem, shown
from tracks2zarr.sources import named_digest

_BOX = ("x", "y", "width", "height")
_KEYS = ("name", *_BOX, "track", "confidence")
_EMPTY = "{}"
# the module's own limit, 128 KiB, is less than the fast road takes
csv.field_size_limit(16 * 2**20)


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
    columns, problems, digest = _Columns(), _RowProblems(path), ""
    try:
        with path.open("rb", buffering=0) as raw:
            hashed = _HashedReader(raw, on_bytes)
            text = io.TextIOWrapper(io.BufferedReader(hashed, 1 << 20), "utf-8-sig", newline="")
            _read_rows(csv.reader(text, strict=True), columns, problems)
            digest = named_digest(hashed.hasher)
    except UnicodeDecodeError:
        problems.add_file_problem(*_not_utf8(path))
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


def mixed_frames(path: Path) -> Problem:
    """Return the warning that only some rows of a file have a frame in their attributes."""
    return Problem(
        kind="mixed-frames",
        what="Only some rows have a frame in their file attributes; the file names count.",
        file=str(path),
        column="file_attributes",
        found="'frame' in some rows",
        expected="'frame' in all rows, or in none",
        remedy="Check that the digits in the image file names are the frames.",
        severity="warning",
    )


@dataclass(slots=True)
class _Columns:
    """What was read so far: one entry a box, and one a row for its image."""

    number_of: dict[tuple[str, str], int] = field(default_factory=dict)
    row_line: array[int] = field(default_factory=lambda: array("q"))
    row_image: array[int] = field(default_factory=lambda: array("i"))
    line: array[int] = field(default_factory=lambda: array("q"))
    image: array[int] = field(default_factory=lambda: array("i"))
    track: array[int] = field(default_factory=lambda: array("q"))
    box: array[float] = field(default_factory=lambda: array("d"))
    confidence: array[float] = field(default_factory=lambda: array("d"))
    mixed: bool = False


class _BadRowError(Exception):
    """A row that breaks the format."""

    def __init__(self, kind: str, what: str, column: str, found: object, expected: str) -> None:
        super().__init__(what)
        self.kind, self.what, self.column = kind, what, column
        self.found, self.expected = found, expected


class _RowProblems:
    """Problems by kind: the first rows of each in full, and how many there are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first: dict[str, list[Problem]] = {}
        self._count: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._first)

    def add(self, line: int, bad: _BadRowError, remedy: str = "Export the tracks again.") -> None:
        first = self._first.setdefault(bad.kind, [])
        self._count[bad.kind] = self._count.get(bad.kind, 0) + 1
        if len(first) < ROWS_NAMED:
            first.append(
                Problem(
                    kind=bad.kind,
                    what=bad.what,
                    file=str(self.path),
                    row=line,
                    column=bad.column,
                    found=shown(bad.found),
                    expected=bad.expected,
                    remedy=remedy,
                )
            )

    def add_file_problem(self, line: int | None, kind: str, what: str, found: str) -> None:
        self._count[kind] = 1
        self._first[kind] = [
            Problem(
                kind=kind,
                what=what,
                file=str(self.path),
                row=line,
                found=shown(found),
                expected="a CSV file in UTF-8 with the columns " + ",".join(via.HEADER),
                remedy="Export the tracks again.",
            )
        ]

    def listed(self) -> Iterator[Problem]:
        for kind, first in self._first.items():
            yield from first
            rest = self._count[kind] - len(first)
            if rest:
                yield Problem(
                    kind=kind,
                    what=f"{rest} more rows have this problem ({self._count[kind]} in all).",
                    file=str(self.path),
                    found=first[-1].what,
                    expected="no such row",
                    remedy=first[-1].remedy,
                )


def _not_utf8(path: Path) -> tuple[int, str, str, str]:
    with path.open("rb") as file:
        for number, line in enumerate(file, start=1):
            try:
                line.decode()
            except UnicodeDecodeError as error:
                found = f"byte 0x{line[error.start]:02x} at position {error.start + 1} of the row"
                return number, "tracks-not-utf8", "A tracks file is not UTF-8.", found
    raise AssertionError("a file that is not UTF-8 has a line that is not")


def _read_rows(reader: CsvReader, columns: _Columns, problems: _RowProblems) -> None:
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
                except _BadRowError as bad:
                    problems.add(line, bad)
            line = reader.line_num + 1
    except csv.Error as error:
        problems.add_file_problem(
            line, "tracks-csv", "A tracks file cannot be read as CSV.", str(error)
        )


def _read_row(line: int, fields: list[str], columns: _Columns) -> None:
    """Add the box of a row, if it has one, to the columns."""
    if len(fields) != len(via.HEADER):
        raise _BadRowError(
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
            raise _BadRowError(
                "row-without-box", "A row has no box.", "region_shape_attributes",
                f"{_EMPTY} and a region_count of {count}", "a box, or a region_count of 0",
            )  # fmt: skip
        return
    if count.strip() == "0":
        raise _BadRowError(
            "box-in-empty-frame", "A row of a frame without boxes has a box.", "region_count",
            count, "1 or more, or '{}' as region_shape_attributes and region_attributes",
        )  # fmt: skip
    x, y, width, height = _read_box(shape_text)
    track, confidence = _read_region(region_text)
    columns.line.append(line)
    columns.image.append(image)
    columns.track.append(track)
    columns.box.extend((x, y, width, height))
    columns.confidence.append(confidence)


def _object(text: str, column: str) -> dict[str, Any]:
    try:
        value = orjson.loads(text)
    except orjson.JSONDecodeError:
        try:
            value = via.loads(text)  # with the literal NaN, perhaps
        except ValueError:
            value = None
    if not isinstance(value, dict):
        raise _BadRowError("json", "A cell is no JSON object.", column, text, "a JSON object")
    if text.count(":") != len(value):
        _check_keys(text, column)
    return value


def _check_keys(text: str, column: str) -> None:
    """Check that no key that counts is twice: parsers differ in which of the two they take."""
    keys = [key for key, _ in json.loads(text, object_pairs_hook=list)]
    twice = [key for key in _KEYS if keys.count(key) > 1]
    if twice:
        raise _BadRowError(
            "json-key-twice", "A key is twice in a JSON object.", column,
            text, f"one '{twice[0]}'",
        )  # fmt: skip


def _read_box(text: str) -> tuple[float, float, float, float]:
    column = "region_shape_attributes"
    shape = _object(text, column)
    if shape.get("name") != "rect":
        raise _BadRowError(
            "not-rect", "A region is not a rectangle.", column,
            f"name {shape.get('name')!r}", "name 'rect'",
        )  # fmt: skip
    x, y, width, height = (_number(shape.get(key), key, column) for key in _BOX)
    if width < 0 or height < 0:
        raise _BadRowError(
            "negative-size", "A box has a negative size.", column,
            f"width {width:g}, height {height:g}", "0 or more",
        )  # fmt: skip
    return x, y, width, height


def _number(value: object, key: str, column: str) -> float:
    number = value if type(value) is float else via.to_number(value)
    if number is None or math.isnan(number) or abs(number) >= via.MAX_NUMBER:
        raise _BadRowError(
            "not-a-number", f"The {key} of a box is not a number that float32 can hold.", column,
            f"{key} {value!r}" if value is not None else f"no {key}",
            "a finite number, or a string of one",
        )  # fmt: skip
    return number


def _read_region(text: str) -> tuple[int, float]:
    column = "region_attributes"
    region = _object(text, column)
    value = region.get("track")
    track = via.to_integer(value)
    if track is None or not 0 <= track < via.MAX_TRACK:
        raise _BadRowError(
            "track", "The track of a box is not a track number.", column,
            f"track {value!r}" if value is not None else "no track",
            "an integer from 0 to 2**63 - 1, or a string of one",
        )  # fmt: skip
    value = region.get("confidence")
    confidence = via.to_confidence(value)
    if confidence is None or abs(confidence) >= via.MAX_NUMBER:
        raise _BadRowError(
            "confidence", "The confidence of a box is not a number.", column,
            f"confidence {value!r}", "a finite number, a string of one, NaN, null, or none",
        )  # fmt: skip
    return track, confidence


def _finish(columns: _Columns, rule: via.FrameRule, problems: _RowProblems) -> ClipBoxes:
    """Find frames, and look for boxes that are there twice."""
    images = [via.Image(*pair) for pair in columns.number_of]
    frames = via.frames_of(images, rule)
    columns.mixed = frames.mixed
    if frames.bad:
        _name_bad_images(columns, frames.bad, problems)
    image = np.asarray(columns.image, np.int64)
    frame = np.array([*frames.of_image, 0], np.int64)[image] if not frames.bad else image
    box = np.asarray(columns.box, np.float64).astype(np.float32).reshape(-1, 4)
    track = np.asarray(columns.track, np.int64)
    if not problems:
        _name_duplicates(columns, frame, track, problems)
    centre = box[:, :2] + box[:, 2:] / np.float32(2)
    return ClipBoxes.from_arrays(
        frame.astype(np.int32),
        track,
        np.concatenate([centre, box[:, 2:]], axis=1),
        np.asarray(columns.confidence, np.float64).astype(np.float32),
    )


def _name_bad_images(
    columns: _Columns, bad: dict[int, via.BadImage], problems: _RowProblems
) -> None:
    for line, image in zip(columns.row_line, columns.row_image, strict=True):
        if image in bad:
            why = bad[image]
            row = _BadRowError(why.kind, why.what, why.column, why.found, why.expected)
            problems.add(line, row, why.remedy)


def _name_duplicates(
    columns: _Columns, frame: Int64s, track: Int64s, problems: _RowProblems
) -> None:
    """Name each row whose frame and track another row before it has."""
    order = np.lexsort((track, frame))
    same = (frame[order][1:] == frame[order][:-1]) & (track[order][1:] == track[order][:-1])
    for position in np.flatnonzero(same):
        before, after = int(order[position]), int(order[position + 1])
        found = f"track {track[after]} in frame {frame[after]}, as in row {columns.line[before]}"
        row = _BadRowError(
            "duplicate-box", "A track has two boxes in one frame.", "region_attributes",
            found, "one box a track and frame",
        )  # fmt: skip
        problems.add(columns.line[after], row)
