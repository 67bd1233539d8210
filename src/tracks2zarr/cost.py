"""What a conversion costs, predicted from the sizes of files."""

from __future__ import annotations

from collections.abc import Sequence

#: A process with numpy, polars and zarr imported, and its batches, in bytes.
BASE_MEMORY = 300 * 2**20
#: Bytes of memory a byte of the largest tracks file, for the columns of its boxes.
MEMORY_PER_BYTE = 0.25


def predicted_memory(clip_sizes: Sequence[int]) -> int:
    """Return the memory that a process needs at its peak to convert a video.

    Parameters
    ----------
    clip_sizes
        The size of each clip's tracks file, in bytes.

    Returns
    -------
    int
        Bytes. Clips are converted one after the other, so the largest one decides.
    """
    return BASE_MEMORY + int(MEMORY_PER_BYTE * max(clip_sizes, default=0))
