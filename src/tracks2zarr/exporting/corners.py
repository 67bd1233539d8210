"""The corner of a box from its centroid, such that whoever computes the centroid gets it back."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

type Float32s = NDArray[np.float32]

#: How many numbers on either side of the difference are tried.
_NEIGHBOURS = 4


def corners(centroid: Float32s, size: Float32s) -> Float32s:
    """Return the top-left corners of boxes.

    Readers compute a centroid as ``corner + size / 2`` in float32, which rounds. Of the numbers
    next to ``centroid - size / 2``, this takes the nearest one whose sum is the centroid itself.

    Parameters
    ----------
    centroid, size
        (n, 2) float32, pixels, finite.

    Returns
    -------
    numpy.ndarray
        (n, 2) float32, pixels.

    Raises
    ------
    ValueError
        If there is no such number, so that these are not a centroid and a size of one box.
    """
    half = size / np.float32(2)
    corner = centroid - half
    wrong = corner + half != centroid
    up, down = corner, corner
    for _ in range(_NEIGHBOURS):
        if not wrong.any():
            return corner
        up = np.nextafter(up, np.float32(np.inf))
        down = np.nextafter(down, np.float32(-np.inf))
        for candidate in (up, down):
            corner = np.where(wrong & (candidate + half == centroid), candidate, corner)
        wrong = corner + half != centroid
    if wrong.any():
        raise ValueError("no corner of a box has this centroid")
    return corner
