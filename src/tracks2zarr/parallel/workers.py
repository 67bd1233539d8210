"""Applies a function to items in worker processes, in any executor, or in this process."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager, suppress
from itertools import islice
from queue import Empty, SimpleQueue
from typing import Any

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.common.system_problems import workers_problem
from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.processes import ProgressTable, process_pool, reporting_to

_POLL_SECONDS = 0.2
_SIGNAL_SECONDS = 0.05


class Workers:
    """What applies functions to items; `start_workers` makes one.

    Parameters
    ----------
    table
        Where the workers report to, and by which they are stopped.
    executor
        What runs them; None for this process.
    """

    def __init__(self, table: ProgressTable, executor: Executor | None = None) -> None:
        self._table = table
        self._executor = executor

    def as_completed[Item, Result](
        self,
        function: Callable[[Item], Result],
        items: Iterable[Item],
        *,
        in_order: bool = False,
        on_progress: Callable[[], None] = lambda: None,
    ) -> Iterator[tuple[Item, Future[Result]]]:
        """Apply a function to items, and yield each with its future when that is done.

        After an interruption, what has begun is asked to stop; what has a result all the same
        is yielded, unless that would leave a gap in the order.

        Parameters
        ----------
        function
            What to apply.
        items
            To what.
        in_order
            Whether to yield the items in their order.
        on_progress
            Called now and then.

        Raises
        ------
        KeyboardInterrupt
            When the run was interrupted, and all workers have stopped.
        """
        if self._executor is None:
            self._table.on_report = on_progress
            for item in items:
                interrupts.raise_deferred()
                yield item, self._apply(function, item)
            return
        pending = {self._executor.submit(function, item): item for item in items}
        ended: SimpleQueue[Future[Result]] = SimpleQueue()
        for future in [] if in_order else pending:
            future.add_done_callback(ended.put)
        try:
            while pending:
                first = islice(pending, 1)
                done = wait(first, _POLL_SECONDS).done if in_order else _taken(ended)
                _raise_deferred(done)
                for future in done:
                    yield pending.pop(future), future
                    interrupts.raise_deferred()
                on_progress()
        except KeyboardInterrupt:
            for future in self._stop(pending):
                if not in_order and future.exception() is None:
                    yield pending[future], future
            raise
        finally:
            if pending:
                self._stop(pending)

    def map[Item, Result](
        self, function: Callable[[Item], Result], items: Sequence[Item]
    ) -> Iterator[Result]:
        """Apply a function to items, and yield the results in order."""
        for _, future in self.as_completed(function, items, in_order=True):
            yield future.result()

    def _apply[Item, Result](
        self, function: Callable[[Item], Result], item: Item
    ) -> Future[Result]:
        """Apply a function in this process."""
        future: Future[Result] = Future()
        try:
            with reporting_to(self._table):
                future.set_result(function(item))
        except Exception as error:
            future.set_exception(error)
        return future

    def _stop[Result](self, futures: Iterable[Future[Result]]) -> set[Future[Result]]:
        """Cancel what has not begun, and return the rest when it has stopped."""
        self._table.stop()
        return wait([future for future in futures if not future.cancel()]).done


@contextmanager
def start_workers(
    count: int,
    *,
    table: ProgressTable | None = None,
    executor: Executor | None = None,
    end_at_once: bool = False,
) -> Iterator[Workers]:
    """Start workers, which have ended when the block is left, however it is left.

    Interruptions are deferred in the block: what takes long looks for them.

    Parameters
    ----------
    count
        The number of worker processes; 1 is this process.
    table
        Where they report to.
    executor
        What to use instead; it is not shut down.
    end_at_once
        Whether the processes end when they are asked to stop, wherever they are: only where they
        leave nothing behind.

    Raises
    ------
    Tracks2ZarrError
        If no worker can start, or the end of one is not handled in the block.
    """
    table = table or ProgressTable(1)
    with interrupts.deferred():
        try:
            if executor is not None or count <= 1:
                yield Workers(table, executor)
                return
            with process_pool(count, table, end_at_once=end_at_once) as pool:
                try:
                    yield Workers(table, pool)
                except BaseException:
                    table.stop()
                    pool.shutdown(wait=True, cancel_futures=True)
                    raise
        except BrokenExecutor:
            raise Tracks2ZarrError(workers_problem()) from None


def _taken[Result](ended: SimpleQueue[Future[Result]]) -> list[Future[Result]]:
    """Return the futures that have ended, after a moment at most.

    To wait for all that are pending would take longer the more they are.
    """
    taken = []
    with suppress(Empty):
        taken.append(ended.get(timeout=_POLL_SECONDS))
        while True:
            taken.append(ended.get_nowait())
    return taken


def _raise_deferred(done: Iterable[Future[Any]]) -> None:
    """Raise an interruption, also one that has killed a worker and is about to come."""
    if any(isinstance(f.exception(), BrokenExecutor) for f in done if not f.cancelled()):
        time.sleep(_SIGNAL_SECONDS)
    interrupts.raise_deferred()
