"""Reads the boxes of a clip again, with another reader than the one that converted it."""

from __future__ import annotations

import tempfile
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Batch, Int32s, Int64s
from tracks2zarr.tracks.formats import (
    PROVED_BY,
    OnBytes,
    ReaderName,
    ReadTracks,
    TracksFormat,
    reader_named,
)
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.verifying.expected import TracksOfClip

#: One box as it stands in the file: its corner or its centroid, and its size, in pixels.
_BOX = np.dtype([("track", "<i8"), ("place", "<f4", 2), ("size", "<f4", 2), ("confidence", "<f4")])
#: Boxes that are looked at together.
_AT_ONCE = 1 << 18
#: Boxes with more bytes than this wait in a temporary file, not in memory.
_IN_MEMORY = 16 * 2**20


@dataclass(frozen=True, slots=True)
class BoxesOfFrames:
    """Some boxes, in the order of frames.

    Parameters
    ----------
    frame
        (n,) int64, the frame within the clip.
    individual
        (n,) int64, the place of the track among those of the clip, in order of track number.
    values
        By array, (n, n_sides) float32: ``position`` and ``shape`` in pixels, and ``confidence``.
    """

    frame: Int64s
    individual: Int64s
    values: dict[str, NDArray[np.float32]]


class SourceBoxes:
    """All boxes of a clip. Large clips wait in a temporary file, so that memory is bounded."""

    def __init__(self) -> None:
        self._records = tempfile.SpooledTemporaryFile(_IN_MEMORY)  # noqa: SIM115 - see close
        self._images: list[Int32s] = []
        self._frame: Int32s = np.empty(0, np.int32)
        self.track_ids: Int64s = np.empty(0, np.int64)
        self._has_centroids = False

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __len__(self) -> int:
        return len(self._frame)

    def close(self) -> None:
        """Remove the temporary file."""
        self._records.close()

    def take(self, batch: Batch) -> None:
        """Add boxes, in the order of the file."""
        records = np.empty(len(batch.track), _BOX)
        self._has_centroids = batch.centroid is not None
        records["place"] = batch.corner if batch.centroid is None else batch.centroid
        for name in ("track", "size", "confidence"):
            records[name] = getattr(batch, name)
        self._records.write(records.tobytes())
        self._images.append(batch.image.copy())
        self.track_ids = np.union1d(self.track_ids, batch.track)

    def sort(self, frame_of_image: Int32s) -> None:
        """Find the frame of each box, and bring the boxes into the order of frames."""
        image = np.concatenate([np.empty(0, np.int32), *self._images])
        self._images.clear()
        self._frame = frame_of_image[image] if len(image) else image
        if (self._frame[1:] < self._frame[:-1]).any():
            order = np.argsort(self._frame, kind="stable")
            self._frame = self._frame[order]
            records = self._read(0, len(image))[order]
            self._records.seek(0)
            self._records.write(records.tobytes())

    def tracks(self) -> TracksOfClip:
        """Return from when to when each track lasts, and how many boxes it has."""
        n = len(self.track_ids)
        first = np.full(n, np.iinfo(np.int64).max)
        last, n_boxes = np.full(n, -1), np.zeros(n, np.int64)
        for start in range(0, len(self), _AT_ONCE):
            stop = min(start + _AT_ONCE, len(self))
            individual = np.searchsorted(self.track_ids, self._read(start, stop)["track"])
            np.minimum.at(first, individual, self._frame[start:stop].astype(np.int64))
            np.maximum.at(last, individual, self._frame[start:stop].astype(np.int64))
            np.add.at(n_boxes, individual, 1)
        return TracksOfClip(self.track_ids, first, last, n_boxes)

    def between(self, start: int, stop: int) -> BoxesOfFrames:
        """Return the boxes of the frames from `start` up to, not including, `stop`."""
        bounds = np.array((start, stop), self._frame.dtype)
        first, last = np.searchsorted(self._frame, bounds).tolist()
        records = self._read(first, last)
        centroid, size = records["place"], records["size"]
        if not self._has_centroids:  # as `movement` computes it
            centroid = np.add(centroid, size / np.float32(2), dtype=np.float32)
        return BoxesOfFrames(
            frame=self._frame[first:last].astype(np.int64),
            individual=np.searchsorted(self.track_ids, records["track"]).astype(np.int64),
            values={
                "position": centroid,
                "shape": size,
                "confidence": records["confidence"][:, None],
            },
        )

    def _read(self, first: int, last: int) -> NDArray[Any]:
        self._records.seek(first * _BOX.itemsize)
        return np.frombuffer(self._records.read((last - first) * _BOX.itemsize), _BOX)


@dataclass(frozen=True, slots=True)
class Source:
    """A clip's tracks file as it was read again.

    Parameters
    ----------
    reader
        Which reader read it.
    digest
        The SHA-256 of its bytes.
    boxes
        Its boxes.
    """

    reader: ReaderName
    digest: str
    boxes: SourceBoxes


def read_source(
    tracks_format: TracksFormat,
    path: Path,
    rule: FrameRule,
    read_by: ReaderName | None,
    on_bytes: OnBytes,
) -> Source:
    """Read a tracks file by another reader than the one that made the group.

    Parameters
    ----------
    tracks_format
        The format of the file.
    path
        The tracks file.
    rule
        How frames are found, and which frames the clip has.
    read_by
        The reader that made the group; None where the receipt does not say.
    on_bytes
        Called with the number of bytes that were read since the last call.

    Raises
    ------
    UnrecognisedError
        If that reader does not know a row.
    Tracks2ZarrError
        If rows break the format.
    OSError
        If the file cannot be read.
    """
    name = PROVED_BY[read_by]
    read: ReadTracks = reader_named(tracks_format, name)
    if read_by == "compiled":
        from tracks2zarr.tracks import column_reader

        # the compiled reader takes no row that differs from the tracker's but in its numbers
        read = partial(column_reader.read_file, rows_are_sound=True)
    return _read_with(read, name, path, rule, on_bytes)


def read_source_by_rows(
    tracks_format: TracksFormat, path: Path, rule: FrameRule, on_bytes: OnBytes
) -> Source:
    """Read a tracks file row by row; the parameters and errors are those of `read_source`."""
    return _read_with(reader_named(tracks_format, "rows"), "rows", path, rule, on_bytes)


def _read_with(
    read: ReadTracks, name: ReaderName, path: Path, rule: FrameRule, on_bytes: OnBytes
) -> Source:
    boxes = SourceBoxes()
    try:
        found = read(path, rule, boxes.take, on_bytes)
        boxes.sort(found.frame_of_image)
    except BaseException:
        boxes.close()
        raise
    return Source(name, found.digest, boxes)
