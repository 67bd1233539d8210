"""Applies functions in threads of this process."""

from __future__ import annotations

import importlib
import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from itertools import chain, islice

from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.cores import thread_count

#: Results that wait to be taken, so that no thread waits for work.
_AHEAD = 1


@contextmanager
def importing_in_background(*modules: str) -> Iterator[None]:
    """Import modules in a thread while the block runs; zarr takes a third of a second."""

    def load() -> None:
        # whoever needs the module imports it, too, and meets the error there
        with suppress(Exception):
            for name in modules:
                importlib.import_module(name)

    thread = threading.Thread(target=load, daemon=True)
    thread.start()
    try:
        yield
    finally:
        thread.join()


def map_in_threads[Item, Result](
    function: Callable[[Item], Result], items: Iterable[Item], *, count: int | None = None
) -> Iterator[Result]:
    """Apply a function to items, in threads, and yield the results in order.

    Parameters
    ----------
    function
        What to apply; it should leave Python's lock alone for most of its time.
    items
        Are taken as they are needed, so that few of them are in memory.
    count
        How many threads; by default one per core, as far as that is of use.
    """
    count = count or thread_count()
    coming = iter(items)
    first = list(islice(coming, 2))
    if count == 1 or len(first) < 2:
        for item in chain(first, coming):
            interrupts.raise_deferred()
            yield function(item)
        return
    pending: deque[Future[Result]] = deque()
    with ThreadPoolExecutor(count) as pool:
        try:
            for item in chain(first, coming):
                interrupts.raise_deferred()
                pending.append(pool.submit(function, item))
                if len(pending) > count + _AHEAD:
                    yield pending.popleft().result()
            while pending:
                interrupts.raise_deferred()
                yield pending.popleft().result()
        finally:
            for future in pending:
                future.cancel()
