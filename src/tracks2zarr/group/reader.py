"""Reads the boxes of a group, chunk by chunk."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s, Int64s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.group.shard import ShardReader
from tracks2zarr.group.stored_array import StoredArray


@dataclass(frozen=True, slots=True)
class StoredBoxes:
    """Boxes of a clip, in ascending order of individual, then of frame.

    Parameters
    ----------
    frame
        (n,) int64, the frame within the clip.
    individual
        (n,) int64, 0 to N-1 within the clip.
    track
        (n,) int64, the track number in the source file.
    position, shape
        (n, 2) float32, pixels: x and y of the centroid; width and height.
    confidence
        (n,) float32, NaN where absent.
    """

    frame: Int64s
    individual: Int64s
    track: Int64s
    position: Float32s
    shape: Float32s
    confidence: Float32s

    def by_frame(self) -> StoredBoxes:
        """Return the same boxes in ascending order of frame, then of individual."""
        order = np.argsort(self.frame, kind="stable")
        return StoredBoxes(*(column[order] for column in self._columns()))

    def rows(self, rows: slice) -> StoredBoxes:
        """Return some of the boxes."""
        return StoredBoxes(*(column[rows] for column in self._columns()))

    def _columns(self) -> Iterator[NDArray[Any]]:
        return (getattr(self, name) for name in StoredBoxes.__slots__)

    @staticmethod
    def concatenate(parts: Sequence[StoredBoxes]) -> StoredBoxes:
        """Return the boxes of all parts."""
        if len(parts) == 1:
            return parts[0]
        columns = zip(*(part._columns() for part in (_NONE, *parts)), strict=True)
        return StoredBoxes(*map(np.concatenate, columns))


_NO_IDS, _NO_VALUES = np.empty(0, np.int64), np.empty((0, 2), np.float32)
_NONE = StoredBoxes(_NO_IDS, _NO_IDS, _NO_IDS, _NO_VALUES, _NO_VALUES, _NO_VALUES[:, 0])


def stored_boxes(path: Path, number: int) -> Iterator[StoredBoxes]:
    """Yield the boxes of one clip of a group, some frames after the other.

    Only chunks that are stored are read, one at a time, so that memory grows neither with a
    clip's dense size nor with the number of its boxes.

    Parameters
    ----------
    path
        The folder of the group.
    number
        The clip's place in the video.

    Yields
    ------
    StoredBoxes
        All boxes of the frames of one row of chunks; rows without boxes are left out.

    Raises
    ------
    OSError, ValueError
        If the group is not as `tracks2zarr.group.writer` writes it.
    """
    track_ids = read_track_numbers(path, number)
    n_frames = int(_row(path, "clip_n_frames", number))
    arrays = [StoredArray.open(path / name) for name in schema.BOX_VARIABLES]
    shards = [array.shard((number, *(0,) * (len(array.shape) - 1))) for array in arrays]
    # new memory takes longer to get than most chunks take to decode
    memory = [np.empty(array.chunk[1:], np.float32) for array in arrays]
    _, n_rows, _, n_columns = arrays[0].chunk
    for row, places in groupby(shards[0].stored(), key=lambda place: place[1]):
        chunks = []
        for *_, column in places:
            for shard, values in zip(shards, memory, strict=True):
                _read_chunk(shard, row, column, values)
            boxes = _boxes_of_chunk(row * n_rows, column * n_columns, memory, track_ids)
            if boxes.frame.max(initial=0) >= n_frames:
                raise ValueError("a box lies behind the end of its clip")
            chunks.append(boxes)
        yield StoredBoxes.concatenate(chunks)


def _read_chunk(shard: ShardReader, row: int, column: int, into: Float32s) -> None:
    """Read an inner chunk, NaN where it is not stored."""
    place = (0, row, column) if into.ndim == 2 else (0, row, 0, column)
    if shard.has(place):
        shard.read(place, into)
    else:
        into[:] = np.nan


def _boxes_of_chunk(
    first_frame: int, first_individual: int, values: Sequence[Float32s], track_ids: Int64s
) -> StoredBoxes:
    """Return the boxes of one inner chunk of each array."""
    position, shape, confidence = values
    individual, frame = np.nonzero(~np.isnan(position[:, 0].T))
    in_clip = individual + first_individual
    if in_clip.max(initial=-1) >= len(track_ids):
        raise ValueError("a box is of an individual that its clip does not have")
    return StoredBoxes(
        frame=frame + first_frame,
        individual=in_clip,
        track=track_ids[in_clip],
        position=position[frame, :, individual],
        shape=shape[frame, :, individual],
        confidence=confidence[frame, individual],
    )


def read_boxes(path: Path, number: int) -> ClipBoxes:
    """Return the boxes of one clip of a group.

    Parameters
    ----------
    path
        The folder of the group.
    number
        The clip's place in the video.

    Returns
    -------
    ClipBoxes
        With the track numbers of the clip's source.
    """
    blocks = [block.by_frame() for block in stored_boxes(path, number)]
    boxes = StoredBoxes.concatenate(blocks)
    return ClipBoxes(
        boxes.frame.astype(np.int32),
        boxes.track,
        np.concatenate([boxes.position, boxes.shape], axis=1),
        boxes.confidence,
        read_track_numbers(path, number),
    )


def read_clip_ids(path: Path) -> list[str]:
    """Return the ids of the clips of a group, of whatever workflow."""
    import zarr
    from zarr.storage import LocalStore

    group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
    array: Any = group[schema.CLIP_ID]
    return [str(clip) for clip in np.asarray(array[...])]


def read_track_numbers(path: Path, number: int) -> Int64s:
    """Return (n_individuals,) int64, the track numbers of a clip of a group."""
    track_ids = _row(path, schema.TRACK_ID, number)
    return track_ids[: int(_row(path, "clip_n_individuals", number))]


def _row(path: Path, name: str, number: int) -> Int64s:
    """Return what an array of a group has for one clip."""
    array = StoredArray.open(path / name)
    rest = (np.arange(length) for length in array.shape[1:])
    values: Int64s = array.read([np.array([number]), *rest])[0]
    return values
