"""The rules that decide the state of a video, in order."""

from __future__ import annotations

from collections.abc import Callable
from datetime import datetime
from typing import Any

from tracks2zarr.slurm.client import TaskState
from tracks2zarr.slurm.evidence import Evidence, task_of
from tracks2zarr.slurm.job_states import (
    CANCELLED,
    OUT_OF_MEMORY,
    STATE_TEXTS,
    cause_of,
    cause_text,
    end_text,
)
from tracks2zarr.slurm.pending_reasons import pending_text
from tracks2zarr.slurm.status_values import VideoStatus
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.task_record import AttemptRecord, End
from tracks2zarr.store.video_state import State

type Rule = Callable[[Evidence], VideoStatus | None]


def decide(evidence: Evidence) -> VideoStatus:
    """Return the status of a video by the first of the `RULES` that applies to it."""
    statuses = (rule(evidence) for rule in RULES)
    return next(status for status in statuses if status is not None)


def receipt_is_current(evidence: Evidence) -> VideoStatus | None:
    """Apply where the video has a receipt, and no later task is to replace it."""
    receipt = evidence.current_receipt
    return _done(evidence, receipt) if receipt else None


def queue_runs_recorded_attempt(evidence: Evidence) -> VideoStatus | None:
    """Apply where the queue has a task running that has recorded its start."""
    queued, last = evidence.queued_task, evidence.last_attempt
    if queued is None or last is None:
        return None
    task, found = queued
    is_this = task_of(last) == task and last.end is None
    return _status(evidence, State.RUNNING, last) if found.is_running and is_this else None


def queue_has_task(evidence: Evidence) -> VideoStatus | None:
    """Apply where the queue has a task running that has no record yet, or one pending."""
    if evidence.queued_task is None:
        return None
    ((job, number), found), last = evidence.queued_task, evidence.last_attempt
    return _status(
        evidence,
        State.RUNNING if found.is_running else State.PENDING,
        job=job,
        task=number,
        node=found.node or None,
        attempt=last.number if last else 0,
        why=None if found.is_running else pending_text(found, last.why if last else None),
        cause=found.reason if found.is_pending and found.reason not in {"", "None"} else None,
    )


def lock_is_held(evidence: Evidence) -> VideoStatus | None:
    """Apply where a process holds the video's lock."""
    if not evidence.is_locked:
        return None
    last = evidence.last_attempt
    return _status(evidence, State.RUNNING, last if last and last.end is None else None)


def record_is_done(evidence: Evidence) -> VideoStatus | None:
    """Apply where the attempt succeeded, although there is no current receipt."""
    last = evidence.conclusive_attempt
    if last is None or last.end is not End.DONE:
        return None
    if evidence.receipt:
        return _done(evidence, evidence.receipt)
    gone = evidence.group_state is State.MISSING
    why = (
        "Its group is gone, or was changed." if gone else "Its plan has changed since it was done."
    )
    return _status(evidence, evidence.group_state, last, why=why, job=None, task=None)


def record_is_failed(evidence: Evidence) -> VideoStatus | None:
    """Apply where the attempt recorded the problems that it failed with."""
    last = evidence.conclusive_attempt
    if last is None or last.end is not End.FAILED:
        return None
    cause = OUT_OF_MEMORY if any(p.kind == "memory" for p in last.problems) else None
    problems = last.problems
    return _status(evidence, State.FAILED, last, why=last.why, cause=cause, problems=problems)


def record_is_lost(evidence: Evidence) -> VideoStatus | None:
    """Apply where it was recorded earlier how SLURM ended the attempt, or its task unstarted."""
    last, ended = _last_and_end(evidence)
    if last is None or not (last.end is End.LOST or ended) or (ended and last.process):
        return None
    if last.cause is None and ended and ended.state == CANCELLED:  # SLURM knew nothing of it then
        return _status(evidence, State.CANCELLED, last, why=STATE_TEXTS[CANCELLED], cause=CANCELLED)
    has_no_trace = not last.process and last.cause is None
    state = State.MISSING if has_no_trace else _state_after(last.cause)
    return _status(evidence, state, last, why=last.why, cause=last.cause)


def slurm_ended_attempt(evidence: Evidence) -> VideoStatus | None:
    """Apply where SLURM knows how the attempt ended."""
    last, ended = _last_and_end(evidence)
    if last is None or ended is None:
        return None
    cause = cause_of(ended, evidence.requested_memory)
    peak = last.peak_memory or ended.peak_memory
    request = evidence.requested_memory, evidence.requested_minutes
    why = cause_text(cause, *request, peak, ended.elapsed) or last.why or end_text(ended)
    return _status(evidence, _state_after(cause), last, why=why, cause=cause, peak_memory=peak)


def record_is_stopped(evidence: Evidence) -> VideoStatus | None:
    """Apply where a signal stopped the attempt; SLURM may have put it back into the queue."""
    last = evidence.conclusive_attempt
    if last is None or last.end is not End.STOPPED:
        return None
    why = last.why or ""
    if evidence.job_states.unanswered is None or last.place.job is None:
        return _status(evidence, State.FAILED, last, why=why)
    return _status(evidence, State.UNKNOWN, last, why=f"{why} It may be in the queue again.")


def attempt_was_killed(evidence: Evidence) -> VideoStatus | None:
    """Apply where the attempt recorded no end, and it is certain that it is over.

    Nobody holds its lock on this machine, or SLURM answered and has it no longer.
    """
    last = evidence.conclusive_attempt
    if last is None:
        return None
    is_in_slurm = evidence.job_states.unanswered is None and last.place.job is not None
    if last.place.node != evidence.hostname and not is_in_slurm:
        return None
    return _status(evidence, State.FAILED, last, why="It was killed, and nobody knows why.")


def attempt_is_silent(evidence: Evidence) -> VideoStatus | None:
    """Apply where the attempt recorded no end, and may still run elsewhere."""
    last = evidence.conclusive_attempt
    why = "It began there, and has left no word since."
    return _status(evidence, State.UNKNOWN, last, why=why) if last else None


def create_failed(evidence: Evidence) -> VideoStatus | None:
    """Apply where no task was submitted, and a run of ``create`` failed."""
    if evidence.submitted_tasks or not evidence.failure:
        return None
    failure = evidence.failure
    return _status(evidence, State.FAILED, why=failure[0].what, problems=failure)


def nothing_was_submitted(evidence: Evidence) -> VideoStatus | None:
    """Apply where no task was submitted."""
    if evidence.submitted_tasks:
        return None
    return _status(evidence, State.PENDING, why="Not submitted, or no task has begun.")


def slurm_ended_unstarted_task(evidence: Evidence) -> VideoStatus | None:
    """Apply where SLURM knows how the latest task ended, which has no record."""
    ended = evidence.job_states.end_of(evidence.submitted_tasks[-1])
    if ended is None:
        return None
    limits = evidence.requested_memory, evidence.requested_minutes
    text = cause_text(ended.state, *limits, ended.peak_memory, ended.elapsed) or end_text(ended)
    return _unrecorded(
        evidence,
        _state_after(ended.state),
        why="It was cancelled before it began."
        if ended.state == CANCELLED
        else f"Before it began its work, e.g. in its prelude: {text}",
        cause=ended.state,
        node=ended.node or None,
    )


def slurm_has_no_task(evidence: Evidence) -> VideoStatus | None:
    """Apply where SLURM answered, and knows nothing of the latest task, which has no record."""
    if evidence.job_states.unanswered is not None:
        return None
    why = "SLURM has no such task, and it left no word; it was probably cancelled before it began."
    return _unrecorded(evidence, State.MISSING, why=why)


def nothing_is_known(evidence: Evidence) -> VideoStatus:
    """Apply to all that is left: the latest task has no record, and SLURM did not answer."""
    why = "It has left no word yet; SLURM cannot be asked."
    return _unrecorded(evidence, State.UNKNOWN, why=why)


#: Which evidence decides, in this order.
RULES: tuple[Rule, ...] = (
    # the receipt
    receipt_is_current,
    # SLURM's queue
    queue_runs_recorded_attempt,
    queue_has_task,
    # the lock
    lock_is_held,
    # the record of the latest task; where it lacks an end, SLURM's accounting or queue
    record_is_done,
    record_is_failed,
    record_is_lost,
    slurm_ended_attempt,
    record_is_stopped,
    attempt_was_killed,
    attempt_is_silent,
    # without a record of the latest task: the submission, then SLURM's accounting or queue
    create_failed,
    nothing_was_submitted,
    slurm_ended_unstarted_task,
    slurm_has_no_task,
    nothing_is_known,
)


def _last_and_end(evidence: Evidence) -> tuple[AttemptRecord | None, TaskState | None]:
    """Return the attempt of the latest task, and how SLURM ended it."""
    last = evidence.conclusive_attempt
    return last, evidence.job_states.end_of(task_of(last)) if last else None


def _state_after(cause: str | None) -> State:
    """Return the state of a video whose task ended without success, by SLURM's word for it."""
    return State.CANCELLED if cause == CANCELLED else State.FAILED


def _done(evidence: Evidence, receipt: Receipt) -> VideoStatus:
    attempts = reversed(evidence.attempts)
    last = next((attempt for attempt in attempts if attempt.end is End.DONE), None)
    return _status(
        evidence,
        State.DONE,
        job=last.place.job if last else None,
        task=last.place.task if last else None,
        node=last.place.node if last else receipt.host,
        seconds=_seconds_between(receipt.started, receipt.finished),
        peak_memory=receipt.peak_memory,
        attempt=last.number if last else 0,
    )


def _unrecorded(evidence: Evidence, state: State, **fields: Any) -> VideoStatus:
    """Return the status of a video whose latest task has no record."""
    job, number = evidence.submitted_tasks[-1]
    return _status(evidence, state, evidence.last_attempt, job=job, task=number, **fields)


def _status(
    evidence: Evidence, state: State, recorded: AttemptRecord | None = None, /, **fields: Any
) -> VideoStatus:
    """Return a status with what an attempt recorded, and other fields in place of that."""
    if recorded is not None:
        ended = recorded.ended or evidence.time
        fields = {
            "job": recorded.place.job,
            "task": recorded.place.task,
            "node": recorded.place.node or None,
            "seconds": _seconds_between(recorded.started, ended) if recorded.process else None,
            "peak_memory": recorded.peak_memory,
            "attempt": recorded.number,
        } | fields
    return VideoStatus(video=evidence.video, index=evidence.index, state=state, **fields)


def _seconds_between(start: str, end: str) -> float:
    seconds = (datetime.fromisoformat(end) - datetime.fromisoformat(start)).total_seconds()
    return round(max(seconds, 0.0), 1)
