"""Batches of boxes, as readers of tracks files hand them on."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

type Bools = NDArray[np.bool_]
type Int32s = NDArray[np.int32]
type Int64s = NDArray[np.int64]
type Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True)
class Batch:
    """Some boxes in the order of the file.

    `image` (n,) int32 counts in the images that are known; `track` (n,) int64; `corner`
    and `size` (n, 2) float32, pixels; `confidence` (n,) float32, NaN where absent; `centroid`
    (n, 2) float32, pixels, where the file has centroids: then these count, and not the corners.
    """

    image: Int32s
    track: Int64s
    corner: Float32s
    size: Float32s
    confidence: Float32s
    centroid: Float32s | None = None

    def first(self, count: int) -> Batch:
        """Return the first boxes."""
        return Batch(
            self.image[:count],
            self.track[:count],
            self.corner[:count],
            self.size[:count],
            self.confidence[:count],
            None if self.centroid is None else self.centroid[:count],
        )


def is_in_order(frame: Int32s | Int64s, track: Int64s) -> bool:
    """Tell whether frames go up, and tracks go up, or down, in each, so that none is twice."""
    if (frame[1:] < frame[:-1]).any():
        return False
    is_new_frame = frame[1:] != frame[:-1]
    return any(
        bool((is_new_frame | goes_on).all())
        for goes_on in (track[1:] < track[:-1], track[1:] > track[:-1])
    )


@dataclass(frozen=True, slots=True)
class ImageBatch:
    """Some boxes, and the images that their `image` counts in: file name and file attributes."""

    images: list[tuple[str, str]]
    boxes: Batch

    def joined(self, other: ImageBatch, order: Int64s) -> ImageBatch:
        """Return these boxes and others, in ascending order of (n,) `order`."""
        by_row = np.argsort(order, kind="stable")
        ours, theirs = self.boxes, other.boxes
        theirs = replace(theirs, image=theirs.image + np.int32(len(self.images)))
        columns = {
            name: np.concatenate([getattr(ours, name), getattr(theirs, name)])[by_row]
            for name in ("image", "track", "corner", "size", "confidence")
        }
        return ImageBatch([*self.images, *other.images], Batch(**columns))
