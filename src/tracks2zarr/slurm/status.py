"""How far each video is: by its receipt and its task's record first, then by what SLURM says."""

from __future__ import annotations

import os
import time
from dataclasses import replace

from tracks2zarr.slurm.answers import Answers
from tracks2zarr.slurm.client import Slurm, TaskId
from tracks2zarr.slurm.logs import Logs
from tracks2zarr.slurm.status_rules import Known
from tracks2zarr.slurm.status_values import StoreStatus
from tracks2zarr.slurm.submission import Tasks
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.root import listed_in
from tracks2zarr.store.task_record import read_record
from tracks2zarr.store.video_state import State, receipt_if_done

#: How long SLURM's accounting is waited for, in seconds; it learns of ends after the queue does.
_LAG = 8.0


def status(store: str | os.PathLike[str], slurm: Slurm | None = None) -> StoreStatus:
    """Tell how far each video of a store is.

    Receipts and the records of tasks are the truth; SLURM is asked only about videos that are
    not done. It works where there is no SLURM, and when SLURM has forgotten the jobs: what
    nobody knows is said to be unknown.

    Parameters
    ----------
    store
        The store.
    slurm
        Whom to ask.

    Returns
    -------
    StoreStatus

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    there = existing_store(store)
    plans, tasks = there.read_plan().videos, Tasks.of(there)
    standing = {plan.video: receipt_if_done(there, plan) for plan in plans}
    done = {video: _counts(receipt, tasks) for video, receipt in standing.items()}
    unfinished = [plan.video for plan in plans if done[plan.video] is None]
    # asked before the records are read: what SLURM no longer has then has left its last word
    answers = Answers.to(
        slurm or Slurm(),
        {job for video in unfinished for job in tasks.jobs_of(video, read_record(there, video))},
        next(reversed(tasks.last_jobs), None),
        tasks.cluster,
    )
    files, videos = Logs.of(there, tasks), []
    told: list[TaskId] = []
    for index, plan in enumerate(plans):
        record = read_record(there, plan.video)
        known = Known(there, plan, index, tasks, record, answers)
        receipt = done[plan.video] or _counts(receipt_if_done(there, plan), tasks)
        one = known.done(receipt) if receipt else known.status()
        videos.append(replace(one, log=files.errors_of(one.job, one.task)))
        if one.state is State.FAILED and one.cause is not None:
            told.append((one.job or "", one.task))
    finished = {video for video, receipt in standing.items() if receipt}
    last_job = next(reversed(tasks.last_jobs), None)
    return StoreStatus(
        store=there.path,
        videos=tuple(videos),
        last_job=answers.queue.get((last_job or "", None)),
        is_listed=listed_in(there) & {*done} == finished,
        unanswered=answers.unanswered,
        is_absent=answers.is_absent,
        accounts_lag=answers.lags(told),
    )


def _counts(receipt: Receipt | None, tasks: Tasks) -> Receipt | None:
    """Return a receipt, unless the video is to be replaced by a task that has not done it yet."""
    if receipt is None or receipt.finished < tasks.replaced_since(receipt.plan.video):
        return None
    return receipt


def settled_status(store: str | os.PathLike[str], slurm: Slurm) -> StoreStatus:
    """Return the status, when SLURM has told all that it knows of tasks that ended.

    Its accounting learns of ends after the queue does, and a busy SLURM may not answer at once.
    """
    deadline = time.monotonic() + _LAG
    gone: set[str] | None = None
    while time.monotonic() < deadline:
        known, before = status(store, slurm), gone
        # between two moments of its life, a task may be missing in one answer
        gone = {v.video for v in known.videos if v.state is State.MISSING and v.cause is None}
        is_silent = known.unanswered is not None and not known.is_absent
        if not (known.accounts_lag or is_silent or gone - (before or set())):
            return known
        time.sleep(1 if before is None else 3)
    return known
