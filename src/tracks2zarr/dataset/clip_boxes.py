"""The boxes of one clip, in columns on disk."""

from __future__ import annotations

import mmap
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Batch, Float32s, Int32s, Int64s, is_in_order

#: The columns of a spill folder: dtype and values a box.
_COLUMNS: dict[str, tuple[str, int]] = {
    "frame": ("<i4", 1),
    "track": ("<i8", 1),
    "box": ("<f4", 4),
    "confidence": ("<f4", 1),
    "track_ids": ("<i8", 1),
}
#: Windows has no such advice.
_DONT_NEED: int | None = getattr(mmap, "MADV_DONTNEED", None)
_ROWS_AT_ONCE = 1 << 20
#: Track numbers below this are looked up in a table.
_TABLE_TRACKS = 1 << 17


@dataclass(frozen=True, slots=True)
class ClipTracks:
    """What is known of the tracks of a clip without its boxes; in ascending order of track number.

    Parameters
    ----------
    track_ids
        (n_individuals,) int64, the track numbers in the source file.
    first_frame, last_frame
        (n_individuals,) int64, the first and the last frame within the clip with a box of it.
    n_boxes
        (n_individuals,) int64, at least 1.
    """

    track_ids: Int64s
    first_frame: Int64s
    last_frame: Int64s
    n_boxes: Int64s

    def __len__(self) -> int:
        return len(self.track_ids)


@dataclass(frozen=True, slots=True)
class ClipBoxes:
    """All boxes of a clip, in ascending order of frame.

    Parameters
    ----------
    frame
        (n,) int32, the frame within the clip.
    track
        (n,) int64, the track number in the source file.
    box
        (n, 4) float32, pixels: x and y of the centroid, width, height.
    confidence
        (n,) float32, NaN where absent.
    track_ids
        (n_individuals,) int64, the distinct track numbers, ascending.
    """

    frame: Int32s
    track: Int64s
    box: Float32s
    confidence: Float32s
    track_ids: Int64s

    def __len__(self) -> int:
        return len(self.frame)

    @property
    def n_individuals(self) -> int:
        """The number of distinct tracks."""
        return len(self.track_ids)

    def rows(self, start: int, stop: int) -> slice:
        """Return the rows of the frames from `start` up to, not including, `stop`."""
        # of the dtype of frames, or numpy makes a copy of all of them in another one
        first, last = np.searchsorted(self.frame, np.array((start, stop), self.frame.dtype))
        return slice(int(first), int(last))

    def individual(self, rows: slice) -> Int64s:
        """Return (n,) int64, the individuals of some rows: 0 to N-1 in order of track number."""
        track = self.track[rows]
        if self.n_individuals and self.track_ids[-1] < _TABLE_TRACKS:
            # a look into a table takes a fifth of the time of a search
            table = np.zeros(int(self.track_ids[-1]) + 1, np.int64)
            table[self.track_ids] = np.arange(self.n_individuals)
            return table[track]
        return np.searchsorted(self.track_ids, track).astype(np.int64, copy=False)

    def tracks(self) -> ClipTracks:
        """Return from when to when each track lasts, and how many boxes it has."""
        n = self.n_individuals
        first, last = np.full(n, -1, np.int64), np.full(n, -1, np.int64)
        n_boxes = np.zeros(n, np.int64)
        for rows in self.blocks():
            individual, frame = self.individual(rows), self.frame[rows]
            # frames go up, and numpy keeps the last value that it puts into a place
            last[individual] = frame
            begins = np.full(n, -1, np.int64)
            begins[individual[::-1]] = frame[::-1]
            first = np.where(first < 0, begins, first)
            n_boxes += np.bincount(individual, minlength=n)
        return ClipTracks(self.track_ids, first, last, n_boxes)

    def blocks(self) -> Iterator[slice]:
        """Yield slices that cover all rows, each of whole frames."""
        start = 0
        while start < len(self):
            stop = min(start + _ROWS_AT_ONCE, len(self))
            stop = int(np.searchsorted(self.frame, self.frame[stop - 1], side="right"))
            yield slice(start, stop)
            start = stop
            self.release()

    def first_duplicate(self) -> tuple[int, int] | None:
        """Return the frame and the track number of a box that is there twice, or None."""
        for rows in self.blocks():
            if is_in_order(self.frame[rows], self.track[rows]):
                continue
            key = self.frame[rows].astype(np.int64) * max(self.n_individuals, 1)
            key += self.individual(rows)
            key.sort()
            twice = np.flatnonzero(key[1:] == key[:-1])
            if len(twice):
                frame, individual = divmod(int(key[twice[0]]), self.n_individuals)
                return frame, int(self.track_ids[individual])
        return None

    def release(self) -> None:
        """Give back the memory that holds columns of a folder; what is used again is read again."""
        for name in _COLUMNS:
            column = getattr(self, name)
            while isinstance(column, np.ndarray):
                column = column.base
            if isinstance(column, mmap.mmap) and _DONT_NEED is not None:
                column.madvise(_DONT_NEED)

    def save(self, folder: Path) -> None:
        """Write the columns into a folder, from where `load` takes them."""
        for name in _COLUMNS:
            _save(folder, name, getattr(self, name))

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the boxes whose columns lie in a folder; they are read as they are used."""
        return cls(**{name: _column(folder, name) for name in _COLUMNS})


def _distinct(track: Int64s) -> Int64s:
    """Return (n_individuals,) int64, the distinct track numbers, ascending."""
    if len(track) and track.min() >= 0 and track.max() < _TABLE_TRACKS:
        return np.flatnonzero(np.bincount(track))  # a twentieth of the time of what follows
    return np.unique(track)


def _order(frame: Int32s) -> Int64s | None:
    """Return (n,) int64, which rows to take so that frames go up; None where they do."""
    if not np.any(frame[1:] < frame[:-1]):
        return None
    return np.argsort(frame, kind="stable")


def _bytes(name: str, values: NDArray[Any]) -> memoryview:
    """Return a column as it lies on disk."""
    # not `tofile`, whose error does not say that a disk is full
    return np.ascontiguousarray(values, _COLUMNS[name][0]).data


def _save(folder: Path, name: str, values: NDArray[Any], order: Int64s | None = None) -> None:
    """Write a column, in another order where one is given; then never all of it is in memory."""
    temporary = folder / f"{name}.new"
    with temporary.open("wb") as file:
        if order is None:
            file.write(_bytes(name, values))
        else:
            for start in range(0, len(order), _ROWS_AT_ONCE):
                file.write(_bytes(name, values[order[start : start + _ROWS_AT_ONCE]]))
    temporary.replace(folder / name)


def _column(folder: Path, name: str) -> NDArray[Any]:
    """Return a column of a folder, mapped into memory."""
    dtype, width = _COLUMNS[name]
    path = folder / name
    shape = (-1, width) if width > 1 else (-1,)
    if path.stat().st_size == 0:  # nothing to map
        return np.empty((0, *shape[1:]), dtype)
    if name == "track_ids":  # those of all clips are used at once; a map each is an open file each
        return np.fromfile(path, dtype)
    # as a plain array: each slice of a memmap takes time of its own
    return np.asarray(np.memmap(path, dtype, mode="r")).reshape(shape)


class Spill:
    """Columns of boxes that grow on disk while a file is read.

    Parameters
    ----------
    folder
        An empty folder that the columns may be written to.
    """

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        # until all is read, the column of frames holds the number of the image
        self._closing = ExitStack()
        self._files: dict[str, BinaryIO] = {
            name: self._closing.enter_context((folder / name).open("wb")) for name in _COLUMNS
        }
        self._track_ids: list[Int64s] = [np.empty(0, np.int64)]

    def append(self, batch: Batch) -> None:
        """Add boxes; of corners, the centroids are computed in float32, as `movement` does."""
        centroid = batch.centroid
        if centroid is None:
            centroid = batch.corner + batch.size / np.float32(2)
        columns: dict[str, NDArray[Any]] = {
            "frame": batch.image,
            "track": batch.track,
            "box": np.concatenate([centroid, batch.size], axis=1),
            "confidence": batch.confidence,
        }
        for name, values in columns.items():
            self._files[name].write(_bytes(name, values))
        self._track_ids.append(_distinct(batch.track))

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        with self._closing:  # all of them, whatever one of them raises
            if kind is None:
                self._files["track_ids"].write(
                    _bytes("track_ids", _distinct(np.concatenate(self._track_ids)))
                )

    def boxes(self, frame_of_image: Int32s) -> ClipBoxes:
        """Return all boxes in ascending order of frame; they lie in the folder.

        Parameters
        ----------
        frame_of_image
            (n_images,) int32, the frame within the clip of each image.
        """
        spilled = ClipBoxes.load(self._folder)
        frame = frame_of_image[spilled.frame] if len(spilled) else spilled.frame
        order = _order(frame)
        if order is not None:
            for name in ("track", "box", "confidence"):
                _save(self._folder, name, getattr(spilled, name), order)
                spilled.release()
        _save(self._folder, "frame", frame, order)
        return ClipBoxes.load(self._folder)
