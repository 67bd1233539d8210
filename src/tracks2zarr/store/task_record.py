"""The record that a task leaves of its start and its end, so that no scheduler is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

from tracks2zarr.common.documents import Document, DocumentError
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.provenance import now
from tracks2zarr.store.store import Store

#: Older attempts than these are forgotten.
_ATTEMPTS_KEPT = 20


class End(StrEnum):
    """How an attempt ended."""

    DONE = "done"
    FAILED = "failed"
    #: By SIGTERM or Ctrl-C; the task itself could still say so.
    STOPPED = "stopped"
    #: Without a word of its own; the scheduler, or the lock that nobody held, told of it.
    LOST = "lost"


@dataclass(frozen=True, slots=True)
class Place:
    """Where a task runs.

    Parameters
    ----------
    node
        The name of the machine.
    job
        The id of the array job, as the scheduler has it; None without a scheduler.
    task
        The number of the task in its array job.
    """

    node: str
    job: str | None = None
    task: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class AttemptRecord:
    """One attempt of a task at a video.

    Parameters
    ----------
    number
        Counts from 1.
    place
        Where it ran.
    process
        The id of the process.
    started, ended
        Times in UTC, ISO 8601; `ended` is None while it runs, or when it was killed.
    end
        How it ended; None while it runs, or when it was killed.
    why
        In one line, where it did not end well.
    cause
        The scheduler's word for it, where it was the scheduler that ended it.
    problems
        What it met, in full.
    peak_memory
        Of the process, in bytes.
    """

    number: int
    place: Place
    process: int
    started: str
    ended: str | None = None
    end: End | None = None
    why: str | None = None
    cause: str | None = None
    problems: tuple[Problem, ...] = ()
    peak_memory: int | None = None


@dataclass(frozen=True, slots=True)
class Record(Document):
    """The attempts that tasks made at a video, the latest one last; there is at least one."""

    format_key = "tracks2zarr_task"

    video: str
    attempts: tuple[AttemptRecord, ...]

    @property
    def last(self) -> AttemptRecord:
        """The latest attempt."""
        return self.attempts[-1]

    def with_last(self, attempt: AttemptRecord) -> Record:
        """Return the same record with another latest attempt."""
        return Record(self.video, (*self.attempts[:-1], attempt))

    def check(self, found: Mapping[str, Any]) -> None:
        """Check that there is an attempt."""
        if not self.attempts:
            raise DocumentError("no attempt")


def read_record(store: Store, video: str) -> Record | None:
    """Return what tasks left of their attempts at a video; None where there is nothing."""
    return Record.read(store.record_file(video))


def write_record(store: Store, record: Record) -> None:
    """Replace a video's record; whoever does holds the video's lock."""
    record.write(store.to_write(store.record_file(record.video)))


def begin_attempt(store: Store, video: str, place: Place) -> AttemptRecord:
    """Record that an attempt begins, under the video's lock.

    An earlier attempt that left no word of its end is dead, or the lock could not be held.
    """
    before = read_record(store, video)
    earlier = before.attempts if before else ()
    if before and before.last.end is None:
        lost = replace(before.last, end=End.LOST, why="It ended without a word.")
        earlier = before.with_last(lost).attempts
    attempt = AttemptRecord(
        number=earlier[-1].number + 1 if earlier else 1,
        place=place,
        process=os.getpid(),
        started=now(),
    )
    write_record(store, Record(video, (*earlier[-_ATTEMPTS_KEPT + 1 :], attempt)))
    return attempt


def end_attempt(store: Store, video: str, attempt: AttemptRecord) -> None:
    """Record how the latest attempt ended, under the video's lock."""
    record = read_record(store, video) or Record(video, (attempt,))
    write_record(store, record.with_last(attempt))


def forget_attempt(store: Store, video: str) -> None:
    """Take back the latest attempt, which found nothing to do."""
    record = read_record(store, video)
    if record is None or len(record.attempts) == 1:
        store.record_file(video).unlink(missing_ok=True)
    else:
        write_record(store, Record(video, record.attempts[:-1]))
