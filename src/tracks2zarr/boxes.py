"""The boxes of one clip, as columns on disk: rows in, columns out, memory bounded."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any, BinaryIO, Self

import numpy as np
from numpy.typing import NDArray

type Int32s = NDArray[np.int32]
type Int64s = NDArray[np.int64]
type Float32s = NDArray[np.float32]

#: The columns of a spill folder: dtype and values a box.
_COLUMNS: dict[str, tuple[str, int]] = {
    "frame": ("<i4", 1),
    "track": ("<i8", 1),
    "box": ("<f4", 4),
    "confidence": ("<f4", 1),
    "track_ids": ("<i8", 1),
}
_ROWS_AT_ONCE = 1 << 20


@dataclass(frozen=True, slots=True)
class Batch:
    """Some boxes in the order of the file.

    `image` (n,) int32 counts in the file's distinct images; `track` (n,) int64; `corner`
    and `size` (n, 2) float32, pixels; `confidence` (n,) float32, NaN where absent.
    """

    image: Int32s
    track: Int64s
    corner: Float32s
    size: Float32s
    confidence: Float32s


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
        first, last = np.searchsorted(self.frame, (start, stop))
        return slice(int(first), int(last))

    def individual(self, rows: slice) -> Int64s:
        """Return (n,) int64, the individuals of some rows: 0 to N-1 in order of track number."""
        return np.searchsorted(self.track_ids, self.track[rows]).astype(np.int64, copy=False)

    def blocks(self) -> Iterator[slice]:
        """Yield slices that cover all rows, each of whole frames."""
        start = 0
        while start < len(self):
            stop = min(start + _ROWS_AT_ONCE, len(self))
            stop = int(np.searchsorted(self.frame, self.frame[stop - 1], side="right"))
            yield slice(start, stop)
            start = stop

    def first_duplicate(self) -> tuple[int, int] | None:
        """Return the frame and the track number of a box that is there twice, or None."""
        for rows in self.blocks():
            key = self.frame[rows].astype(np.int64) * max(self.n_individuals, 1)
            key += self.individual(rows)
            key.sort()
            twice = np.flatnonzero(key[1:] == key[:-1])
            if len(twice):
                frame, individual = divmod(int(key[twice[0]]), self.n_individuals)
                return frame, int(self.track_ids[individual])
        return None

    @classmethod
    def from_arrays(cls, frame: Int32s, track: Int64s, box: Float32s, confidence: Float32s) -> Self:
        """Make the boxes of a clip from columns in any order."""
        if np.any(frame[1:] < frame[:-1]):
            order = np.argsort(frame, kind="stable")
            frame, track, box, confidence = (
                frame[order],
                track[order],
                box[order],
                confidence[order],
            )
        return cls(frame, track, box, confidence, np.unique(track))

    def save(self, folder: Path) -> None:
        """Write the columns into a folder, from where `load` takes them."""
        for name in _COLUMNS:
            temporary = folder / f"{name}.new"
            with temporary.open("wb") as file:
                file.write(_bytes(name, getattr(self, name)))
            temporary.replace(folder / name)

    @classmethod
    def load(cls, folder: Path) -> Self:
        """Return the boxes whose columns lie in a folder; they are read as they are used."""
        return cls(**{name: _column(folder, name) for name in _COLUMNS})


def _bytes(name: str, values: NDArray[Any]) -> memoryview:
    """Return a column as it lies on disk."""
    # not `tofile`, whose error does not say that a disk is full
    return np.ascontiguousarray(values, _COLUMNS[name][0]).data


def _column(folder: Path, name: str) -> NDArray[Any]:
    """Return a column of a folder, mapped into memory."""
    dtype, width = _COLUMNS[name]
    path = folder / name
    shape = (-1, width) if width > 1 else (-1,)
    if path.stat().st_size == 0:  # nothing to map
        return np.empty((0, *shape[1:]), dtype)
    return np.memmap(path, dtype, mode="r").reshape(shape)


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
        self._track_ids: Int64s = np.empty(0, np.int64)

    def append(self, batch: Batch) -> None:
        """Add boxes; centroids are computed in float32, as `movement` does."""
        half = batch.size / np.float32(2)
        columns: dict[str, NDArray[Any]] = {
            "frame": batch.image,
            "track": batch.track,
            "box": np.concatenate([batch.corner + half, batch.size], axis=1),
            "confidence": batch.confidence,
        }
        for name, values in columns.items():
            self._files[name].write(_bytes(name, values))
        self._track_ids = np.union1d(self._track_ids, batch.track)

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
                self._files["track_ids"].write(_bytes("track_ids", self._track_ids))

    def boxes(self, frame_of_image: Int32s) -> ClipBoxes:
        """Return all boxes in ascending order of frame; they lie in the folder.

        Parameters
        ----------
        frame_of_image
            (n_images,) int32, the frame within the clip of each image.
        """
        spilled = ClipBoxes.load(self._folder)
        frame = frame_of_image[spilled.frame] if len(spilled) else spilled.frame
        sorted_boxes = ClipBoxes.from_arrays(frame, spilled.track, spilled.box, spilled.confidence)
        sorted_boxes.save(self._folder)
        return ClipBoxes.load(self._folder)
