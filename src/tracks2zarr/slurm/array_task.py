"""A task of an array job: which video it converts, and what else it does."""

from __future__ import annotations

import socket
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.provenance import now
from tracks2zarr.common.words import count_text
from tracks2zarr.converting.one_video import VideoTask
from tracks2zarr.planning.plan import Plan
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.job_request import request_of_job
from tracks2zarr.slurm.queueing import user_and_host
from tracks2zarr.slurm.submission import (
    ArrayJob,
    Submission,
    SubmittedTasks,
    next_number,
    read_submissions,
    submission_of,
    was_replaced,
    write_submission,
)
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.join import join
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import Place, read_record

#: Where SLURM tells a task its number, and its array job.
TASK_VARIABLE, ARRAY_VARIABLE = "SLURM_ARRAY_TASK_ID", "SLURM_ARRAY_JOB_ID"


def current_place(environment: Mapping[str, str], number: int) -> Place:
    """Return where this task runs, by the variables that SLURM sets.

    Parameters
    ----------
    environment
        The variables of the process.
    number
        The number of the task; it counts where SLURM gave it no other.
    """
    task = environment.get(TASK_VARIABLE, "")
    return Place(
        node=environment.get("SLURMD_NODENAME") or socket.gethostname(),
        job=environment.get(ARRAY_VARIABLE) or environment.get("SLURM_JOB_ID"),
        task=int(task) if task.isdecimal() else number,
    )


def submitted_task(
    store: Store,
    place: Place,
    number: int,
    first_index: int,
    group_mode: Mode,
    *,
    own_plan: Plan | None = None,
    rehash: bool = False,
) -> VideoTask:
    """Return what there is to do for the video with an index.

    The index counts in the videos of the submission that the task belongs to; where it belongs
    to none, in the plan of the store.

    Parameters
    ----------
    store
        The store; it holds a plan.
    place
        Where this task runs.
    number, first_index
        The number of the task, and that of the first video.
    group_mode
        What to do where the video exists, unless the submission has a mode.
    own_plan
        What this task has planned from its input, if it was given any.
    rehash
        Whether to hash every tracks file, to find out whether the video is done.

    Raises
    ------
    Tracks2ZarrError
        If there is no video with this index, or the store is not the one that the array job
        was submitted for.
    """
    if was_replaced(store, place.job):
        raise Tracks2ZarrError(_replaced(store, place))
    plan = store.read_plan()
    submission = submission_of(store, place.job)
    array = submission.array(place.job or "") if submission else None
    index = number + array.offset if array and number == place.task else number - first_index
    videos = submission.videos if submission else tuple(video.video for video in plan.videos)
    if not 0 <= index < len(videos):
        raise Tracks2ZarrError(_past_the_end(store, number, first_index, len(videos)))
    asked = _asked_for(store, submission, videos[index])
    mode = asked.group_mode if asked else group_mode
    since = asked.submitted if asked else now()
    planned = plan.by_id.get(videos[index])
    own = own_plan.by_id.get(videos[index]) if own_plan else None
    if own and (planned is None or own.fingerprint() != planned.fingerprint()):
        # the input has changed since the store's plan was written, or the mode kept it out of that
        join(store, Plan((own,)), mode, since=since, keep_going=True, rehash=rehash)
    return VideoTask(
        store=store.path,
        work_root=store.task_temp(index),
        plan=own or plan[videos[index]],
        group_mode=mode,
        since=since,
        rehash=rehash,
    )


def _asked_for(store: Store, submission: Submission | None, video: str) -> Submission | None:
    """Return the submission whose group mode and time count for a video.

    A rerun goes on with an earlier one: what was finished or corrected since that is not replaced.
    """
    if submission is None or not submission.is_rerun:
        return submission
    until = (one for one in read_submissions(store) if one.number <= submission.number)
    return SubmittedTasks.of(until).asked_for(video) or submission


def _replaced(store: Store, place: Place) -> Problem:
    return Problem(
        kind="store-replaced",
        what="The store was replaced after this task was submitted.",
        file=str(store.path),
        found=f"a store that is not the one of job {place.job}",
        expected="the store that the job was submitted for",
        remedy="Nothing, if that was intended; otherwise, submit again.",
    )


def _past_the_end(store: Store, number: int, first_index: int, n_videos: int) -> Problem:
    last = first_index + n_videos - 1
    return Problem(
        kind="index-past-end",
        what="There is no video with the index of this task.",
        file=str(store.path),
        found=f"index {number}",
        expected=f"{first_index} to {last}, for {count_text(n_videos, 'video')}, sorted by id"
        if n_videos
        else "a plan that has videos",
        remedy=f"Submit --array={first_index}-{last}." if n_videos else "Plan the store first.",
    )


@dataclass(frozen=True, slots=True)
class ScriptSubmission:
    """The submission of an array job by a script, which its first task writes into the store.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done.
    group_mode
        What to do where a video is there.
    place
        Where this task runs.
    logs
        The folder that the tasks' logs are written to.
    environment
        The variables of the process.
    first_index
        The number of the first video.
    rehash
        Whether to hash every tracks file, to find out which videos are done.
    """

    store: Store
    plan: Plan
    group_mode: Mode
    place: Place
    logs: Path
    environment: Mapping[str, str]
    first_index: int = 0
    rehash: bool = False

    def is_set_up(self) -> bool:
        """Tell whether another task has opened the store.

        Raises
        ------
        Tracks2ZarrError
            If one has, and another array job has replaced the store since.
        """
        if was_replaced(self.store, self.place.job):
            raise Tracks2ZarrError(_replaced(self.store, self.place))
        return submission_of(self.store, self.place.job) is not None

    def set_up(self) -> None:
        """Join the plan to the store's, and write down all tasks of the array job."""
        since = now()
        join(
            self.store,
            self.plan,
            self.group_mode,
            since=since,
            keep_going=True,
            rehash=self.rehash,
        )
        if self.place.job is None:
            return
        _write_submission_by_hand(
            self.store,
            self.place.job,
            self.place,
            tuple(video.video for video in self.plan.videos),
            submitted=since,
            group_mode=self.group_mode,
            logs=self.logs,
            environment=self.environment,
            first_index=self.first_index,
        )


def note_array_job(
    store: Store,
    place: Place,
    group_mode: Mode,
    *,
    logs: Path,
    environment: Mapping[str, str],
    first_index: int = 0,
) -> None:
    """Write down the array job of this task, where it was submitted by hand.

    So its status is known, and ``rerun`` asks for what it asked for.

    Parameters
    ----------
    store
        The store; it holds a plan.
    place
        Where this task runs.
    group_mode
        What a task does where its video is there.
    logs
        The folder that the tasks' logs are written to.
    environment
        The variables of the process.
    first_index
        The number of the first video.
    """
    job = environment.get(ARRAY_VARIABLE)
    if job is None or was_replaced(store, job) or submission_of(store, job):
        return
    with store.queue_lock():
        if submission_of(store, job) is None:
            _write_submission_by_hand(
                store,
                job,
                place,
                tuple(video.video for video in store.read_plan().videos),
                submitted=now(),
                group_mode=group_mode,
                logs=logs,
                environment=environment,
                first_index=first_index,
            )


def _write_submission_by_hand(
    store: Store,
    job: str,
    place: Place,
    videos: tuple[str, ...],
    *,
    submitted: str,
    group_mode: Mode,
    logs: Path,
    environment: Mapping[str, str],
    first_index: int,
) -> None:
    user, host = user_and_host()
    slurm = Slurm()
    numbers = _task_numbers(slurm, place, environment)
    indices = (number - first_index for number in numbers)
    array = ArrayJob(
        job=job,
        indices=tuple(index for index in indices if 0 <= index < len(videos)),
        request=request_of_job(slurm, job),
        offset=-first_index,
    )
    submission = Submission(
        number=next_number(store),
        store=str(store.path),
        cluster=slurm.cluster,
        submitted=submitted,
        user=user,
        host=host,
        videos=videos,
        arrays=(array,),
        group_mode=group_mode,
        logs=str(logs),
    )
    write_submission(store, submission)


def _task_numbers(slurm: Slurm, place: Place, environment: Mapping[str, str]) -> list[int]:
    """Return the numbers of all tasks of this array job."""
    try:
        queue = slurm.queue([place.job] if place.job else [])
        numbers = sorted(number for _, number in queue if number is not None)
    except UnansweredError:
        numbers = []
    if numbers:
        return numbers
    bounds = ("SLURM_ARRAY_TASK_MIN", "SLURM_ARRAY_TASK_MAX", "SLURM_ARRAY_TASK_STEP")
    first, last, step = (int(environment.get(name, place.task or 0)) for name in bounds)
    return list(range(first, last + 1, max(step, 1)))


def is_last_task(store: Store, place: Place) -> bool:
    """Tell whether all other tasks of an array job have ended, or are about to.

    SLURM is asked which it still has, so that a task that never began is not waited for; the
    store tells which of those have done their work. Where SLURM does not answer, the store alone
    must do.
    """
    submission = submission_of(store, place.job)
    array = submission.array(place.job or "") if submission else None
    if submission is None or array is None:
        return False
    others = {index - array.offset for index in array.indices} - {place.task}
    try:
        queue = Slurm().queue([array.job])
        others &= {number for (_, number), state in queue.items() if state.is_open}
    except UnansweredError:
        pass
    videos = [submission.videos[index] for index in array.indices]
    numbers = [index - array.offset for index in array.indices]
    return all(
        _has_ended(store, video)
        for number, video in zip(numbers, videos, strict=True)
        if number in others
    )


def _has_ended(store: Store, video: str) -> bool:
    """Tell whether nobody is at work on a video any more, and somebody was."""
    try:
        if store.is_running(video):
            return False
        return store.receipt_file(video).exists() or read_record(store, video) is not None
    except OSError:
        return False  # nobody knows
