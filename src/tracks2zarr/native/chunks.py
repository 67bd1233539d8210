"""Puts boxes into inner chunks, and compares stored chunks with boxes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Bools, Float32s, Int64s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.native import library


@dataclass(frozen=True, slots=True)
class ChunkRow:
    """The boxes of the frames of one row of chunks, and where each lies in its chunk.

    Parameters
    ----------
    values
        By array, (n, n_sides) float32: pixels, or the confidence.
    frame, individual
        (n,) int64, the place in the chunk.
    rows
        By the place of a chunk among those of these frames, (n_boxes,) int64, which of the boxes
        are in it; only chunks with boxes.
    """

    values: dict[str, Float32s]
    frame: Int64s
    individual: Int64s
    rows: dict[int, Int64s]

    @classmethod
    def from_boxes(cls, boxes: ClipBoxes, shape: tuple[int, int], number: int) -> Self:
        """Place boxes of a clip in a row of chunks.

        Parameters
        ----------
        boxes
            Those of the clip.
        shape
            Frames and individuals of an inner chunk.
        number
            The row's place along time.
        """
        frames, individuals = shape
        rows = boxes.rows(number * frames, (number + 1) * frames)
        column, individual = np.divmod(boxes.individual(rows), individuals)
        return cls(
            values={
                schema.POSITION: boxes.box[rows, :2],
                schema.SHAPE: boxes.box[rows, 2:],
                schema.CONFIDENCE: boxes.confidence[rows, None],
            },
            frame=boxes.frame[rows].astype(np.int64) - number * frames,
            individual=individual,
            rows={
                at: np.flatnonzero(column == at)
                for at in np.flatnonzero(np.bincount(column)).tolist()
            },
        )

    def put(self, name: str, rows: Int64s, chunk: Float32s) -> bool:
        """Put boxes into a chunk of NaN, and return whether any value of them is a number.

        Parameters
        ----------
        name
            The array.
        rows
            Which boxes.
        chunk
            (n_frames, n_sides, n_individuals) float32, contiguous.
        """
        values, compiled = self.values[name], library.compiled()
        if compiled is not None:
            arguments = *_strided(values), *self._places(rows, chunk)
            return bool(compiled.put_values(*arguments))
        put = values[rows]
        chunk.reshape(-1)[self._flat(rows, chunk)] = put.T
        return not np.isnan(put).all()

    def clear(self, rows: Int64s, chunk: Float32s) -> None:
        """Make a chunk NaN again where boxes were put into it."""
        compiled = library.compiled()
        if compiled is not None:
            compiled.clear_values(*self._places(rows, chunk))
        else:
            chunk.reshape(-1)[self._flat(rows, chunk)] = np.nan

    def matches(self, name: str, rows: Int64s, chunk: Float32s) -> bool:
        """Tell whether a chunk holds boxes, and else NaN; -0.0 is not 0.0, NaN is NaN.

        Parameters
        ----------
        name, rows, chunk
            As for `put`.
        """
        values, compiled = self.values[name], library.compiled()
        if compiled is not None:
            arguments = *_strided(values), *self._places(rows, chunk), chunk.size
            return bool(compiled.holds_values(*arguments))
        found = self.take(rows, chunk)
        if differs(found, values[rows]).any():
            return False
        return int(np.count_nonzero(found == found)) == int(np.count_nonzero(chunk == chunk))  # noqa: PLR0124 - NaN

    def take(self, rows: Int64s, chunk: Float32s) -> Float32s:
        """Return (n, n_sides) float32, what a chunk holds in the places of boxes."""
        return chunk.reshape(-1)[self._flat(rows, chunk)].T

    def _flat(self, rows: Int64s, chunk: Float32s) -> Int64s:
        """Return (n_sides, n) int64, the places of the boxes in the flat chunk."""
        _, n_sides, n_individuals = chunk.shape
        side = np.arange(n_sides)[:, None]
        at: Int64s = (self.frame[rows] * n_sides + side) * n_individuals + self.individual[rows]
        return at

    def _places(self, rows: Int64s, chunk: Float32s) -> tuple[int, ...]:
        """Return the places of the boxes in the chunk, as `chunks.c` takes them."""
        addresses = [a.ctypes.data for a in (self.frame, self.individual, rows)]
        _, n_sides, n_individuals = chunk.shape
        return (*addresses, len(rows), n_sides, n_individuals, chunk.ctypes.data)


def _strided(values: Float32s) -> tuple[int, int]:
    """Return where values lie, and how many of them it is from row to row."""
    return values.ctypes.data, values.strides[0] // values.itemsize


def differs(found: Float32s, expected: Float32s) -> Bools:
    """Tell where float32 values differ; NaN equals NaN, and -0.0 is not 0.0."""
    if np.array_equal(found.view(np.uint32), expected.view(np.uint32)):
        return np.zeros(found.shape, np.bool_)
    same = (found == expected) & (np.signbit(found) == np.signbit(expected))
    same |= np.isnan(found) & np.isnan(expected)
    return ~np.asarray(same)
