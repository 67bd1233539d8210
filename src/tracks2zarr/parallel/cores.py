"""How many cores and threads this process may use; imports nothing."""

from __future__ import annotations

import os
from collections.abc import Sequence

#: The variable by which polars is told how many threads to use.
MAX_THREADS = "POLARS_MAX_THREADS"
#: The bytes of a clip are read and hashed by one thread, which cannot feed more.
MOST_THREADS = 4
#: Worker processes take longer to start than one process needs to read so little.
_FEW_BYTES, _FEW_VIDEOS = 32 * 2**20, 10


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Return how many threads this process is to use: as many as polars has, up to four."""
    given = os.environ.get(MAX_THREADS, "")
    return min(int(given) if given.isdecimal() else available_cores(), MOST_THREADS)


def worker_count(workers: int | None, n_tasks: int, *, is_little: bool) -> int:
    """Return how many worker processes to start; 1 is this process alone.

    Parameters
    ----------
    workers
        How many the user wants; None for as many as are worth their start.
    n_tasks
        The number of tasks, each of which one worker does.
    is_little
        Whether the work of all tasks is too little to start processes for.
    """
    if workers is None:
        workers = 1 if is_little else available_cores()
    return max(1, min(workers, n_tasks))


def is_little_to_read(sizes: Sequence[int]) -> bool:
    """Return whether files of some sizes, in bytes, one per video, are too little for workers."""
    return len(sizes) < _FEW_VIDEOS and sum(sizes) < _FEW_BYTES
