"""Puts array jobs into SLURM's queue, held until the store knows of them."""

from __future__ import annotations

import signal
import socket
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.provenance import login_name, now
from tracks2zarr.planning import cost
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.slurm import script
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.submission import (
    ArrayJob,
    Request,
    Submission,
    SubmittedTasks,
    Verify,
    next_number,
    read_submissions,
    write_submission,
)
from tracks2zarr.store.group_mode import Mode
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class JobOptions:
    """What the user requests of SLURM; what is None is predicted from the plan.

    Parameters
    ----------
    memory
        For each task, in MiB.
    minutes
        The time limit of each task.
    cpus
        Cores a task.
    max_tasks
        How many tasks may run at the same time.
    options
        Other options of ``sbatch``.
    prelude
        Lines of shell that run first.
    verify
        What the finalising job verifies; None for ``quick``, or what it verified before.
    finalising_memory, finalising_minutes
        For the finalising job: in MiB, and its time limit.
    """

    memory: int | None = None
    minutes: int | None = None
    cpus: int | None = None
    max_tasks: int | None = None
    options: tuple[str, ...] = ()
    prelude: str = ""
    verify: Verify | None = None
    finalising_memory: int | None = None
    finalising_minutes: int | None = None

    def request(self, videos: Sequence[VideoPlan]) -> Request:
        """Return what an array job for these videos asks for: what the largest one needs."""
        memory = max(video.requested_memory(self.cpus or 1) for video in videos)
        minutes = max(cost.requested_minutes(video.content_size) for video in videos)
        request = self.applied_to(Request(memory=memory, minutes=minutes))
        return replace(request, options=self.options, prelude=self.prelude)

    def applied_to(self, request: Request) -> Request:
        """Return a request with these options in place of what it has."""
        requested = {
            "memory": self.memory,
            "minutes": self.minutes,
            "cpus": self.cpus,
            "max_tasks": self.max_tasks,
            "prelude": self.prelude or None,
        }
        request = replace(request, options=_merged_options(request.options, self.options))
        return replace(request, **{k: v for k, v in requested.items() if v is not None})  # type: ignore[arg-type]

    def finalising_request(self, videos: Sequence[VideoPlan], request: Request) -> Request:
        """Return what the finalising job requests: options as a task's, its own memory and time."""
        minutes = cost.requested_report_minutes(sum(len(video.clips) for video in videos))
        verify, cpus = 0, 1
        if self.verify == "full":
            verify, cpus = max(video.predicted_verify_memory for video in videos), request.cpus
            minutes += cost.requested_minutes(sum(video.content_size for video in videos))
        predicted = cost.predicted_finish_memory(len(videos), verify=verify, workers=cpus)
        return replace(
            request,
            memory=self.finalising_memory or cost.requested_memory(predicted),
            minutes=self.finalising_minutes or minutes,
            cpus=cpus,
        )


def memory_problem(request: Request, videos: Sequence[VideoPlan]) -> Problem | None:
    """Return the warning that tasks for some videos get less memory than is predicted, or None."""
    largest = max(videos, key=lambda video: video.memory_with(request.cpus))
    needed = -(-largest.memory_with(request.cpus) // 2**20)
    if request.memory is None or request.memory >= needed:
        return None
    return Problem(
        kind="memory-low",
        what=f"Each task gets {request.memory} MiB, and {needed} MiB are predicted for the largest"
        " video: it may be killed.",
        found=f"{request.memory} MiB for {one_line(largest.video)}",
        expected=f"{needed} MiB or more",
        remedy="Leave --mem out to request what is predicted; or, if the task is killed, pass a"
        " larger one to 'tracks2zarr slurm rerun'.",
        severity="warning",
        video=largest.video,
    )


def _finalising_memory_problem(
    submission: Submission, planned: Sequence[VideoPlan]
) -> Problem | None:
    """Return the warning that the finalising job gets less memory than is predicted, or None."""
    request = submission.finalising_request
    predicted = JobOptions(verify=submission.verify).finalising_request(
        planned, request or Request()
    )
    if request is None or request.memory is None or request.memory >= (predicted.memory or 0) / 2:
        return None
    return Problem(
        kind="memory-low",
        what=f"The finalising job gets {request.memory} MiB, and {predicted.memory} MiB are"
        " predicted: it may be killed.",
        found=f"{request.memory} MiB",
        expected=f"{predicted.memory} MiB",
        remedy="Leave --finalise-mem out to request what is predicted.",
        severity="warning",
    )


def memory_problems(
    submission: Submission | None, planned: Sequence[VideoPlan]
) -> tuple[Problem, ...]:
    """Return the warnings of array jobs whose tasks get less memory than is predicted."""
    arrays = submission.arrays if submission else ()
    found = [
        memory_problem(array.request, [planned[index] for index in array.indices])
        for array in arrays
        if array.request
    ]
    if submission is not None:
        found.append(_finalising_memory_problem(submission, planned))
    return tuple(dict.fromkeys(problem for problem in found if problem))


@dataclass(slots=True)
class HeldJobs:
    """Jobs that are on hold until they are released; they are cancelled on any error."""

    slurm: Slurm
    arrays: list[ArrayJob] = field(default_factory=list)
    finalising_jobs: list[str] = field(default_factory=list)
    submission_files: list[Path] = field(default_factory=list)

    @property
    def jobs(self) -> list[str]:
        """The ids of all jobs."""
        return [array.job for array in self.arrays] + self.finalising_jobs

    def submit_arrays(
        self, store: Path, logs: Path, requests: Mapping[Request, Sequence[int]]
    ) -> Path:
        """Submit an array job for each request, or several where SLURM takes fewer tasks.

        Parameters
        ----------
        store
            The store; `script.JOB` in its name stands for the id of the first array job.
        logs
            The folder of the tasks' logs, likewise.
        requests
            The indices of the videos to convert, by what their tasks ask for.

        Returns
        -------
        Path
            The store, with the id put in.
        """
        n_tasks = sum(len(indices) for indices in requests.values())
        for request, indices in requests.items():
            for offset, part in array_parts(indices, self.slurm.max_array_size):
                numbers = [index - offset for index in part]
                text = script.array_script(store, logs, numbers, request)
                # one array after the other, so that no more tasks run than may
                after = self.jobs[-1:] if n_tasks > request.max_tasks else []
                options = [f"--dependency=afterany:{job}" for job in after]
                with uninterrupted():
                    job = self.slurm.submit(text, "--hold", *options)
                    array = ArrayJob(job=job, indices=tuple(part), request=request, offset=offset)
                    self.arrays.append(array)
                store, logs = (_with_job(path, self.arrays[0].job) for path in (store, logs))
        return store


def array_parts(indices: Sequence[int], size: int) -> Iterator[tuple[int, list[int]]]:
    """Yield the indices of the videos of each array job, and what is left off to number its tasks.

    Parameters
    ----------
    indices
        The indices of all videos to convert.
    size
        The highest number of a task plus 1.
    """
    for offset in range(0, max(indices) + 1, size):
        part = [index for index in indices if offset <= index < offset + size]
        if part:
            yield offset, part


@contextmanager
def held_jobs(slurm: Slurm) -> Iterator[HeldJobs]:
    """Release the jobs that a block submits when it ends; on any error cancel them."""
    jobs = HeldJobs(slurm)
    try:
        yield jobs
        if jobs.jobs:
            slurm.release(jobs.jobs)
    except BaseException:
        for path in jobs.submission_files:  # what was refused is not asked for again
            path.unlink(missing_ok=True)
        _cancel(slurm, jobs.jobs)
        raise


def _cancel(slurm: Slurm, jobs: Sequence[str]) -> None:
    """Cancel jobs, if there are any, or name them where that cannot be done."""
    if not jobs:
        return
    try:
        slurm.cancel(jobs)
    except Tracks2ZarrError as error:
        command = f"scancel {' '.join(jobs)}"
        raise Tracks2ZarrError(
            Problem(
                kind="jobs-left",
                what="Jobs were submitted, but could be neither released nor cancelled.",
                found=error.problems[0].found,
                expected="a SLURM that answers",
                remedy=f"When SLURM is back, run '{command}', then submit again.",
            )
        ) from None


def submit_finalising_job(
    jobs: HeldJobs,
    store: Store,
    plans: Sequence[VideoPlan],
    options: JobOptions,
    group_mode: Mode,
    *,
    is_rerun: bool = False,
) -> Submission:
    """Write the submission into the store, and submit the job that runs when all tasks have ended.

    It waits for all jobs of the store that run or wait, whoever submitted them, so that it finds
    all that they did.

    Parameters
    ----------
    jobs
        The array jobs; there may be none.
    store
        The store that they are for.
    plans
        All planned videos; the index of a task counts in them.
    options
        What the user requests.
    group_mode
        What a task does where its video is there.
    is_rerun
        Whether the array jobs go on with what earlier submissions asked for.

    Returns
    -------
    Submission
        It is in the store.
    """
    user, host = user_and_host()
    verify = options.verify or "quick"
    request = options.finalising_request(plans, _array_request(jobs, store, options))
    submission = Submission(
        number=next_number(store),
        store=str(store.path),
        cluster=jobs.slurm.cluster,
        submitted=now(),
        user=user,
        host=host,
        videos=tuple(video.video for video in plans),
        arrays=tuple(jobs.arrays),
        group_mode=group_mode,
        logs=str(store.logs),
        is_rerun=is_rerun,
        finalising_request=request,
        verify=verify,
    )
    after = [*submission.jobs, *_open_jobs(jobs.slurm, store)]
    text = script.finalising_script(store.path, store.logs, after, request, verify)
    if jobs.arrays:
        jobs.submission_files.append(write_submission(store, submission))
    with uninterrupted():
        job = jobs.slurm.submit(text, "--hold")
        jobs.finalising_jobs.append(job)
    submission = replace(submission, finalising_job=job)
    jobs.submission_files.append(write_submission(store, submission))
    return submission


def _open_jobs(slurm: Slurm, store: Store) -> list[str]:
    """Return the jobs that were submitted for a store before, and run or wait."""
    tasks = SubmittedTasks.read(store)
    if tasks.cluster != slurm.cluster:
        return []  # another one gives the same ids to other jobs
    try:
        states = slurm.queue([*tasks.jobs, *tasks.finalising_jobs])
    except UnansweredError as error:
        raise error.as_error() from None
    return sorted({job for (job, _), state in states.items() if state.is_open}, key=int)


def _array_request(jobs: HeldJobs, store: Store, options: JobOptions) -> Request:
    """Return what the tasks ask for, or asked for last: the finalising job has their options."""
    submissions = reversed(read_submissions(store))
    earlier = [array.request for submission in submissions for array in submission.arrays]
    requests = [array.request for array in jobs.arrays] or [
        options.applied_to(request) for request in earlier if request
    ]
    return next((request for request in requests if request), options.applied_to(Request()))


@contextmanager
def uninterrupted() -> Iterator[None]:
    """Hold signals back, so that no job is submitted whose id is lost."""
    signals = {signal.SIGINT, signal.SIGTERM, signal.SIGHUP}
    before = signal.pthread_sigmask(signal.SIG_BLOCK, signals)
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _merged_options(before: Sequence[str], requested: Sequence[str]) -> tuple[str, ...]:
    """Return options with the requested ones in place of older ones of the same name."""
    names = {option.partition("=")[0] for option in requested}
    kept = [option for option in before if option.partition("=")[0] not in names]
    return (*kept, *requested)


def user_and_host() -> tuple[str, str]:
    """Return the name of the user and of the machine."""
    return login_name() or "", socket.gethostname()


def _with_job(path: Path, job: str) -> Path:
    return Path(str(path).replace(script.JOB, job))
