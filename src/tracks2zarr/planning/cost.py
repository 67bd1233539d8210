"""What a conversion costs, predicted from the sizes of files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracks2zarr.parallel.cores import MOST_THREADS

# All that follows was measured, in bytes; tests/planning/test_cost.py measures whole processes.
# What the C library keeps of freed memory differs by up to a half between systems: each figure lies
# between the least and the most.


@dataclass(frozen=True, slots=True)
class Reader:
    """What a process has at hand that reads tracks files, in bytes.

    Parameters
    ----------
    base
        Itself, with all that is imported.
    first, thread
        While it reads batches: that of the first thread, and of each further one.
    small_byte
        That for each byte of a clip that is smaller than its batches.
    """

    base: int
    first: int
    thread: int
    small_byte: float


#: With the scanner of `scan.c`, and with polars.
COMPILED = Reader(65 * 10**6, 28 * 10**6, 22 * 10**6, 0.75)
POLARS = Reader(110 * 10**6, 72 * 10**6, 72 * 10**6, 4.6)
#: The columns that are held of a clip, for a byte of its tracks file.
_COLUMN_BYTE = 0.04
#: A process that verifies; what it has at hand while it compares, and that for a byte of less.
_VERIFY_BASE, _COMPARED, _COMPARED_BYTE = 60 * 10**6, 10 * 10**6, 0.3
#: What is kept of all clips, and what is held of the one that is read, for a byte.
_KEPT_BYTE, _READ_BYTE = 0.2, 0.38
#: What is held for a frame, and for one that has an image in the file; and the least bytes of one.
_FRAME, _IMAGE, _IMAGE_BYTES = 25, 320, 50


def predicted_memory(
    clip_sizes: Sequence[int],
    threads: int = 2,
    *,
    n_frames: int = 0,
    reader: Reader | None = None,
) -> int:
    """Return the memory that a process needs at its peak to convert a video.

    Parameters
    ----------
    clip_sizes
        The size of each clip's tracks file, in bytes.
    threads
        The threads of the process: one a core, and four at most.
    n_frames
        The frames of the longest clip.
    reader
        What reads them; None for what this installation has.

    Returns
    -------
    int
        Bytes. Clips are converted one after the other, so the largest one decides.
    """
    reader = reader or _installed_reader()
    largest = max(clip_sizes, default=0)
    batches = reader.first + reader.thread * (min(threads, MOST_THREADS) - 1)
    batches = min(batches, int(reader.small_byte * largest))
    return reader.base + batches + int(_COLUMN_BYTE * largest) + _of_frames(largest, n_frames)


def _installed_reader() -> Reader:
    from tracks2zarr.tracks import compiled_reader  # numpy takes a while to import

    return COMPILED if compiled_reader.is_available() else POLARS


def _of_frames(size: int, n_frames: int) -> int:
    """Return the memory for the frames of a clip; those with an image have a row in its file."""
    return _FRAME * n_frames + _IMAGE * min(n_frames, size // _IMAGE_BYTES)


def predicted_verify_memory(clip_sizes: Sequence[int], *, n_frames: int = 0) -> int:
    """Return the memory that a process needs at its peak to verify a video.

    Parameters
    ----------
    clip_sizes
        The size of each clip's tracks file, in bytes.
    n_frames
        The frames of the longest clip.

    Returns
    -------
    int
        Bytes. The boxes of all clips are kept, and the rows of one are read into memory.
    """
    total, largest = sum(clip_sizes), max(clip_sizes, default=0)
    held = int(_KEPT_BYTE * total + _READ_BYTE * largest)
    held += _of_frames(largest, n_frames)
    return _VERIFY_BASE + min(_COMPARED, int(_COMPARED_BYTE * total)) + held


#: A core of a busy cluster reads at least so many bytes of tracks files a second.
_SLOW_BYTES = 4 * 10**6
#: Starting Python from a shared file system that many tasks use can take minutes.
_START_MINUTES = 10
#: What is asked for beyond the prediction: a task that is killed costs more than this.
_HEADROOM = 1.25
_MEMORY_STEP = 128


def requested_memory(predicted: int) -> int:
    """Return what to ask a cluster for, in MiB: headroom over the prediction, in bytes."""
    return -(-int(predicted * _HEADROOM) // (_MEMORY_STEP * 2**20)) * _MEMORY_STEP


def requested_minutes(size: int) -> int:
    """Return the time limit to ask a cluster for, in minutes, for tracks files of `size` bytes."""
    return _START_MINUTES + -(-size // (_SLOW_BYTES * 60))


#: A core of a busy cluster draws the pictures of a clip in so many seconds.
_DRAW_SECONDS = 4


def requested_report_minutes(n_clips: int) -> int:
    """Return the time limit to ask a cluster for, in minutes, to list and draw `n_clips` clips."""
    return 3 * _START_MINUTES + -(-n_clips * _DRAW_SECONDS // 60)
