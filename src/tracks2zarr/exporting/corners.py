"""The corner of a box from its centroid, such that whoever computes the centroid gets it back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.exporting.stored_clip import StoredClip

type Float32s = NDArray[np.float32]

#: How many numbers on either side of the difference are tried.
_NEIGHBOURS = 4
#: The formats of tracks files that have corners, from which the centroids were computed.
_OF_CORNERS = frozenset({"via", "octron", "mot", "coco"})


def corners(centroid: Float32s, size: Float32s) -> Float32s:
    """Return the top-left corners of boxes.

    Readers compute a centroid as ``corner + size / 2`` in float32, which rounds. Of the numbers
    next to ``centroid - size / 2``, this takes the nearest one whose sum is the centroid itself.
    For boxes that were read from corners there is one; a file of centroids may have others, which
    get the difference itself.

    Parameters
    ----------
    centroid, size
        (n, 2) float32, pixels, finite.

    Returns
    -------
    numpy.ndarray
        (n, 2) float32, pixels.
    """
    half = size / np.float32(2)
    difference = centroid - half
    corner, up, down = difference, difference, difference
    wrong = corner + half != centroid
    for _ in range(_NEIGHBOURS):
        if not wrong.any():
            return corner
        up = np.nextafter(up, np.float32(np.inf))
        down = np.nextafter(down, np.float32(-np.inf))
        for candidate in (up, down):
            corner = np.where(wrong & (candidate + half == centroid), candidate, corner)
        wrong = corner + half != centroid
    return corner


def n_rounded(clip: StoredClip) -> int:
    """Return how many boxes of a clip get another centroid from their corner than they have."""
    if clip.video_plan.format in _OF_CORNERS:
        return 0
    count = 0
    for boxes in clip.boxes():
        corner = corners(boxes.position, boxes.shape)
        found = corner + boxes.shape / np.float32(2)
        count += int((found != boxes.position).any(axis=1).sum())
    return count
