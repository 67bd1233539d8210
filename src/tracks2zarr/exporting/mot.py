"""Writes MOTChallenge text, one row per box.

The format is that of the MOTChallenge benchmark (https://arxiv.org/abs/1603.00831, table 4):
``frame,id,left,top,width,height,confidence,x,y,z``, without a header; frames and ids count from 1.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tracks2zarr.exporting.corners import corners
from tracks2zarr.exporting.stored_clip import StoredClip
from tracks2zarr.exporting.texts import as_text, write_rows
from tracks2zarr.group.reader import StoredBoxes
from tracks2zarr.tracks.mot import NAME

SUFFIX = ".txt"
#: The benchmark says so of the place in the world, and its results of a confidence that they lack.
_UNKNOWN = "-1"


def name_of(clip: StoredClip) -> str:
    """Return the name of a clip's file."""
    return f"{clip.stem}{SUFFIX}"


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip; frame and id are the frame within the clip and the track number, plus 1.

    Track numbers that were read from MOTChallenge text are ids as they are.
    """
    first_id = 0 if clip.video_plan.format == NAME else 1
    with path.open("wb") as file:
        for boxes in clip.boxes():
            write_rows(_rows(boxes, first_id), file)


def _rows(boxes: StoredBoxes, first_id: int) -> pl.DataFrame:
    corner = corners(boxes.position, boxes.shape)
    confidence = as_text(boxes.confidence)
    unknown = pl.repeat(_UNKNOWN, len(confidence), eager=True)
    return pl.DataFrame(
        {
            "frame": boxes.frame + 1,
            "id": boxes.track.astype(np.uint64)
            + np.uint64(first_id),  # of the largest track number, too
            "left": as_text(corner[:, 0]),
            "top": as_text(corner[:, 1]),
            "width": as_text(boxes.shape[:, 0]),
            "height": as_text(boxes.shape[:, 1]),
            "confidence": confidence.replace("NaN", _UNKNOWN),
            "x": unknown,
            "y": unknown,
            "z": unknown,
        }
    )
