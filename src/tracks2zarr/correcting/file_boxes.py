"""The boxes of a tracks file with their corners, as its reader hands them on."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO, Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Batch, Int32s, Int64s, is_in_order
from tracks2zarr.exporting.via_rows import RowBoxes
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.tracks.formats import (
    OnBytes,
    ReadFile,
    ReadTracks,
    TracksFormat,
    UnrecognisedError,
)
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.reading import read_with_fastest
from tracks2zarr.tracks.source_file import FileStamp

#: One box as it stands in the file.
_BOX = np.dtype(
    [
        ("image", "<i4"),
        ("track", "<i8"),
        ("corner", "<f4", 2),
        ("size", "<f4", 2),
        ("confidence", "<f4"),
    ]
)


@dataclass(frozen=True, slots=True)
class FileBoxes:
    """All boxes of a tracks file; they wait in a temporary file, so that memory is bounded.

    Parameters
    ----------
    digest
        The SHA-256 of the file's bytes, as ``sha256:<hex>``.
    stamp
        The stamp of the file that these bytes are from.
    frames
        (n_frames,) int64, the frames within the clip that have a row, ascending.
    frame
        (n,) int32, the frame within the clip of each box, ascending.
    records
        (n,) the boxes, in the order of the file.
    order
        (n,) int64, the places of the boxes in order of frame; None where they are in order.
    """

    digest: str
    stamp: FileStamp
    frames: Int64s
    frame: Int32s
    records: NDArray[Any]
    order: Int64s | None

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def track(self) -> Int64s:
        """(n,) int64, the track of each box, in order of frame."""
        track: Int64s = self.records["track"]
        return track if self.order is None else track[self.order]

    def rows(self, rows: slice | Int64s) -> RowBoxes:
        """Return some of the boxes, in order of frame."""
        found = self.records[rows if self.order is None else self.order[rows]]
        return RowBoxes(
            frame=self.frame[rows].astype(np.int64),
            track=found["track"].astype(np.int64),
            corner=found["corner"].astype(np.float32),
            size=found["size"].astype(np.float32),
            confidence=found["confidence"].astype(np.float32),
        )

    def between(self, start: int, stop: int) -> RowBoxes:
        """Return the boxes of the frames from `start` up to, not including, `stop`."""
        bounds = np.array((start, stop), self.frame.dtype)
        first, last = np.searchsorted(self.frame, bounds).tolist()
        return self.rows(slice(first, last))


def read_file_boxes(tracks_format: TracksFormat, path: Path, rule: FrameRule) -> FileBoxes:
    """Read all boxes of a tracks file, and check every row; the bytes are reported.

    Parameters
    ----------
    tracks_format
        The format of the file.
    path
        The tracks file.
    rule
        How frames are found, and which frames the clip has.

    Raises
    ------
    Tracks2ZarrError
        If rows break the format, of which the first of each kind of problem are named.
    OSError
        If the file cannot be read.
    """

    def read(reader: ReadTracks, on_bytes: OnBytes) -> FileBoxes:
        with tempfile.TemporaryFile() as file:
            sink = _Sink(file)
            found = reader(path, rule, sink.take, on_bytes)
            return _in_order(found, sink.records())

    return read_with_fastest(tracks_format, read, lambda count: report_bytes(0, count))


@dataclass(slots=True)
class _Sink:
    """Writes boxes to a file as they come."""

    file: IO[bytes]
    count: int = field(default=0)

    def take(self, batch: Batch) -> None:
        """Add boxes."""
        records = np.empty(len(batch.track), _BOX)
        for name in _BOX.fields or ():
            records[name] = getattr(batch, name)
        self.file.write(records.tobytes())
        self.count += len(records)

    def records(self) -> NDArray[Any]:
        """Return all boxes, mapped into memory; the file may be closed then."""
        if not self.count:  # nothing to map
            return np.empty(0, _BOX)
        self.file.flush()
        return np.memmap(self.file, _BOX, mode="r", shape=(self.count,))


def _in_order(file: ReadFile, records: NDArray[Any]) -> FileBoxes:
    """Return boxes with the order of their frames; a track that is twice in one is an error."""
    frame_of_image = file.frame_of_image
    frame = frame_of_image[records["image"]] if len(records) else np.empty(0, np.int32)
    track, order = records["track"], None
    if not is_in_order(frame, track):
        order = np.lexsort((track, frame))
        frame, track = frame[order], track[order]
        if ((frame[1:] == frame[:-1]) & (track[1:] == track[:-1])).any():
            raise UnrecognisedError  # the reader of rows names it
    frames = np.unique(frame_of_image).astype(np.int64)
    return FileBoxes(file.digest, file.stamp, frames, frame, records, order)
