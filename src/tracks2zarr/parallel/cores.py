"""How many cores and threads this process may use; imports nothing."""

from __future__ import annotations

import os

#: The variable by which polars is told how many threads to use.
MAX_THREADS = "POLARS_MAX_THREADS"
#: The bytes of a clip are read and hashed by one thread, which cannot feed more.
MOST_THREADS = 4


def available_cores() -> int:
    """Return the number of cores that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def thread_count() -> int:
    """Return how many threads this process is to use: as many as polars has, up to four."""
    given = os.environ.get(MAX_THREADS, "")
    return min(int(given) if given.isdecimal() else available_cores(), MOST_THREADS)
