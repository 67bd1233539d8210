"""Writes VIA tracks CSV, as the tracker does; `create` reads the same dataset from it.

The format is that of the VGG Image Annotator, version 2; see `tracks2zarr.tracks.via`.
"""

from __future__ import annotations

from functools import partial
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tracks2zarr.exporting.corners import corners
from tracks2zarr.exporting.stored_clip import StoredClip, image_name
from tracks2zarr.exporting.texts import write_rows
from tracks2zarr.exporting.via_rows import HEADER_LINE, RowBoxes, box_rows, rows_of_frames
from tracks2zarr.group.reader import StoredBoxes
from tracks2zarr.tracks.via import SUFFIX as CLIP_SUFFIX

SUFFIX = f"{CLIP_SUFFIX}.csv"


def name_of(clip: StoredClip) -> str:
    """Return the name of a clip's tracks file."""
    return f"{clip.stem}{SUFFIX}"


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip as a tracks file, one row per box; numbers lose nothing.

    Frames are in the names of the images. Track numbers are those of the source. Frames without
    boxes have no row, unless the frames were asked for: then people can add boxes to them.
    """
    name_of_image = partial(image_name, clip, images=images)
    with path.open("wb") as file:
        file.write(HEADER_LINE)
        if clip.is_stretch:
            _write_all_frames(clip, images, file)
            return
        for boxes in clip.boxes():
            write_rows(box_rows(_row_boxes(boxes), name_of_image), file)


#: Frames without boxes that are written at once.
_EMPTY_AT_ONCE = 10_000


def _write_all_frames(clip: StoredClip, images: str, file: BinaryIO) -> None:
    """Write the boxes of all frames of a stretch, and a row for each frame without boxes."""
    name_of_image = partial(image_name, clip, images=images)
    start = clip.frames.start
    for boxes in clip.boxes():
        frames = range(start, int(boxes.frame[-1]) + 1)
        write_rows(rows_of_frames(_row_boxes(boxes), frames, name_of_image), file)
        start = frames.stop
    for first in range(start, clip.frames.stop, _EMPTY_AT_ONCE):
        frames = range(first, min(first + _EMPTY_AT_ONCE, clip.frames.stop))
        write_rows(rows_of_frames(_NO_BOXES, frames, name_of_image), file)


def _row_boxes(boxes: StoredBoxes) -> RowBoxes:
    return RowBoxes(
        frame=boxes.frame.astype(np.int64),
        track=boxes.track,
        corner=corners(boxes.position, boxes.shape),
        size=boxes.shape,
        confidence=boxes.confidence,
    )


_NO_BOXES = RowBoxes(
    frame=np.empty(0, np.int64),
    track=np.empty(0, np.int64),
    corner=np.empty((0, 2), np.float32),
    size=np.empty((0, 2), np.float32),
    confidence=np.empty(0, np.float32),
)
