"""Submitting again what is not finished, and nothing else."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import replace

from tracks2zarr.common.problems import Tracks2ZarrError, errors_of
from tracks2zarr.planning.matching import drafted_again
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.ended_tasks import settle
from tracks2zarr.slurm.logs import sort_logs
from tracks2zarr.slurm.queueing import Wishes, add_last_job, held
from tracks2zarr.slurm.status import settled_status
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
from tracks2zarr.slurm.submission import Request, Tasks
from tracks2zarr.slurm.submit import Submitted, submitted_videos
from tracks2zarr.store.commit import recover_all
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State

#: What a task that ran out of memory or time gets of it the next time.
_MORE = 2


def rerun(
    store: str | os.PathLike[str],
    *,
    wishes: Wishes | None = None,
    keep_going: bool = False,
    slurm: Slurm | None = None,
) -> Submitted:
    """Submit the videos that are not finished, into the same store, with a new last job.

    Their input is looked at again, so that a file that was mended counts. The logs of failed
    attempts are moved to ``logs_failed``. What runs or waits in the queue is left alone.

    Parameters
    ----------
    store
        The store.
    wishes
        What is to be changed; else tasks ask for what they asked for before, and those that
        ran out of memory or time for twice as much of it.
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
    wishes, slurm = wishes or Wishes(), slurm or Slurm()
    there = existing_store(store)
    with there.run_lock(), there.queue_lock():
        before = settled_status(there.path, slurm)
        if before.unanswered:
            raise UnansweredError(before.unanswered).as_error()
        unfinished = [v for v in before.videos if v.state is not State.DONE and not v.is_open]
        again = _plan_again(there, {v.video for v in unfinished}, keep_going=keep_going)
        sound = {video.video for video in again.videos}
        unfinished = [video for video in unfinished if video.video in sound]
        settle(there, before)
        tidy_up(there, before)
        tasks, planned = Tasks.of(there), there.read_plan().videos
        requests, raised = _requests(unfinished, planned, tasks, wishes)
        with held(slurm) as jobs:
            submission = None
            if requests:
                jobs.add(there.path, there.logs, requests)
                mode = _group_mode(tasks)
                submission = add_last_job(jobs, there, planned, wishes, mode)
    return Submitted(
        store=there.path,
        submission=submission,
        videos=submitted_videos(submission),
        done=tuple(video.video for video in before.videos if video.state is State.DONE),
        open=tuple(video.video for video in before.videos if video.is_open),
        raised=tuple(raised),
        problems=again.problems,
    )


def tidy_up(store: Store, known: StoreStatus) -> None:
    """Clear away what dead attempts left, and sort the logs of all tasks that have ended."""
    recover_all(store)
    sort_logs(
        store,
        Tasks.of(store),
        done={video.video for video in known.videos if video.state is State.DONE},
        living={(v.job, v.task) for v in known.videos if v.is_open and v.job is not None},
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


def _group_mode(tasks: Tasks) -> Mode:
    return tasks.submissions[-1].group_mode if tasks.submissions else "w-"


def _requests(
    unfinished: Sequence[VideoStatus], planned: Sequence[VideoPlan], tasks: Tasks, wishes: Wishes
) -> tuple[dict[Request, list[int]], list[str]]:
    """Return the indices to submit by what their tasks ask for, and what was raised."""
    requests: dict[Request, list[int]] = defaultdict(list)
    raised = []
    for video in unfinished:
        array = tasks.array(video.job) if video.job else None
        fresh = wishes.request([planned[video.index]])
        request = wishes.over(array.request) if array and array.request else fresh
        more = _with_more(video, request, wishes, fresh)
        if more != request:
            raised.append(_raised_text(video, request, more))
        requests[more].append(video.index)
    return dict(requests), raised


def _with_more(video: VideoStatus, request: Request, wishes: Wishes, predicted: Request) -> Request:
    if video.lacked_memory and wishes.memory is None and request.memory is not None:
        memory = max(_MORE * request.memory, predicted.memory or 0)
        request = replace(request, memory=memory)
    if video.lacked_time and wishes.minutes is None and request.minutes is not None:
        request = replace(request, minutes=_MORE * request.minutes)
    return request


def _raised_text(video: VideoStatus, before: Request, after: Request) -> str:
    said = []
    if after.memory != before.memory:
        said.append(f"{after.memory} MiB of memory instead of {before.memory} MiB")
    if after.minutes != before.minutes:
        said.append(f"{after.minutes} minutes instead of {before.minutes}")
    return f"{video.video} gets {' and '.join(said)}: {video.why}"
