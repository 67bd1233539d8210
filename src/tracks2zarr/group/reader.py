"""Reading a group back into boxes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import zarr
from numpy.typing import NDArray
from zarr.storage import LocalStore

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.clip_boxes import ClipBoxes


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
    group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)

    n_frames = int(_array(group, "clip_n_frames")[number])
    n_individuals = int(_array(group, "clip_n_individuals")[number])
    track_ids = np.asarray(_array(group, schema.TRACK_ID)[number, :n_individuals])
    step = _array(group, schema.POSITION).chunks[1]
    columns: list[tuple[Any, ...]] = []
    for start in range(0, n_frames, step):
        place = number, slice(start, min(start + step, n_frames))
        position = np.asarray(_array(group, schema.POSITION)[place])[..., :n_individuals]
        shape = np.asarray(_array(group, schema.SHAPE)[place])[..., :n_individuals]
        confidence = np.asarray(_array(group, schema.CONFIDENCE)[place])[..., :n_individuals]
        frame, individual = np.nonzero(~np.isnan(position[:, 0]))
        box = np.concatenate([position[frame, :, individual], shape[frame, :, individual]], axis=1)
        columns.append(
            (
                (frame + start).astype(np.int32),
                track_ids[individual],
                box,
                confidence[frame, individual],
            )
        )
    frames, tracks, boxes, confidences = (
        np.concatenate(column) for column in zip(*columns, strict=True)
    )
    return ClipBoxes(frames, tracks, boxes, confidences, track_ids)


def read_track_ids(path: Path) -> list[NDArray[np.int64]]:
    """Return (n_individuals,) int64 for each clip of a group: the track numbers, ascending."""
    group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
    table = np.asarray(_array(group, schema.TRACK_ID)[...])
    return [row[row != schema.ABSENT] for row in table]


def read_clip_ids(path: Path) -> list[str]:
    """Return the ids of the clips of a group."""
    group = zarr.open_group(LocalStore(path, read_only=True), mode="r", zarr_format=3)
    return [str(clip) for clip in np.asarray(_array(group, schema.CLIP_ID)[...])]


def _array(group: zarr.Group, name: str) -> Any:
    return group[name]
