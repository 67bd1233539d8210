"""How far the finalising job of a store is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracks2zarr.common.problems import Problem
from tracks2zarr.slurm.finish_record import FinishRecord
from tracks2zarr.slurm.job_states import (
    CANCELLED,
    JobStates,
    cause_of,
    cause_text,
    end_text,
)
from tracks2zarr.slurm.pending_reasons import pending_text, stays_pending
from tracks2zarr.slurm.submission import Request, SubmittedTasks
from tracks2zarr.store.task_record import End
from tracks2zarr.store.video_state import State

_COMPLETED = "COMPLETED"


@dataclass(frozen=True, slots=True, kw_only=True)
class FinalisingStatus:
    """How far the finalising job is that was submitted last, or one that it waits for.

    Parameters
    ----------
    state
        How far it is; ``done`` if it listed and verified all without finding anything wrong, and
        ``missing`` if SLURM has no such job, and it left no word.
    job
        Its id; None for ``slurm finish`` by hand.
    why
        What went wrong, or what it waits for, in one line.
    cause
        SLURM's word for how it ended, where it was SLURM that ended it, or for why it waits.
    problems
        What it found to be wrong, or met; the first few.
    """

    state: State
    job: str | None
    why: str | None = None
    cause: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether it runs, or is to run."""
        return self.state in {State.RUNNING, State.PENDING}

    @property
    def stays_pending(self) -> bool:
        """Whether it waits until somebody acts."""
        return self.state is State.PENDING and stays_pending(self.cause or "")

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        problems = [problem.as_dict() for problem in self.problems]
        return fields | {"state": str(self.state), "problems": problems}


def finalising_status(
    tasks: SubmittedTasks, record: FinishRecord | None, job_states: JobStates
) -> FinalisingStatus | None:
    """Return how far the finalising job is; None where none was submitted.

    Its own record counts first, as it does for tasks: SLURM forgets, and calls the job failed
    where it only found videos that are not done.

    Parameters
    ----------
    tasks
        What was submitted for the store.
    record
        What was recorded after the latest submission.
    job_states
        What SLURM answered, before the record was read.
    """
    job = tasks.finalising_job
    opened = job_states.open_task((one, None) for one in reversed(tasks.finalising_jobs))
    if opened is not None:
        (open_job, _), found = opened
        state = State.RUNNING if found.is_running else State.PENDING
        why = None if found.is_running else pending_text(found, None)
        cause = found.reason if found.is_pending else None
        return FinalisingStatus(state=state, job=open_job, why=why, cause=cause)
    if record is not None and record.end in {End.DONE, End.FAILED}:
        state = State.DONE if record.end is End.DONE else State.FAILED
        return FinalisingStatus(
            state=state, job=record.job, why=record.why, problems=record.problems
        )
    if job is None:
        return None
    return _without_end(job, tasks.submissions[-1].finalising_request, record, job_states)


def _without_end(
    job: str, request: Request | None, record: FinishRecord | None, job_states: JobStates
) -> FinalisingStatus | None:
    """Return the status of a finalising job that has ended, and did not record how."""
    ended = job_states.end_of((job, None))
    if ended is not None and ended.state == _COMPLETED:
        return FinalisingStatus(state=State.DONE, job=job)
    if ended is not None:
        memory = request.memory * 2**20 if request and request.memory else None
        cause = cause_of(ended, memory)
        minutes = request.minutes if request else None
        why = cause_text(cause, memory, minutes, ended.peak_memory, ended.elapsed)
        why = why or end_text(ended)
        state = State.CANCELLED if cause == CANCELLED else State.FAILED
        return FinalisingStatus(state=state, job=job, why=why, cause=cause)
    if record is not None and record.end is not None:
        state = State.CANCELLED if record.end is End.LOST else State.FAILED
        return FinalisingStatus(state=state, job=job, why=record.why)
    if job_states.unanswered is not None:
        why = "It has left no word yet; SLURM cannot be asked."
        return FinalisingStatus(state=State.UNKNOWN, job=job, why=why)
    if record is not None:
        why = "It was killed, and nobody knows why."
        return FinalisingStatus(state=State.FAILED, job=job, why=why)
    if request is None:  # of an older version, which left no word
        return None
    why = "SLURM has no such job, and it left no word: cancelled before it began."
    return FinalisingStatus(state=State.MISSING, job=job, why=why)
