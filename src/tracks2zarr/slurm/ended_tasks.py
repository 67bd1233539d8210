"""What only SLURM knows of ended tasks, written into their records before it forgets."""

from __future__ import annotations

import time
from dataclasses import replace

from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.provenance import now
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
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

_TRIES, _BETWEEN_TRIES = 5, 0.1


def settle(store: Store, status: StoreStatus) -> None:
    """Record how tasks ended that could not say so themselves.

    Parameters
    ----------
    store
        The store.
    status
        What is known of its videos.
    """
    for video in status.videos:
        if video.state in {State.FAILED, State.MISSING} and video.job is not None:
            for _ in range(_TRIES):
                try:
                    with store.video_lock(video.video):
                        _settle_video(store, video)
                    break
                except LockedError:  # for a moment, or somebody is at work on it by now
                    time.sleep(_BETWEEN_TRIES)


def _settle_video(store: Store, video: VideoStatus) -> None:
    record = read_record(store, video.video)
    attempts = record.attempts if record else ()
    place = (video.job, video.task)
    last = attempts[-1] if attempts else None
    if last is not None and (last.place.job, last.place.task) == place:
        if last.end in {None, End.STOPPED}:
            attempts = (*attempts[:-1], _told(last, video))
    else:
        attempts = (*attempts, _never_began(video))
    write_record(store, Record(video.video, attempts))


def _told(attempt: AttemptRecord, video: VideoStatus) -> AttemptRecord:
    return replace(
        attempt,
        end=End.LOST,
        ended=attempt.ended or now(),
        why=video.why,
        cause=video.cause,
        peak_memory=video.peak_memory,
    )


def _never_began(video: VideoStatus) -> AttemptRecord:
    """Return an attempt that stands for a task that left no word; it counts for nothing."""
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
