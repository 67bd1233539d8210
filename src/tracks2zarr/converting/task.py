"""Converts one video as a task, under any scheduler or none."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace

from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import errors_of
from tracks2zarr.common.provenance import now, peak_memory
from tracks2zarr.common.system_problems import ensure_open_files_limit
from tracks2zarr.converting.one_video import Outcome, Result, VideoTask, convert_locked
from tracks2zarr.parallel import interrupts
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import (
    AttemptRecord,
    End,
    Place,
    begin_attempt,
    end_attempt,
    forget_attempt,
)

#: How long to wait before asking again for a video that another task is at work on.
_BUSY_SECONDS = 1.0
_ENDS = {Result.DONE: End.DONE, Result.FAILED: End.FAILED}


def run_task(
    task: VideoTask, place: Place, *, on_wait: Callable[[], None] = lambda: None
) -> Outcome:
    """Convert one video, and leave a record of the attempt in the store.

    A video that another task, or a run, is at work on is waited for: it is done then, or this
    task does it. What a dead attempt left is cleared away.

    Parameters
    ----------
    task
        The video, and where it goes.
    place
        Where this task runs.
    on_wait
        Called once if the video must be waited for.

    Returns
    -------
    Outcome
        Whatever fails is in it.

    Raises
    ------
    KeyboardInterrupt
        When the task was stopped; its record says so.
    """
    ensure_open_files_limit()
    waited = False
    with Store(task.store, task.folder).holding() as store:
        while True:
            try:
                with store.video_lock(task.plan.video):
                    return _recorded(store, task, place)
            except LockedError:
                if not waited:
                    on_wait()
                waited = True
                time.sleep(_BUSY_SECONDS)


def _recorded(store: Store, task: VideoTask, place: Place) -> Outcome:
    video = task.plan.video
    attempt = begin_attempt(store, video, place)
    try:
        with interrupts.deferred():
            outcome = convert_locked(store, task)
    except KeyboardInterrupt:
        why = "It was stopped by a signal: time limit, preemption or cancellation."
        end_attempt(store, video, _ended(attempt, End.STOPPED, why=why))
        raise
    if outcome.result is Result.SKIPPED:
        forget_attempt(store, video)
        return outcome
    problems = outcome.problems
    first = next(iter(errors_of(problems)), None)
    ended = _ended(attempt, _ENDS[outcome.result], why=first.what if first else None)
    end_attempt(store, video, replace(ended, problems=problems))
    return outcome


def _ended(attempt: AttemptRecord, end: End, *, why: str | None) -> AttemptRecord:
    return replace(attempt, ended=now(), end=end, why=why, peak_memory=peak_memory())
