"""Predicts the memory and time of a conversion from the sizes of its files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracks2zarr.parallel.cores import MOST_THREADS
from tracks2zarr.tracks.formats import DEFAULT_FORMAT

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
    whole_byte
        That for each byte of a clip that is read as a whole.
    """

    base: int
    first: int
    thread: int
    small_byte: float
    whole_byte: float = 0


#: With the compiled reader, and with the column reader.
COMPILED = Reader(65 * 10**6, 28 * 10**6, 22 * 10**6, 0.75)
POLARS = Reader(135 * 10**6, 48 * 10**6, 36 * 10**6, 6.4)
#: Of formats that are read otherwise: COCO as a whole, netCDF some frames at once.
_READERS = {
    "coco": Reader(150 * 10**6, 0, 0, 0, whole_byte=9),
    "movement": Reader(350 * 10**6, 0, 0, 0),
}
#: The columns that are held of a clip, for a byte of its tracks file.
_COLUMN_BYTE = 0.04
#: What a process that verifies holds of the arrays while it compares, and that for a byte of less.
_COMPARED, _COMPARED_BYTE = 60 * 10**6, 1.6
#: What is held for a frame, and for one that has an image in the file; and the least bytes of one.
_FRAME, _IMAGE, _VERIFIED_IMAGE, _IMAGE_BYTES = 25, 320, 180, 50


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
        The threads of the process: one per core, and four at most.
    n_frames
        The frames of the longest clip.
    reader
        What reads them; None for what this installation has for VIA.

    Returns
    -------
    int
        Bytes. Clips are converted one after the other, so the largest one decides.
    """
    reader = reader or _installed_reader()
    largest = max(clip_sizes, default=0)
    return _to_read(reader, largest, threads) + _of_frames(largest, n_frames, _IMAGE)


def reader_of(format_name: str, *, is_compiled: bool = True) -> Reader:
    """Return what reads the tracks files of a format.

    Parameters
    ----------
    format_name
        The format.
    is_compiled
        Whether the compiled reader counts, where this installation has it and the format is VIA.
    """
    if format_name == DEFAULT_FORMAT and is_compiled:
        return _installed_reader()
    return _READERS.get(format_name, POLARS)


def _installed_reader() -> Reader:
    from tracks2zarr.tracks import compiled_reader  # numpy takes a while to import

    return COMPILED if compiled_reader.is_available() else POLARS


def _to_read(reader: Reader, size: int, threads: int) -> int:
    """Return the memory of a process that reads a tracks file, batch by batch."""
    batches = reader.first + reader.thread * (min(threads, MOST_THREADS) - 1)
    of_byte = _COLUMN_BYTE + reader.whole_byte
    return reader.base + min(batches, int(reader.small_byte * size)) + int(of_byte * size)


def _of_frames(size: int, n_frames: int, image: int) -> int:
    """Return the memory for the frames of a clip; those with an image have a row in its file."""
    return _FRAME * n_frames + image * min(n_frames, size // _IMAGE_BYTES)


def predicted_verify_memory(
    clip_sizes: Sequence[int], threads: int = 2, *, n_frames: int = 0, reader: Reader = POLARS
) -> int:
    """Return the memory that a process needs at its peak to verify a video.

    Parameters
    ----------
    clip_sizes
        The size of each clip's tracks file, in bytes.
    threads
        The threads of the process.
    n_frames
        The frames of the longest clip.
    reader
        What reads them: another one than converted them.

    Returns
    -------
    int
        Bytes. Clips are compared one after the other.
    """
    largest = max(clip_sizes, default=0)
    compared = min(_COMPARED, int(_COMPARED_BYTE * largest))
    return (
        _to_read(reader, largest, threads)
        + compared
        + _of_frames(largest, n_frames, _VERIFIED_IMAGE)
    )


#: What a process needs that lists, verifies by digests and draws a store, and that for a video.
_FINISH, _FINISH_VIDEO = 230 * 10**6, 100 * 10**3


def predicted_finish_memory(n_videos: int, *, verify: int = 0, workers: int = 1) -> int:
    """Return the memory that is needed at the peak to list, verify and draw a store.

    Parameters
    ----------
    n_videos
        The videos of the store.
    verify
        What verifying a video against its sources needs, in bytes; 0 where only digests are
        compared.
    workers
        How many processes verify; one is the process itself.

    Returns
    -------
    int
        Bytes.
    """
    finish = _FINISH + _FINISH_VIDEO * n_videos
    return max(finish, verify) if workers == 1 else finish + workers * verify


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
