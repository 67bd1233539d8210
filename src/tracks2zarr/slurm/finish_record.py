"""The record that a finalising job leaves of its start and its end."""

from __future__ import annotations

import os
import socket
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from tracks2zarr.common.documents import Document
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of, one_line
from tracks2zarr.common.provenance import now, peak_memory
from tracks2zarr.common.system_problems import unexpected_problem
from tracks2zarr.common.words import count_text
from tracks2zarr.slurm.job_states import CANCELLED, STATE_TEXTS
from tracks2zarr.slurm.submission import SubmittedTasks, Verify
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import End

if TYPE_CHECKING:
    from tracks2zarr.slurm.finish import Finished

#: Where SLURM tells a job its id.
_JOB_VARIABLE = "SLURM_JOB_ID"
#: Names the record of a run by hand, which belongs to no job.
_BY_HAND = "by-hand"
_PROBLEMS_KEPT = 10
_LEAST_FIRST: tuple[Verify, ...] = ("none", "quick", "full")


@dataclass(frozen=True, slots=True, kw_only=True)
class FinishRecord(Document):
    """What a finalising job, or ``slurm finish`` by hand, did.

    Parameters
    ----------
    job
        Its id; None by hand.
    submission
        The number of the latest submission of the store when it began; 0 for none.
    verify
        What it verified: ``quick``, ``full`` or ``none``.
    node
        Where it ran.
    started, ended
        Times in UTC, ISO 8601; `ended` is None while it runs, or when it was killed.
    end
        How it ended: ``done`` where all that is listed was verified as asked. None while it runs,
        or when it was killed.
    why
        In one line, where it did not end well.
    problems
        What it found to be wrong, or met; the first few.
    peak_memory
        Of the process, in bytes.
    """

    format_key = "tracks2zarr_finish"

    job: str | None
    submission: int
    verify: Verify
    node: str
    started: str
    ended: str | None = None
    end: End | None = None
    why: str | None = None
    problems: tuple[Problem, ...] = ()
    peak_memory: int | None = None


def read_finish_record(store: Store, tasks: SubmittedTasks) -> FinishRecord | None:
    """Return the record that tells how what was submitted last was finished; None for none.

    It is that of the finalising job, or of a later run by hand that verified as much, or found
    something wrong.

    Parameters
    ----------
    store
        The store.
    tasks
        What was submitted for it.
    """
    if not tasks.submissions:
        return None
    latest, job = tasks.submissions[-1], tasks.finalising_job
    own = FinishRecord.read(store.finish_record_file(job)) if job else None
    by_hand = FinishRecord.read(store.finish_record_file(_BY_HAND))
    if by_hand is None or by_hand.submission < latest.number or by_hand.end is None:
        return own
    if own is not None and by_hand.started < own.started:
        return own
    verified = _LEAST_FIRST.index(by_hand.verify) >= _LEAST_FIRST.index(latest.verify)
    return by_hand if verified or by_hand.end is End.FAILED else own


@contextmanager
def recorded_finish(
    store: str | os.PathLike[str], verify: Verify, job: str | None = None
) -> Iterator[Callable[[Finished], None]]:
    """Record the start and the end of what a block finishes, also where it fails.

    Parameters
    ----------
    store
        The store.
    verify
        What is verified.
    job
        The id of the job that this is; None by hand.

    Yields
    ------
    Callable
        To be called with what was finished.

    Raises
    ------
    Tracks2ZarrError
        If there is no store.
    """
    there = existing_store(store)
    submissions = SubmittedTasks.read(there).submissions
    record = FinishRecord(
        job=job,
        submission=submissions[-1].number if submissions else 0,
        verify=verify,
        node=os.environ.get("SLURMD_NODENAME") or socket.gethostname(),
        started=now(),
    )
    if job is not None:
        _write(there, record)
    found: list[Problem] = []
    end = replace(record, end=End.STOPPED, why="It was stopped by a signal.")
    try:
        yield lambda finished: found.extend(errors_of(finished.problems))
        end = _with_problems(record, found)
    except Tracks2ZarrError as error:
        end = _with_problems(record, error.problems)
        raise
    except Exception as error:
        end = _with_problems(record, [unexpected_problem(error)])
        raise
    finally:
        with suppress(OSError, Tracks2ZarrError):  # what failed is the error that counts
            end = replace(end, ended=now(), peak_memory=peak_memory())
            if job is not None or not _is_less_than_failed(there, end):
                _write(there, end)


def _is_less_than_failed(store: Store, end: FinishRecord) -> bool:
    """Tell whether a run by hand found nothing wrong, and an earlier one did that verified more."""
    before = FinishRecord.read(store.finish_record_file(_BY_HAND))
    if before is None or before.end is not End.FAILED or end.end is End.FAILED:
        return False
    return _LEAST_FIRST.index(end.verify) < _LEAST_FIRST.index(before.verify)


def record_cancelled(store: Store, tasks: SubmittedTasks) -> None:
    """Record that the finalising job was cancelled, as SLURM may forget it."""
    job = tasks.finalising_job
    before = FinishRecord.read(store.finish_record_file(job)) if job else None
    if job is None or (before is not None and before.end is not None):
        return
    latest = tasks.submissions[-1]
    record = before or FinishRecord(
        job=job, submission=latest.number, verify=latest.verify, node="", started=now()
    )
    _write(store, replace(record, ended=now(), end=End.LOST, why=STATE_TEXTS[CANCELLED]))


def job_of_process() -> str | None:
    """Return the id of the job of SLURM that this process belongs to; None for none."""
    return os.environ.get(_JOB_VARIABLE)


def _write(store: Store, record: FinishRecord) -> None:
    record.write(store.to_write(store.finish_record_file(record.job or _BY_HAND)))


def _with_problems(record: FinishRecord, problems: Sequence[Problem]) -> FinishRecord:
    if not problems:
        return replace(record, end=End.DONE)
    others = f" (and {count_text(len(problems) - 1, 'other problem')})" if problems[1:] else ""
    video = f"{problems[0].video}: " if problems[0].video else ""
    why = one_line(f"{video}{problems[0].what}{others}")
    return replace(record, end=End.FAILED, why=why, problems=tuple(problems[:_PROBLEMS_KEPT]))
