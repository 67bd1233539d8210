"""``slurm status``: how far each video is."""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import replace

from tracks2zarr.common.garbage import collecting_later
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.slurm.client import Slurm
from tracks2zarr.slurm.evidence import gather_evidence, is_superseded
from tracks2zarr.slurm.finalising_status import finalising_status
from tracks2zarr.slurm.finish_record import read_finish_record
from tracks2zarr.slurm.job_states import JobStates
from tracks2zarr.slurm.logs import Logs
from tracks2zarr.slurm.status_rules import decide
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
from tracks2zarr.slurm.submission import SubmittedTasks
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import read_record
from tracks2zarr.store.unreadable import UNREADABLE, unreadable_problem
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store

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
    with collecting_later():
        return _status(existing_store(store), slurm or Slurm())


def _status(there: Store, slurm: Slurm) -> StoreStatus:
    plans, tasks = there.read_plan().videos, SubmittedTasks.read(there)
    stored = {plan.video: found for plan in plans if (found := _stored(there, plan))}
    receipts = {plan.video: _receipt_if_done(stored.get(plan.video)) for plan in plans}
    current = {v: None if is_superseded(r, tasks) else r for v, r in receipts.items()}
    # asked before the records are read: a task that SLURM no longer has, has written its last
    record = read_finish_record(there, tasks)
    is_finished = record is not None and record.job is not None and record.end is not None
    job_states = JobStates.ask(
        slurm,
        _jobs_of(there, [video for video, receipt in current.items() if not receipt], tasks),
        [] if is_finished else tasks.finalising_jobs,
        tasks.cluster,
    )
    videos = [
        _video_status(there, p, i, tasks, job_states=job_states, receipt=current[p.video])
        for i, p in enumerate(plans)
    ]
    logs = Logs.find(there, tasks)
    finished = {video for video, found in stored.items() if found.is_intact}
    return StoreStatus(
        store=there.path,
        videos=tuple(replace(v, log=logs.error_log_of(v.job, v.task)) for v in videos),
        finalising=finalising_status(tasks, read_finish_record(there, tasks), job_states),
        is_listed=listed_in(there) & {*stored} == finished,
        kept=tuple(video for video, found in stored.items() if found.is_kept),
        unanswered=job_states.unanswered,
        is_absent=job_states.is_absent,
        accounting_lags=job_states.accounting_lags(
            (v.job or "", v.task) for v in videos if v.state is State.FAILED and v.cause is not None
        ),
    )


def _jobs_of(store: Store, videos: Iterable[str], tasks: SubmittedTasks) -> set[str]:
    """Return the array jobs that had tasks for some videos."""
    jobs: set[str] = set()
    for video in videos:
        with suppress(OSError):  # its status says so
            jobs |= {*tasks.jobs_of(video, read_record(store, video))}
    return jobs


def _stored(store: Store, plan: VideoPlan) -> VideoInStore | None:
    """Return what the store has of a video, or None where that cannot be read."""
    try:
        return video_in_store(store, plan.video, plan)
    except UNREADABLE:
        return None


def _receipt_if_done(stored: VideoInStore | None) -> Receipt | None:
    return stored.receipt if stored is not None and stored.state is State.DONE else None


def _video_status(
    store: Store,
    plan: VideoPlan,
    index: int,
    tasks: SubmittedTasks,
    *,
    job_states: JobStates,
    receipt: Receipt | None,
) -> VideoStatus:
    """Return the status of one video; it is unknown where the store cannot be read."""
    try:
        evidence = gather_evidence(
            store, plan, index, tasks, job_states=job_states, receipt=receipt
        )
        return decide(evidence)
    except UNREADABLE as error:
        problem = unreadable_problem(store, plan.video, error)
        return VideoStatus(
            video=plan.video,
            index=index,
            state=State.UNKNOWN,
            why=f"{problem.what} {problem.found}",
            problems=(problem,),
        )


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
