"""``slurm rerun``: submits what is not finished."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tracks2zarr.common.problems import Tracks2ZarrError, errors_of
from tracks2zarr.planning.matching import drafted_again
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.ended_tasks import clean_up_ended_tasks, record_ended_tasks
from tracks2zarr.slurm.queueing import (
    JobOptions,
    held_jobs,
    memory_problems,
    submit_finalising_job,
)
from tracks2zarr.slurm.status import status_with_accounting
from tracks2zarr.slurm.status_values import VideoStatus
from tracks2zarr.slurm.submission import Request, SubmittedTasks
from tracks2zarr.slurm.submit import Submitted, submitted_videos
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State

#: How many times as much memory or time a task gets that ran out of it.
_INCREASE = 2


def rerun(
    store: str | os.PathLike[str],
    *,
    options: JobOptions | None = None,
    keep_going: bool = False,
    slurm: Slurm | None = None,
) -> Submitted:
    """Submit the videos that are not finished, into the same store, with a new finalising job.

    Their input is looked at again, so that a file that was mended counts. The logs of failed
    attempts are moved to ``logs_failed``. What runs or waits in the queue is left alone.

    Parameters
    ----------
    store
        The store.
    options
        What to change; else tasks request what they requested before, and those that ran out
        of memory or time twice as much of it.
    keep_going
        Whether to submit the videos without problems although others have some.
    slurm
        The cluster.

    Returns
    -------
    Submitted

    Raises
    ------
    Tracks2ZarrError
        If there is no store, the input has problems, or SLURM refuses; then nothing is queued.
    """
    options, slurm = options or JobOptions(), slurm or Slurm()
    there = existing_store(store)
    with there.run_lock(), there.queue_lock():
        before = status_with_accounting(there.path, slurm)
        if before.unanswered:
            raise UnansweredError(before.unanswered).as_error()
        unfinished = [v for v in before.videos if v.state is not State.DONE and not v.is_open]
        again = _plan_again(there, {v.video for v in unfinished}, keep_going=keep_going)
        sound = {video.video for video in again.videos}
        unfinished = [video for video in unfinished if video.video in sound]
        record_ended_tasks(there, before)
        clean_up_ended_tasks(there, before)
        tasks, planned = SubmittedTasks.read(there), there.read_plan().videos
        requests, raised = _requests(unfinished, planned, tasks, options)
        with held_jobs(slurm) as jobs:
            submission = None
            if requests:
                jobs.submit_arrays(there.path, there.logs, requests)
                mode = _group_mode(tasks)
                submission = submit_finalising_job(jobs, there, planned, options, mode)
    return Submitted(
        store=there.path,
        submission=submission,
        videos=submitted_videos(submission),
        done=tuple(video.video for video in before.videos if video.state is State.DONE),
        open=tuple(video.video for video in before.videos if video.is_open),
        raised=tuple(raised),
        problems=(*again.problems, *memory_problems(submission, planned)),
    )


def _plan_again(store: Store, videos: set[str], *, keep_going: bool) -> Plan:
    """Plan unfinished videos again, as their input is now; return those without errors."""
    with store.root_lock():
        plan = store.read_plan()
        again = drafted_again(video for video in plan.videos if video.video in videos)
        errors = errors_of(again.problems)
        if errors and not (keep_going and again.videos):
            raise Tracks2ZarrError(errors)
        if again.videos:
            store.write_plan(plan.joined(Plan(again.videos)))
    return again


def _group_mode(tasks: SubmittedTasks) -> Mode:
    return tasks.submissions[-1].group_mode if tasks.submissions else "w-"


def _requests(
    unfinished: Sequence[VideoStatus],
    planned: Sequence[VideoPlan],
    tasks: SubmittedTasks,
    options: JobOptions,
) -> tuple[dict[Request, list[int]], list[str]]:
    """Return the indices to submit by what their tasks request, and what was raised."""
    requests: dict[Request, list[int]] = defaultdict(list)
    raised = []
    for video in unfinished:
        array = tasks.array(video.job) if video.job else None
        fresh = options.request([planned[video.index]])
        request = options.applied_to(array.request) if array and array.request else fresh
        more = _increased(video, request, options, fresh)
        if more != request:
            raised.append(_raised_text(video, request, more))
        requests[more].append(video.index)
    return dict(requests), raised


def _increased(
    video: VideoStatus, request: Request, options: JobOptions, predicted: Request
) -> Request:
    if video.lacked_memory and options.memory is None and request.memory is not None:
        memory = max(_INCREASE * request.memory, predicted.memory or 0)
        request = replace(request, memory=memory)
    if video.lacked_time and options.minutes is None and request.minutes is not None:
        request = replace(request, minutes=_INCREASE * request.minutes)
    return request


def _raised_text(video: VideoStatus, before: Request, after: Request) -> str:
    changes = []
    if after.memory != before.memory:
        changes.append(f"{after.memory} MiB of memory instead of {before.memory} MiB")
    if after.minutes != before.minutes:
        changes.append(f"{after.minutes} minutes instead of {before.minutes}")
    return f"{video.video} gets {' and '.join(changes)}: {video.why}"
