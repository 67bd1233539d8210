"""Writes VIA tracks CSV, as the tracker does; `create` reads the same dataset from it.

The format is that of the VGG Image Annotator, version 2; see `tracks2zarr.tracks.via`.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
import polars as pl

from tracks2zarr.exporting.corners import corners
from tracks2zarr.exporting.stored_clip import StoredClip, image_name
from tracks2zarr.exporting.texts import as_text, joined, write_rows
from tracks2zarr.group.reader import StoredBoxes
from tracks2zarr.tracks.via import HEADER
from tracks2zarr.tracks.via import SUFFIX as CLIP_SUFFIX

SUFFIX = f"{CLIP_SUFFIX}.csv"
#: VIA shows the size of a file beside its name, and does without it.
_FILE_SIZE = "-1"


def name_of(clip: StoredClip) -> str:
    """Return the name of a clip's tracks file."""
    return f"{clip.stem}{SUFFIX}"


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip as a tracks file, one row per box; numbers lose nothing.

    Frames are in the names of the images. Track numbers are those of the source. Frames without
    boxes have no row.
    """
    with path.open("wb") as file:
        file.write(f"{','.join(HEADER)}\n".encode())
        for boxes in clip.boxes():
            write_rows(_rows(clip, boxes, images), file)


def _rows(clip: StoredClip, boxes: StoredBoxes, images: str) -> pl.DataFrame:
    """Return the seven columns of some whole frames."""
    frames, of_frame, counts = np.unique(boxes.frame, return_inverse=True, return_counts=True)
    names = pl.Series([image_name(clip, frame, images) for frame in frames.tolist()])
    first_row = np.cumsum(counts) - counts
    return pl.DataFrame(
        {
            "filename": names.gather(of_frame),
            "file_size": pl.repeat(_FILE_SIZE, len(of_frame), eager=True),
            "file_attributes": pl.repeat("{}", len(of_frame), eager=True),
            "region_count": counts[of_frame],
            "region_id": np.arange(len(of_frame)) - first_row[of_frame],
            "region_shape_attributes": _shapes(boxes),
            "region_attributes": _attributes(boxes),
        }
    )


def _shapes(boxes: StoredBoxes) -> pl.Series:
    """Return a JSON object per box: its corner and size."""
    corner = corners(boxes.position, boxes.shape)
    x, y = as_text(corner[:, 0]), as_text(corner[:, 1])
    width, height = as_text(boxes.shape[:, 0]), as_text(boxes.shape[:, 1])
    parts = ('{"name":"rect","x":', x, ',"y":', y, ',"width":', width, ',"height":', height, "}")
    return joined(parts)


def _attributes(boxes: StoredBoxes) -> pl.Series:
    """Return a JSON object per box: its track number and, where it has one, its confidence.

    With the blank that the tracker writes, by which the fast reader knows such rows.
    """
    track = pl.Series(boxes.track).cast(pl.String)
    without = joined(('{"track":"', track, '"}'))
    confidence = as_text(boxes.confidence)
    with_confidence = joined(('{"track":"', track, '", "confidence":"', confidence, '"}'))
    is_absent = pl.Series(np.isnan(boxes.confidence))
    return pl.select(pl.when(is_absent).then(without).otherwise(with_confidence)).to_series()
