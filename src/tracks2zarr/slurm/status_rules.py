"""How far a video is, by all that is known of it: the rules by which status tells the truth."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from tracks2zarr.common.provenance import now
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.slurm.answers import (
    CANCELLED,
    KILLED,
    OUT_OF_MEMORY,
    WORDS,
    Answers,
    cause_of,
    wait_text,
)
from tracks2zarr.slurm.client import TaskId, TaskState
from tracks2zarr.slurm.status_values import VideoStatus
from tracks2zarr.slurm.submission import Tasks
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import AttemptRecord, End, Record
from tracks2zarr.store.video_state import State, video_in_store

#: How often, and how long apart in seconds, a lock is looked at that is held without a record.
_LOOKS, _BETWEEN_LOOKS = 3, 0.1


@dataclass(frozen=True, slots=True)
class Known:
    """All that is known of one video.

    Parameters
    ----------
    store
        The store.
    plan, index
        The video's plan, and its place in the plan of the store.
    tasks
        What was submitted for the store.
    record
        What tasks left of their attempts at the video.
    answers
        What SLURM said; it was asked before the record was read, so that a task that it no
        longer had has left its last word.
    """

    store: Store
    plan: VideoPlan
    index: int
    tasks: Tasks
    record: Record | None
    answers: Answers

    def done(self, receipt: Receipt) -> VideoStatus:
        """Return the status of a video that is done."""
        attempts = self.record.attempts if self.record else ()
        last = next((one for one in reversed(attempts) if one.end is End.DONE), None)
        return VideoStatus(
            video=self.plan.video,
            index=self.index,
            state=State.DONE,
            job=last.place.job if last else None,
            task=last.place.task if last else None,
            node=last.place.node if last else receipt.host,
            seconds=_between(receipt.started, receipt.finished),
            peak_memory=receipt.peak_memory,
            attempt=last.number if last else 0,
        )

    def status(self) -> VideoStatus:
        """Return the status of a video that is not done."""
        record = self.record
        living = self.answers.open_task(self.own_tasks())
        if living is not None:
            return self._in_queue(record, *living)
        if self._is_at_work():
            return self._of(record if record and record.last.end is None else None, State.RUNNING)
        if record is not None and self._is_latest(record.last):
            return self._ended(record)
        return self._without_word(record)

    def _is_at_work(self) -> bool:
        """Tell whether a task, or a run on this machine, holds the video's lock.

        Others hold it for moments, to clear away what dead attempts left.
        """
        if self.record and self.record.last.end is None:
            return self.store.is_running(self.plan.video)
        for _ in range(_LOOKS):
            if not self.store.is_running(self.plan.video):
                return False
            time.sleep(_BETWEEN_LOOKS)
        return True

    def own_tasks(self) -> list[TaskId]:
        """Return the tasks of the video, those that nobody wrote down included."""
        tasks: list[TaskId] = [*self.tasks.of_video(self.plan.video)]
        if self.record:
            tasks.append((self.record.last.place.job or "", self.record.last.place.task))
        return tasks

    def _is_latest(self, attempt: AttemptRecord) -> bool:
        """Tell whether no task was submitted for the video after this attempt's."""
        submitted = self.tasks.of_video(self.plan.video)
        place = attempt.place
        if not submitted or place.job is None or submitted[-1] == (place.job, place.task):
            return True
        # a task that was submitted earlier may have ended later: then the later one has its word
        own = self.record.attempts if self.record else ()
        return any((one.place.job, one.place.task) == submitted[-1] for one in own)

    def _of(self, record: Record | None, state: State, **known: Any) -> VideoStatus:
        """Return a status with what the record knows."""
        fields: dict[str, Any] = {}
        if record is not None:
            last = record.last
            fields = {
                "job": last.place.job,
                "task": last.place.task,
                "node": last.place.node or None,
                "seconds": _between(last.started, last.ended or now()) if last.process else None,
                "peak_memory": last.peak_memory,
                "attempt": last.number,
            }
        fields |= known
        return VideoStatus(video=self.plan.video, index=self.index, state=state, **fields)

    def _in_queue(self, record: Record | None, task: TaskId, said: TaskState) -> VideoStatus:
        job, number = task
        began = record is not None and (record.last.place.job, record.last.place.task) == task
        if said.is_living and began and record is not None and record.last.end is None:
            return self._of(record, State.RUNNING)
        attempt = record.last.number if record else 0
        state = State.RUNNING if said.is_living else State.PENDING
        return VideoStatus(
            video=self.plan.video,
            index=self.index,
            state=state,
            job=job,
            task=number,
            node=said.node or None,
            attempt=attempt,
            why=wait_text(said, record.last.why if record else None)
            if state is State.PENDING
            else None,
        )

    def _ended(self, record: Record) -> VideoStatus:
        """Return the status of a video whose latest attempt is over, or left no word of its end."""
        last = record.last
        task: TaskId = (last.place.job or "", last.place.task)
        said = self.answers.end_of(task)
        if last.end is End.DONE:
            found = video_in_store(self.store, self.plan.video, self.plan)
            if found.state is State.DONE and found.receipt:
                return self.done(found.receipt)
            gone = "Its group is gone, or was changed."
            why = (
                gone if found.state is State.MISSING else "Its plan has changed since it was done."
            )
            return self._of(record, found.state, why=why, job=None, task=None)
        if last.end is End.FAILED:
            cause = OUT_OF_MEMORY if any(p.kind == "memory" for p in last.problems) else None
            problems = last.problems
            return self._of(record, State.FAILED, why=last.why, cause=cause, problems=problems)
        if last.end is End.LOST or said is not None:
            return self._lost(record, said)
        if last.end is End.STOPPED:
            asked = self.answers.unanswered is None or last.place.job is None
            again = "" if asked else " It may be in the queue again."
            state = State.FAILED if asked else State.UNKNOWN
            return self._of(record, state, why=f"{last.why or ''}{again}")
        if self._can_tell(last):
            return self._of(record, State.FAILED, why="It was killed, and nobody knows why.")
        return self._of(
            record,
            State.UNKNOWN,
            why="It began there, and has left no word since.",
        )

    def _can_tell(self, attempt: AttemptRecord) -> bool:
        """Tell whether it is certain that an attempt that left no word is over."""
        if attempt.place.node == socket.gethostname():
            return True  # nobody holds the lock
        return self.answers.unanswered is None and attempt.place.job is not None

    def _lost(self, record: Record, said: TaskState | None) -> VideoStatus:
        """Return the status of a video whose attempt SLURM ended, or nobody knows who."""
        last = record.last
        if said is None or not last.process:
            never_began = not last.process and last.cause in {None, CANCELLED}
            state = State.MISSING if never_began else State.FAILED
            return self._of(record, state, why=last.why, cause=last.cause)
        cause = cause_of(said, self._request_memory(last))
        why = WORDS.get(cause) or last.why or _end_text(said)
        peak = last.peak_memory or said.peak_memory
        return self._of(record, State.FAILED, why=why, cause=cause, peak_memory=peak)

    def _request_memory(self, attempt: AttemptRecord) -> int | None:
        array = self.tasks.array(attempt.place.job or "")
        if array is None or array.request is None or array.request.memory is None:
            return None
        return array.request.memory * 2**20

    def _without_word(self, record: Record | None) -> VideoStatus:
        """Return the status of a video for which the latest task has left no record."""
        submitted = self.tasks.of_video(self.plan.video)
        if not submitted:
            failure = self.store.read_failure(self.plan.video)
            if failure:
                problems = tuple(failure)
                return self._of(record, State.FAILED, why=failure[0].what, problems=problems)
            return VideoStatus(
                video=self.plan.video, index=self.index, state=State.PENDING, why="Not submitted."
            )
        job, number = submitted[-1]
        task = {"job": job, "task": number}
        said = self.answers.end_of((job, number))
        if said is not None:
            cancelled = said.state == CANCELLED
            began_not = f"It ended before it began its work ({said.reason or said.state})."
            return self._of(
                record,
                State.MISSING if cancelled else State.FAILED,
                why="It was cancelled before it began." if cancelled else began_not,
                cause=said.state,
                node=said.node or None,
                **task,
            )
        if self.answers.unanswered is None:
            why = "SLURM has no such task, and it left no word: cancelled before it began."
            return self._of(record, State.MISSING, why=why, **task)
        why = "It has left no word yet; SLURM cannot be asked."
        return self._of(record, State.UNKNOWN, why=why, **task)


def _end_text(said: TaskState) -> str:
    """Return how a task ended that left no word, and for which SLURM has no word either."""
    if said.reason.startswith("exit ") and said.reason not in KILLED:
        return f"It ended with {said.reason.replace('exit', 'exit status')}; see its log."
    return f"It was killed ({said.reason or said.state})."


def _between(start: str, end: str) -> float:
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return round(max(seconds, 0.0), 1)
