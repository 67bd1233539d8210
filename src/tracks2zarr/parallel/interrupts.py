"""Defers interruptions to places where they do no harm."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import FrameType

type _Handler = Callable[[int, FrameType | None], object]

#: Windows has no SIGHUP.
_SIGNALS = [one for one in signal.Signals if one.name in {"SIGINT", "SIGTERM", "SIGHUP"}]
#: What was done on a signal before signals were noted; empty while they are not.
_handlers: dict[int, _Handler] = {}
_deferred: list[int] = []


@contextmanager
def deferred() -> Iterator[None]:
    """Defer interruptions while a block runs: `raise_deferred` or the end of the block raises them.

    What a signal raises comes at any place. In the midst of a lock of `concurrent.futures`,
    it leaves the lock taken, and all of its threads wait for each other from then on.
    """
    if _handlers or threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {number: signal.getsignal(number) for number in _SIGNALS}
    handlers: dict[int, _Handler] = {n: it for n, it in before.items() if callable(it)}
    _handlers.update(handlers)
    try:
        for number in handlers:
            signal.signal(number, _note)
        yield
    finally:
        try:
            for number, handler in handlers.items():
                signal.signal(number, handler)
        finally:
            late = _deferred.copy()
            _deferred.clear()
            _handlers.clear()
        for number in late[:1]:
            handlers[number](number, None)


def raise_deferred() -> None:
    """Do what a signal was to do that was noted, if there was one; usually that raises.

    Raises
    ------
    KeyboardInterrupt
        As Ctrl-C does.
    """
    if _deferred and threading.current_thread() is threading.main_thread():
        number = _deferred[0]
        _deferred.clear()
        _handlers[number](number, None)


def _note(number: int, _frame: FrameType | None) -> None:
    _deferred.append(number)
