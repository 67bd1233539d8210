"""Readers for formats whose boxes name their frame by a number, as most formats do.

Such a format gives one reader columns of numbers, `read_columns`, and the other rows, `read_rows`;
what holds for boxes of any format is checked here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.dataset.batches import Batch, Int32s, Int64s
from tracks2zarr.tracks import values
from tracks2zarr.tracks.formats import OnBytes, ReadFile, TakeBoxes, UnrecognisedError
from tracks2zarr.tracks.frames import FrameRule, Outside
from tracks2zarr.tracks.row_problems import (
    BadFileError,
    BadRowError,
    first_not_utf8,
)
from tracks2zarr.tracks.rows_read import RowsRead
from tracks2zarr.tracks.source_file import SourceFile, changed_while_read, open_source
from tracks2zarr.tracks.source_folder import digest_of_files, files_of, stamp_of

#: From here on, a float64 may stand for another integer than was written.
_EXACT_FLOAT = 2**53
_READ_BYTES = 1 << 20

type Float64s = NDArray[np.float64]


class Columns(NamedTuple):
    """Boxes as float64, or int64 where a file has integers that a float64 cannot hold.

    Parameters
    ----------
    frame, track
        (n,) the frame as the file counts it, and the track number.
    corner, size
        (n, 2) x and y of the top-left corner, width and height, in pixels.
    confidence
        (n,) NaN where absent.
    frame_without_box
        (m,) the frames that the file names without a box.
    """

    frame: Float64s | Int64s
    track: Float64s | Int64s
    corner: Float64s
    size: Float64s
    confidence: Float64s
    frame_without_box: Float64s | Int64s = np.empty(0, np.int64)


class Row(NamedTuple):
    """One box, its values checked by `checked_values`.

    Parameters
    ----------
    frame, track
        The frame as the file counts it, and the track number.
    box
        x and y of the top-left corner, width and height, in pixels; None where there is no box.
    confidence
        NaN where absent.
    """

    frame: int
    track: int
    box: tuple[float, float, float, float] | None
    confidence: float


@dataclass(frozen=True, slots=True, kw_only=True)
class RowFormat[Content]:
    """How rows are found in a file, and what is in them.

    Parameters
    ----------
    rows_of
        Yields line and content of each row of an open file; raises `BadFileError` where it is no
        such file.
    box_of
        Returns what a row has; raises `BadRowError` for a bad one.
    frame, track
        What the format calls them.
    expected
        What such a file is, for people.
    first_number
        The number that the format gives to the first frame.
    """

    rows_of: Callable[[SourceFile], Iterable[tuple[int, Content]]]
    box_of: Callable[[Content], Row]
    frame: str
    track: str
    expected: str
    first_number: int = 0


def read_columns(
    path: Path,
    rule: FrameRule,
    take: TakeBoxes,
    on_bytes: OnBytes,
    columns_of: Callable[[SourceFile], Iterable[Columns]],
    *,
    first_number: int = 0,
) -> ReadFile:
    """Read a tracks file, or a folder of them, whose boxes come in columns.

    Parameters
    ----------
    path, rule, take, on_bytes
        As `tracks2zarr.tracks.formats.ReadTracks` has them.
    columns_of
        Returns the boxes of an open file, some at once.
    first_number
        The number that the format gives to the first frame.

    Raises
    ------
    UnrecognisedError
        If a value is not known to be right.
    Tracks2ZarrError
        If a file changed while it was read.
    OSError
        If a file cannot be read.
    """

    def one_by_one(sources: Iterable[SourceFile]) -> Iterator[Columns]:
        for source in sources:
            yield from columns_of(source)

    return read_columns_of_files(path, rule, take, on_bytes, one_by_one, first_number=first_number)


def read_columns_of_files(
    path: Path,
    rule: FrameRule,
    take: TakeBoxes,
    on_bytes: OnBytes,
    columns_of: Callable[[Iterable[SourceFile]], Iterable[Columns]],
    *,
    first_number: int = 0,
) -> ReadFile:
    """Read files whose boxes come in columns, perhaps those of several files at once.

    Parameters
    ----------
    columns_of
        Returns the boxes of all files, each of which is open only until the next is asked for.
    path, rule, take, on_bytes, first_number
        As for `read_columns`, and so are the errors.
    """
    rule = replace(rule, first_number=first_number)
    frames = _Frames(rule)
    sources = _Sources(path, on_bytes)
    for columns in columns_of(sources):
        take(frames.batch(columns))
    return ReadFile("columns", sources.digest, sources.stamp, frames.of_image())


def read_rows[Content](
    path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes, row_format: RowFormat[Content]
) -> ReadFile:
    """Read a tracks file, or a folder of them, row by row, and name every row that is wrong.

    Parameters
    ----------
    path, rule, take, on_bytes
        As `tracks2zarr.tracks.formats.ReadTracks` has them.
    row_format
        What the rows are.

    Raises
    ------
    Tracks2ZarrError
        If any row breaks the format: of each kind of problem the first ten rows, and how many
        there are; or if a file changed while it was read.
    OSError
        If a file cannot be read.
    """
    rule = replace(rule, first_number=row_format.first_number)
    sources = _Sources(path, on_bytes)
    rows: RowsRead[int] = RowsRead(take, sources.files)
    for number, source in enumerate(sources):
        _read_rows(rows, number, source, row_format)
    rows.hand_on()
    frame_of_image = _frames_of(rows, rule, row_format.frame)
    if not any(rows.problems):
        rows.name_duplicates(frame_of_image, row_format.track)
    if any(rows.problems):
        raise Tracks2ZarrError(rows.all_problems())
    return ReadFile("rows", sources.digest, sources.stamp, frame_of_image)


def _read_rows[Content](
    rows: RowsRead[int], file: int, source: SourceFile, row_format: RowFormat[Content]
) -> None:
    problems = rows.problems[file]
    try:
        for line, content in row_format.rows_of(source):
            try:
                box = row_format.box_of(content)
            except BadRowError as bad:
                problems.add(line, bad.problem)
                continue
            rows.add_row(line, box.frame, file)
            if box.box is not None:
                rows.add_box(box.track, box.box, box.confidence)
    except BadFileError as bad:
        problems.add_fault(bad.fault)
    except UnicodeDecodeError:
        fault = first_not_utf8(source.path)
        problems.add_fault(replace(fault, expected=row_format.expected))


def _frames_of(rows: RowsRead[int], rule: FrameRule, column: str) -> Int32s:
    """Return (n_images,) int32, the frame within the clip of each, or name those that are none."""
    frames = list(rows.number_of)
    bad = [number for number, frame in enumerate(frames) if not rule.has(frame)]
    if not bad:
        return (np.array(frames, np.int64) - rule.offset).astype(np.int32)
    outside = Outside.of(frames, rule, column)
    rows.name_bad_images({number: outside.problem(frames[number]) for number in bad})
    return np.empty(0, np.int32)


class _Frames:
    """Turns frames as a file counts them into frames within the clip."""

    def __init__(self, rule: FrameRule) -> None:
        self._rule = rule
        self._n = 0

    def batch(self, columns: Columns) -> Batch:
        """Return boxes whose images are the frames within the clip.

        Raises
        ------
        UnrecognisedError
            If a value cannot be right.
        """
        frame, track = _integers(columns.frame), _integers(columns.track)
        frame, without = (
            one - self._rule.offset for one in (frame, _integers(columns.frame_without_box))
        )
        confidence = columns.confidence
        is_sound = (
            all(((one >= 0) & (one < self._rule.n_frames)).all() for one in (frame, without))
            and (track >= 0).all()
            and all((np.abs(one) < values.MAX_NUMBER).all() for one in columns[2:4])  # not NaN
            and (columns.size >= 0).all()
            and not (np.abs(confidence) >= values.MAX_NUMBER).any()
        )
        if not is_sound:
            raise UnrecognisedError
        last = max(frame.max(initial=-1), without.max(initial=-1))
        self._n = max(self._n, int(last) + 1)
        return Batch(
            image=frame.astype(np.int32),
            track=track,
            corner=columns.corner.astype(np.float32),
            size=columns.size.astype(np.float32),
            confidence=np.where(np.isnan(confidence), np.nan, confidence).astype(np.float32),
        )

    def of_image(self) -> Int32s:
        """Return (n,) int32, the frame of each image: itself."""
        return np.arange(self._n, dtype=np.int32)


def _integers(column: Float64s | Int64s) -> Int64s:
    if np.issubdtype(column.dtype, np.integer):
        return column.astype(np.int64, copy=False)
    if not (np.abs(column) < _EXACT_FLOAT).all() or (column != np.trunc(column)).any():
        raise UnrecognisedError
    return column.astype(np.int64)


class _Sources:
    """The open files of a clip one after the other; then digest and stamp of all of them."""

    def __init__(self, path: Path, on_bytes: OnBytes) -> None:
        self._path = path
        self._on_bytes = on_bytes
        self.stamp = stamp_of(path)
        self.files = files_of(path)
        self.digest = ""

    def __iter__(self) -> Iterator[SourceFile]:
        digests = []
        for file in self.files:
            with open_source(file, self._on_bytes) as source:
                yield source
                while source.raw.read(_READ_BYTES):  # what its reader had no need of
                    pass
                source.check_end()
            digests.append(source.digest)
        if not self._path.is_dir():
            self.stamp, (self.digest,) = source.stamp, digests
            return
        self.digest = digest_of_files(zip(self.files, digests, strict=True))
        if stamp_of(self._path) != self.stamp:
            raise Tracks2ZarrError(changed_while_read(self._path, "other files than before"))
