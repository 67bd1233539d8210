"""``slurm rerun``: submits what is not finished."""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace

from tracks2zarr.common.files import make_folder
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of
from tracks2zarr.common.provenance import now
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.planning.make_plan import drafted_again
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.ended_tasks import clean_up_ended_tasks, record_ended_tasks
from tracks2zarr.slurm.job_states import OUT_OF_MEMORY, TIMEOUT
from tracks2zarr.slurm.queueing import (
    JobOptions,
    held_jobs,
    memory_problems,
    submit_finalising_job,
)
from tracks2zarr.slurm.status import status, status_with_accounting
from tracks2zarr.slurm.status_values import StoreStatus, VideoStatus
from tracks2zarr.slurm.submission import Request, SubmittedTasks
from tracks2zarr.slurm.submit import Submitted, submitted_videos
from tracks2zarr.slurm.unchanged_input import unchanged_input
from tracks2zarr.store.corrections import changed_file, is_corrected
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.group_mode import Action, Decision, Mode, decide, problems_of
from tracks2zarr.store.schemas import mixed_with
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State
from tracks2zarr.tracks.source_folder import digest_of

#: How many times as much memory or time a task gets that ran out of it.
_INCREASE = 2


def rerun(
    store: str | os.PathLike[str],
    *,
    options: JobOptions | None = None,
    keep_going: bool = False,
    anyway: bool = False,
    slurm: Slurm | None = None,
) -> Submitted:
    """Submit the videos that are not finished, into the same store, with a new finalising job.

    Where only the finalising job did not do its work, it is submitted alone.

    Their input is looked at again, so that a file that was mended counts. The logs of failed
    attempts are moved to ``logs_failed``. What runs or waits in the queue is left alone.

    Parameters
    ----------
    store
        The store.
    options
        What to change; else jobs request what they requested before, and those that ran out
        of memory or time twice as much of it.
    keep_going
        Whether to submit the videos without problems although others have some.
    anyway
        Whether to submit also the videos that failed because of their input, where that is
        unchanged. Else they are left out, and named by the problems.
    slurm
        The cluster.

    Returns
    -------
    Submitted

    Raises
    ------
    Tracks2ZarrError
        If there is no store, the input has problems, all videos that are not finished are left
        out, or SLURM refuses; then nothing is queued.
    """
    options, slurm = options or JobOptions(), slurm or Slurm()
    there = existing_store(store)
    with there.run_lock(), there.queue_lock():
        before = status_with_accounting(there.path, slurm)
        if before.unanswered:
            raise UnansweredError(before.unanswered).as_error()
        unfinished = [v for v in before.videos if v.state is not State.DONE and not v.is_open]
        tasks = SubmittedTasks.read(there)
        again = _plan_again(there, unfinished, tasks, keep_going=keep_going, anyway=anyway)
        sound = {video.video for video in again.videos}
        unfinished = [video for video in unfinished if video.video in sound]
        record_ended_tasks(there, before)
        clean_up_ended_tasks(there, before)
        planned = there.read_plan().videos
        requests, raised = _requests(unfinished, planned, tasks, options)
        options, raised_finalising = _finalising_options(options, before, tasks, planned)
        with held_jobs(slurm) as jobs:
            submission = None
            if requests:
                jobs.submit_arrays(there.path, there.logs, requests)
            if requests or _lacks_finalising(before):
                submission = submit_finalising_job(
                    jobs, there, planned, options, _group_mode(tasks), is_rerun=True
                )
                raised += raised_finalising
                make_folder(there.logs, within=there.path)  # without it, SLURM ends jobs silently
    return Submitted(
        store=there.path,
        submission=submission,
        videos=submitted_videos(submission),
        done=tuple(video.video for video in before.videos if video.state is State.DONE),
        open=tuple(video.video for video in before.videos if video.is_open),
        raised=tuple(raised),
        problems=(*again.problems, *memory_problems(submission, planned)),
    )


def left_out(store: str | os.PathLike[str], slurm: Slurm | None = None) -> list[Problem]:
    """Return why `rerun` would leave out videos: each failed because of its unchanged input.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, or its plan cannot be read.
    """
    there = existing_store(store)
    failed = [video for video in status(there.path, slurm).videos if video.input_problems]
    plan = there.read_plan()
    return unchanged_input(there, failed, plan, _drafted_again(plan, failed))


def _plan_again(
    store: Store,
    unfinished: Sequence[VideoStatus],
    tasks: SubmittedTasks,
    *,
    keep_going: bool,
    anyway: bool,
) -> Plan:
    """Plan unfinished videos again, as their input is now; return those that can be submitted."""
    with store.root_lock():
        plan = store.read_plan()
        again = _drafted_again(plan, unfinished)
        errors = errors_of(again.problems)
        if errors and not keep_going:
            raise Tracks2ZarrError(errors)
        if not anyway:
            again = _without(again, unchanged_input(store, unfinished, plan, again))
        again = _without(again, _refused_corrections(store, again, tasks))
        if problem := mixed_with(store, plan, again):
            raise Tracks2ZarrError(problem)
        if again.videos:
            store.write_plan(plan.joined(Plan(again.videos)))
        elif errors := errors_of(again.problems):
            raise Tracks2ZarrError(errors)
    return again


def _drafted_again(plan: Plan, videos: Iterable[VideoStatus]) -> Plan:
    names = {video.video for video in videos}
    return drafted_again(video for video in plan.videos if video.video in names)


def _without(plan: Plan, problems: Sequence[Problem]) -> Plan:
    """Return a plan without the videos that some problems concern, and with these problems."""
    names = {problem.video for problem in problems}
    videos = (video for video in plan.videos if video.video not in names)
    return Plan(tuple(videos), (*plan.problems, *problems))


def _refused_corrections(store: Store, plan: Plan, tasks: SubmittedTasks) -> list[Problem]:
    """Return why tasks would fail on corrected videos: their input has changed, or is lost."""
    decisions = [
        decide(store, video, mode, since=since)
        for video in plan.videos
        if is_corrected(store, video.video)
        for mode, since in [_mode_and_time(tasks, video.video)]
    ]
    refused = problems_of(one for one in decisions if one.action is Action.REFUSE)
    return [*refused, *(problem for one in decisions for problem in _changed_files(store, one))]


def _changed_files(store: Store, decision: Decision) -> Iterator[Problem]:
    """Yield the problems of corrected files that a task would read, and that have changed."""
    for clip in decision.plan.clips:
        if (done := decision.corrected.get(clip.clip)) is not None:
            try:
                digest = digest_of(clip.read_path)
            except OSError as error:
                yield changed_file(store.path, decision.plan, clip, found_instead(error))
            else:
                if digest != done.read_digest:
                    yield changed_file(store.path, decision.plan, clip, f"{digest[:23]}…")


def _mode_and_time(tasks: SubmittedTasks, video: str) -> tuple[Mode, str]:
    """Return the group mode that was asked for a video, and when."""
    asked = tasks.asked_for(video)
    return (asked.group_mode, asked.submitted) if asked else (_group_mode(tasks), now())


def _group_mode(tasks: SubmittedTasks) -> Mode:
    """Return the mode for videos that no submission asked for: none of them is replaced."""
    last = tasks.submissions[-1].group_mode if tasks.submissions else "w-"
    return "a" if last == "a" else "w-"


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


def _lacks_finalising(status: StoreStatus) -> bool:
    """Tell whether all has ended, and what a finalising job does was not done."""
    return not status.is_open and (status.finalising_failed or not status.is_listed)


def _finalising_options(
    options: JobOptions, status: StoreStatus, tasks: SubmittedTasks, plans: Sequence[VideoPlan]
) -> tuple[JobOptions, list[str]]:
    """Return options by which a finalising job gets what it had before, and what was raised."""
    if not tasks.submissions:
        return options, []
    before, job = tasks.submissions[-1], status.finalising
    options = replace(options, verify=options.verify or before.verify)
    had = before.finalising_request
    if had is None or had.memory is None or had.minutes is None:
        return options, []
    predicted = options.finalising_request(plans, had)
    cause = job.cause if job is not None and not status.is_open else None
    memory = had.memory * (_INCREASE if cause == OUT_OF_MEMORY else 1)
    minutes = had.minutes * (_INCREASE if cause == TIMEOUT else 1)
    options = replace(
        options,
        finalising_memory=options.finalising_memory or max(memory, predicted.memory or 0),
        finalising_minutes=options.finalising_minutes or max(minutes, predicted.minutes or 0),
    )
    given = replace(had, memory=options.finalising_memory, minutes=options.finalising_minutes)
    changes = _changes_text(had, given)
    why = f": {job.why}" if job is not None and cause else ""
    return options, [f"The finalising job gets {changes}{why}"] if changes else []


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
    return f"{video.video} gets {_changes_text(before, after)}: {video.why}"


def _changes_text(before: Request, after: Request) -> str:
    changes = []
    if after.memory != before.memory:
        changes.append(f"{after.memory} MiB of memory instead of {before.memory} MiB")
    if after.minutes != before.minutes:
        changes.append(f"{after.minutes} minutes instead of {before.minutes}")
    return " and ".join(changes)
