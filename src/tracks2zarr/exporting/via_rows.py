"""The rows of VIA tracks CSV, from the corners and sizes of boxes.

The format is that of the VGG Image Annotator, version 2; see `tracks2zarr.tracks.via`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import polars as pl
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Bools, Float32s, Int64s
from tracks2zarr.exporting.texts import as_text, joined
from tracks2zarr.tracks.via import HEADER

#: The first line of a file.
HEADER_LINE = f"{','.join(HEADER)}\n".encode()
#: VIA 2 knows an image by its name and size, and takes this for a size that is not known yet: an
#: image of that name that is added later gets these rows, whatever its size.
_FILE_SIZE = "-1"
_EMPTY = "{}"


@dataclass(frozen=True, slots=True, kw_only=True)
class RowBoxes:
    """Boxes that become rows, in ascending order of frame.

    Parameters
    ----------
    frame
        (n,) int64, the frame within the clip.
    track
        (n,) int64, the track number.
    corner, size
        (n, 2) float32, pixels: the top-left corner, and width and height.
    confidence
        (n,) float32, NaN where absent.
    """

    frame: Int64s
    track: Int64s
    corner: Float32s
    size: Float32s
    confidence: Float32s

    def __len__(self) -> int:
        return len(self.frame)

    def take(self, index: Int64s | Bools) -> RowBoxes:
        """Return some of the boxes, by their places or by a mask."""
        return RowBoxes(**{name: getattr(self, name)[index] for name in RowBoxes.__slots__})

    def joined(self, other: RowBoxes) -> RowBoxes:
        """Return these boxes and others, in ascending order of frame, then of track."""
        columns = {
            name: np.concatenate([getattr(self, name), getattr(other, name)])
            for name in RowBoxes.__slots__
        }
        return RowBoxes(**columns).take(np.lexsort((columns["track"], columns["frame"])))


def box_rows(boxes: RowBoxes, name_of: Callable[[int], str]) -> pl.DataFrame:
    """Return the seven columns of some whole frames, one row per box; numbers lose nothing.

    Parameters
    ----------
    boxes
        The boxes.
    name_of
        Returns the name of the image of a frame.
    """
    frames, of_frame, counts = np.unique(boxes.frame, return_inverse=True, return_counts=True)
    first_row = np.cumsum(counts) - counts
    n = len(of_frame)
    return pl.DataFrame(
        {
            "filename": _names(frames, name_of).gather(of_frame),
            "file_size": pl.repeat(_FILE_SIZE, n, eager=True),
            "file_attributes": pl.repeat(_EMPTY, n, eager=True),
            "region_count": counts[of_frame],
            "region_id": np.arange(n) - first_row[of_frame],
            "region_shape_attributes": _shapes(boxes),
            "region_attributes": _attributes(boxes),
        }
    )


def rows_of_frames(boxes: RowBoxes, frames: range, name_of: Callable[[int], str]) -> pl.DataFrame:
    """Return the rows of some frames, in their order: a frame without boxes has one row.

    Parameters
    ----------
    boxes
        All boxes of these frames.
    frames
        The frames.
    name_of
        Returns the name of the image of a frame.
    """
    empty = np.setdiff1d(np.arange(frames.start, frames.stop), boxes.frame)
    rows = pl.concat([box_rows(boxes, name_of), _empty_rows(empty, name_of)])
    order = np.argsort(np.concatenate([boxes.frame, empty]), kind="stable")
    return rows[order]


def _empty_rows(frames: Int64s, name_of: Callable[[int], str]) -> pl.DataFrame:
    """Return the rows of frames without boxes, as VIA writes them."""
    n = len(frames)
    return pl.DataFrame(
        {
            "filename": _names(frames, name_of),
            "file_size": pl.repeat(_FILE_SIZE, n, eager=True),
            "file_attributes": pl.repeat(_EMPTY, n, eager=True),
            "region_count": np.zeros(n, np.int64),
            "region_id": np.zeros(n, np.int64),
            "region_shape_attributes": pl.repeat(_EMPTY, n, eager=True),
            "region_attributes": pl.repeat(_EMPTY, n, eager=True),
        }
    )


def _names(frames: NDArray[np.integer], name_of: Callable[[int], str]) -> pl.Series:
    return pl.Series([name_of(frame) for frame in frames.tolist()], dtype=pl.String)


def _shapes(boxes: RowBoxes) -> pl.Series:
    """Return a JSON object per box: its corner and size."""
    x, y = as_text(boxes.corner[:, 0]), as_text(boxes.corner[:, 1])
    width, height = as_text(boxes.size[:, 0]), as_text(boxes.size[:, 1])
    parts = ('{"name":"rect","x":', x, ',"y":', y, ',"width":', width, ',"height":', height, "}")
    return joined(parts)


def _attributes(boxes: RowBoxes) -> pl.Series:
    """Return a JSON object per box: its track number and, where it has one, its confidence.

    With the blank that the tracker writes, by which the fast reader knows such rows.
    """
    track = pl.Series(boxes.track).cast(pl.String)
    without = joined(('{"track":"', track, '"}'))
    confidence = as_text(boxes.confidence)
    with_confidence = joined(('{"track":"', track, '", "confidence":"', confidence, '"}'))
    is_absent = pl.Series(np.isnan(boxes.confidence))
    return pl.select(pl.when(is_absent).then(without).otherwise(with_confidence)).to_series()
