"""Worker processes on this machine, and the table in which they report progress."""

from __future__ import annotations

import ctypes
import multiprocessing
import multiprocessing.connection
import multiprocessing.resource_tracker
import os
import signal
import threading
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from multiprocessing.sharedctypes import RawArray
from typing import Any

from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.cores import MAX_THREADS, available_cores

# Import-light on purpose: a worker runs `_start` before it imports polars.
_NOT_BEGUN = -1
#: Windows has none.
_HAS_SIGMASK = hasattr(signal, "pthread_sigmask")
_POLL_SECONDS = 0.1


class Stopped(BaseException):
    """The run was asked to stop; what is in progress is given up."""


class ProgressTable:
    """Bytes read of each clip, and a flag to stop, shared by all workers.

    There are no locks in it, so a worker that is killed leaves nothing behind: each slot
    is written by one worker alone.

    Parameters
    ----------
    n_slots
        The number of clips.
    """

    def __init__(self, n_slots: int) -> None:
        self.counts: Any = RawArray(ctypes.c_longlong, [_NOT_BEGUN] * n_slots)
        self.stop_flag: Any = RawArray(ctypes.c_byte, 1)
        #: Called after each report of this process.
        self.on_report: Callable[[], None] = _nothing

    def report(self, slot: int, count: int) -> None:
        """Add to the bytes read of a clip.

        Raises
        ------
        Stopped
            If the run is to stop.
        """
        if self.is_stopped:
            raise Stopped
        self.counts[slot] = max(self.counts[slot], 0) + count
        self.on_report()

    def has_begun(self, slot: int) -> bool:
        """Tell whether anything was reported for a clip."""
        return bool(self.counts[slot] != _NOT_BEGUN)

    def bytes_of(self, slots: Iterable[int]) -> int:
        """Return the bytes read of some clips."""
        return sum(max(self.counts[slot], 0) for slot in slots)

    @property
    def is_stopped(self) -> bool:
        """Whether all workers were asked to give up."""
        return bool(self.stop_flag[0])

    def stop(self) -> None:
        """Ask all workers to give up."""
        self.stop_flag[0] = 1


#: The table that this process reports to, as a worker.
_table: ProgressTable | None = None
#: The table that a thread reports to: several runs may go on in the threads of one process.
_own = threading.local()


def report_bytes(slot: int, count: int) -> None:
    """Report bytes that were read, where anybody wants to know.

    Parameters
    ----------
    slot
        The place of the clip in the run's table.
    count
        The bytes read since the last report; 0 says that the work begins.

    Raises
    ------
    Stopped
        If the run is to stop.
    """
    interrupts.raise_deferred()
    table: ProgressTable | None = getattr(_own, "table", None) or _table
    if table is not None:
        table.report(slot, count)


@contextmanager
def reporting_to(table: ProgressTable) -> Iterator[None]:
    """Let this thread report to a table."""
    before = getattr(_own, "table", None)
    _own.table = table
    try:
        yield
    finally:
        _own.table = before


def process_pool(
    workers: int, table: ProgressTable, *, end_at_once: bool = False
) -> ProcessPoolExecutor:
    """Return a pool whose workers share the cores, report to a table and end with this process.

    Parameters
    ----------
    workers
        The number of processes.
    table
        Where they report to.
    end_at_once
        As for `start_workers`.
    """
    threads = max(1, -(-available_cores() // workers))
    pool = ProcessPoolExecutor(
        workers,
        # never fork: polars' threads do not live on in a forked process
        mp_context=multiprocessing.get_context("spawn"),
        initializer=_start,
        initargs=(table.counts, table.stop_flag, threads, end_at_once),
    )
    if _HAS_SIGMASK:
        # it would let signals through again where it starts later, between two workers
        multiprocessing.resource_tracker.ensure_running()
    with _interrupts_held():
        for _ in range(workers):  # each starts a worker
            pool.submit(_nothing)
    return pool


@contextmanager
def _interrupts_held() -> Iterator[None]:
    """Hold Ctrl-C back while processes start.

    They inherit that: a Ctrl-C reaches all processes of a terminal,
    and one that is just starting would die of it.
    """
    if not _HAS_SIGMASK:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def end_if_importing_a_script() -> None:
    """End a worker that imports the script which started it, without a word.

    Python imports the script in each worker. One that starts workers outside of
    ``if __name__ == "__main__":`` would do so in the worker as well, where every error is printed;
    the process that started the worker says what is wrong, once.
    """
    if getattr(multiprocessing.current_process(), "_inheriting", False):
        os._exit(1)


def _nothing() -> None:
    """Do nothing, in a worker."""


def _start(counts: Any, stop_flag: Any, threads: int, end_at_once: bool) -> None:
    """Prepare a worker process."""
    # Ctrl-C reaches the process that started us, too: it says when to stop. Held back, not
    # ignored, for polars sets a handler of its own.
    if _HAS_SIGMASK:
        signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    else:
        signal.signal(signal.SIGINT, signal.SIG_IGN)
    threading.Thread(target=_end_with_parent, daemon=True).start()
    os.environ.setdefault(MAX_THREADS, str(threads))
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")  # nothing here uses them, but they spin
    global _table  # noqa: PLW0603 - a worker reports to one run
    _table = ProgressTable(0)
    _table.counts, _table.stop_flag = counts, stop_flag
    if end_at_once:
        threading.Thread(target=_end_when_stopped, args=(_table,), daemon=True).start()


def _end_when_stopped(table: ProgressTable) -> None:
    """End this process when it is asked to stop."""
    while not table.is_stopped:
        time.sleep(_POLL_SECONDS)
    os._exit(1)


def _end_with_parent() -> None:
    """End this process when the one that started it is gone, however it went."""
    parent = multiprocessing.parent_process()
    if parent is not None:
        multiprocessing.connection.wait([parent.sentinel])
        os._exit(1)
