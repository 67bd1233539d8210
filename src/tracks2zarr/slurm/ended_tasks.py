"""Records how tasks ended while SLURM still knows."""

from __future__ import annotations

import time
from dataclasses import replace

from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.provenance import now
from tracks2zarr.slurm.logs import sort_logs
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.commit import recover_all
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import (
    AttemptRecord,
    End,
    Place,
    Record,
    read_record,
    write_record,
)
from tracks2zarr.store.video_state import State

#: The states of videos whose task has ended without success.
_ENDED = frozenset({State.FAILED, State.CANCELLED, State.MISSING})
#: How often, and how many seconds apart, to try for a video's lock.
_LOCK_TRIES, _LOCK_TRY_PAUSE = 5, 0.1


def record_ended_tasks(store: Store, status: StoreStatus) -> None:
    """Record how tasks ended that could not record it themselves.

    Parameters
    ----------
    store
        The store.
    status
        The status of its videos.
    """
    for video in status.videos:
        if video.state in _ENDED and video.job is not None:
            for _ in range(_LOCK_TRIES):
                try:
                    with store.video_lock(video.video):
                        _record_ended_task(store, video)
                    break
                except LockedError:  # for a moment, or somebody is at work on it by now
                    time.sleep(_LOCK_TRY_PAUSE)


def clean_up_ended_tasks(store: Store, status: StoreStatus) -> None:
    """Remove what interrupted attempts left, and sort the logs of tasks that have ended.

    Parameters
    ----------
    store
        The store.
    status
        The status of its videos.
    """
    recover_all(store)
    sort_logs(
        store,
        SubmittedTasks.read(store),
        done={video.video for video in status.videos if video.state is State.DONE},
        open_tasks={(v.job, v.task) for v in status.videos if v.is_open and v.job is not None},
    )


def _record_ended_task(store: Store, video: VideoStatus) -> None:
    record = read_record(store, video.video)
    attempts = record.attempts if record else ()
    place = (video.job, video.task)
    last = attempts[-1] if attempts else None
    if last is not None and (last.place.job, last.place.task) == place:
        if last.end in {None, End.STOPPED}:
            attempts = (*attempts[:-1], _with_end(last, video))
    else:
        attempts = (*attempts, _unstarted_attempt(video))
    write_record(store, Record(video.video, attempts))


def _with_end(attempt: AttemptRecord, video: VideoStatus) -> AttemptRecord:
    return replace(
        attempt,
        end=End.LOST,
        ended=attempt.ended or now(),
        why=video.why,
        cause=video.cause,
        peak_memory=video.peak_memory,
    )


def _unstarted_attempt(video: VideoStatus) -> AttemptRecord:
    """Return an attempt that stands for a task that ended before it began its work."""
    time = now()
    return AttemptRecord(
        number=video.attempt,
        place=Place(video.node or "", video.job, video.task),
        process=0,
        started=time,
        ended=time,
        end=End.LOST,
        why=video.why,
        cause=video.cause,
    )
