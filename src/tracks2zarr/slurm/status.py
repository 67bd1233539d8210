"""``slurm status``: how far each video is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from dataclasses import replace

from tracks2zarr.slurm.client import Slurm
from tracks2zarr.slurm.evidence import gather_evidence, is_superseded
from tracks2zarr.slurm.job_states import JobStates
from tracks2zarr.slurm.logs import Logs
from tracks2zarr.slurm.status_rules import decide
from tracks2zarr.slurm.status_values import StoreStatus
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.root import listed_in
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import read_record
from tracks2zarr.store.video_state import State, receipt_if_done

#: How long SLURM's accounting is waited for, in seconds; it learns of ends after the queue does.
_LAG = 8.0


def status(store: str | os.PathLike[str], slurm: Slurm | None = None) -> StoreStatus:
    """Tell how far each video of a store is.

    Receipts and the records of tasks are the truth; SLURM is asked only about videos that are
    not done. It works where there is no SLURM, and when SLURM has forgotten the jobs: what
    nobody knows is unknown.

    Parameters
    ----------
    store
        The store.
    slurm
        The cluster.

    Returns
    -------
    StoreStatus

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    there = existing_store(store)
    plans, tasks = there.read_plan().videos, SubmittedTasks.read(there)
    receipts = {plan.video: receipt_if_done(there, plan) for plan in plans}
    current = {v: None if is_superseded(r, tasks) else r for v, r in receipts.items()}
    # asked before the records are read: a task that SLURM no longer has, has written its last
    job_states = JobStates.ask(
        slurm or Slurm(),
        _jobs_of(there, [video for video, receipt in current.items() if not receipt], tasks),
        tasks.finalising_job,
        tasks.cluster,
    )
    evidence = (
        gather_evidence(there, p, i, tasks, job_states=job_states, receipt=current[p.video])
        for i, p in enumerate(plans)
    )
    videos = [decide(one) for one in evidence]
    logs = Logs.find(there, tasks)
    finished = {video for video, receipt in receipts.items() if receipt}
    return StoreStatus(
        store=there.path,
        videos=tuple(replace(v, log=logs.error_log_of(v.job, v.task)) for v in videos),
        finalising_job=job_states.queue.get((tasks.finalising_job or "", None)),
        is_listed=listed_in(there) & {*receipts} == finished,
        unanswered=job_states.unanswered,
        is_absent=job_states.is_absent,
        accounting_lags=job_states.accounting_lags(
            (v.job or "", v.task) for v in videos if v.state is State.FAILED and v.cause is not None
        ),
    )


def _jobs_of(store: Store, videos: Iterable[str], tasks: SubmittedTasks) -> set[str]:
    """Return the array jobs that had tasks for some videos."""
    return {job for video in videos for job in tasks.jobs_of(video, read_record(store, video))}


def status_with_accounting(store: str | os.PathLike[str], slurm: Slurm) -> StoreStatus:
    """Return the status when SLURM has reported all that it knows of tasks that ended.

    Its accounting learns of ends after the queue does, and a busy SLURM may not answer at once.
    """
    deadline = time.monotonic() + _LAG
    lost: set[str] | None = None
    while time.monotonic() < deadline:
        found, lost_before = status(store, slurm), lost
        # between two moments of its life, a task may be missing in one answer
        lost = {v.video for v in found.videos if v.state is State.MISSING and v.cause is None}
        newly_lost = lost - (lost_before or set())
        if not (found.accounting_lags or found.is_unreachable or newly_lost):
            return found
        time.sleep(1 if lost_before is None else 3)
    return found
