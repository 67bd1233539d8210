"""What the store and SLURM know of one video: gathered here, judged by `status_rules`."""

from __future__ import annotations

import socket
import time
from dataclasses import dataclass, field, replace

from tracks2zarr.common.problems import Problem
from tracks2zarr.common.provenance import now
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.slurm.client import TaskId, TaskState
from tracks2zarr.slurm.job_states import JobStates
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import AttemptRecord, Record, read_record
from tracks2zarr.store.video_state import State, video_in_store

#: How often, and how many seconds apart, to check a lock that is held without a record.
_LOCK_CHECKS, _LOCK_CHECK_PAUSE = 3, 0.1


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What the store and SLURM know of one video.

    Parameters
    ----------
    video, index
        Its id, and its place in the plan of the store.
    group_state, receipt
        The state of its group, and the receipt that matches the group and the plan.
    is_superseded
        Whether a task was submitted later to replace the group that the receipt is for.
    job_states
        What SLURM answered; it was asked before the record was read, so that a task that it no
        longer had has finished writing its record.
    is_locked
        Whether a task, or a run on this machine, holds the video's lock. It is checked only
        where neither the receipt nor the queue decides.
    record
        The attempts that tasks recorded.
    submitted_tasks
        The tasks that were submitted for it, the latest last.
    requested_memory, requested_minutes
        The memory that the task of the last attempt requested, in bytes, and its time limit.
    failure
        The problems of a run of ``create`` that failed.
    hostname, time
        This machine, and when the evidence was gathered (UTC, ISO 8601).
    """

    video: str
    index: int
    group_state: State = State.PENDING
    receipt: Receipt | None = None
    is_superseded: bool = False
    job_states: JobStates = field(default_factory=JobStates)
    is_locked: bool = False
    record: Record | None = None
    submitted_tasks: tuple[TaskId, ...] = ()
    requested_memory: int | None = None
    requested_minutes: int | None = None
    failure: tuple[Problem, ...] = ()
    hostname: str = ""
    time: str = ""

    @property
    def current_receipt(self) -> Receipt | None:
        """The receipt, unless the group that it is for is to be replaced."""
        return None if self.is_superseded else self.receipt

    @property
    def attempts(self) -> tuple[AttemptRecord, ...]:
        """All recorded attempts, the latest last."""
        return self.record.attempts if self.record else ()

    @property
    def last_attempt(self) -> AttemptRecord | None:
        """The last recorded attempt."""
        return self.record.last if self.record else None

    @property
    def conclusive_attempt(self) -> AttemptRecord | None:
        """The last recorded attempt; None where a task that was submitted later has no record."""
        last, submitted = self.last_attempt, self.submitted_tasks[-1:]
        if last is None or not submitted or last.place.job is None:
            return last
        # tasks may end in another order than they were submitted in
        recorded = any(task_of(attempt) == submitted[0] for attempt in self.attempts)
        return last if recorded else None

    @property
    def queued_task(self) -> tuple[TaskId, TaskState] | None:
        """The task of the video that SLURM's queue has running or pending."""
        last = [task_of(self.last_attempt)] if self.last_attempt else []
        return self.job_states.open_task([*self.submitted_tasks, *last])


def task_of(attempt: AttemptRecord) -> TaskId:
    """Return the array task that made an attempt; without SLURM, its job is empty."""
    return attempt.place.job or "", attempt.place.task


def is_superseded(receipt: Receipt | None, tasks: SubmittedTasks) -> bool:
    """Tell whether a task was submitted to replace a video after its receipt was written."""
    return receipt is not None and receipt.finished < tasks.replaced_since(receipt.plan.video)


def gather_evidence(
    store: Store,
    plan: VideoPlan,
    index: int,
    tasks: SubmittedTasks,
    *,
    job_states: JobStates,
    receipt: Receipt | None,
) -> Evidence:
    """Gather what is known of one video.

    Parameters
    ----------
    store
        The store.
    plan, index
        The video's plan, and its place in the plan of the store.
    tasks
        What was submitted for the store.
    job_states
        What SLURM answered.
    receipt
        The receipt that was found, and not superseded, before SLURM was asked.
    """
    record = read_record(store, plan.video)
    array = tasks.array(record.last.place.job or "") if record else None
    request = array.request if array else None
    evidence = Evidence(
        video=plan.video,
        index=index,
        job_states=job_states,
        record=record,
        submitted_tasks=tuple(tasks.of_video(plan.video)),
        requested_memory=request.memory * 2**20 if request and request.memory else None,
        requested_minutes=request.minutes if request else None,
        hostname=socket.gethostname(),
        time=now(),
        group_state=State.DONE if receipt else State.PENDING,
        receipt=receipt,
    )
    if receipt:
        return evidence
    if not evidence.queued_task:
        evidence = replace(
            evidence,
            is_locked=_is_locked(store, plan.video, record),
            failure=tuple(store.read_failure(plan.video)),
        )
    stored = video_in_store(store, plan.video, plan)
    receipt = stored.receipt if stored.state is State.DONE else None
    superseded = is_superseded(receipt, tasks)
    return replace(evidence, group_state=stored.state, receipt=receipt, is_superseded=superseded)


def _is_locked(store: Store, video: str, record: Record | None) -> bool:
    """Tell whether a task, or a run on this machine, holds the video's lock.

    Others hold it for moments, to clear away what dead attempts left.
    """
    if record and record.last.end is None:
        return store.is_running(video)
    for _ in range(_LOCK_CHECKS):
        if not store.is_running(video):
            return False
        time.sleep(_LOCK_CHECK_PAUSE)
    return True
