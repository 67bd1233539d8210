"""``slurm submit``: one array task per video, and a finalising job."""

from __future__ import annotations

import contextlib
import os
import shlex
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.common.provenance import now
from tracks2zarr.common.words import count_text
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.slurm import script
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.queueing import (
    HeldJobs,
    JobOptions,
    array_parts,
    held_jobs,
    memory_problems,
    submit_finalising_job,
)
from tracks2zarr.slurm.status import status_with_accounting
from tracks2zarr.slurm.submission import Submission
from tracks2zarr.store.group_mode import Action, Mode, problems_of
from tracks2zarr.store.join import join
from tracks2zarr.store.store import Store
from tracks2zarr.store.store_mode import open_for_writing, withdraw

#: What a store is called where none is named.
DEFAULT_STORE = f"CrabTracks-slurm{script.JOB}.zarr"


@dataclass(frozen=True, slots=True, kw_only=True)
class Submitted:
    """What was submitted.

    Parameters
    ----------
    store
        The folder of the store.
    submission
        The jobs; None where there was nothing to submit.
    videos
        The videos that a task was submitted for.
    done
        Those that are done already.
    open
        Those that a task or a run is at work on, or waits for.
    raised
        What was asked for more of than before, by video, and why.
    problems
        Warnings; and what is wrong with the input of videos that are submitted again.
    """

    store: Path
    submission: Submission | None
    videos: tuple[str, ...]
    done: tuple[str, ...] = ()
    open: tuple[str, ...] = ()
    raised: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()


def submit(
    plan: Plan,
    store: str | os.PathLike[str] = DEFAULT_STORE,
    *,
    options: JobOptions | None = None,
    store_mode: Mode = "w-",
    group_mode: Mode = "w-",
    rehash: bool = False,
    slurm: Slurm | None = None,
) -> Submitted:
    """Submit one array task per video, and a finalising job; the plan is written first.

    Parameters
    ----------
    plan
        What is to be done.
    store
        The folder of the store; ``{job}`` in its name stands for the id of the array job.
    options
        What to request of the cluster; what is left out is predicted from the plan.
    store_mode, group_mode, rehash
        As those of `tracks2zarr.create`.
    slurm
        The cluster.

    Returns
    -------
    Submitted
        A video that is done, or that a task is at work on or waits for, is not submitted again.

    Raises
    ------
    Tracks2ZarrError
        If the modes forbid it, or SLURM refuses it; then nothing is left in the queue, nor of
        a store that was made for it.
    """
    options, slurm, since = options or JobOptions(), slurm or Slurm(), now()
    path = Path(os.path.abspath(store))  # noqa: PTH100 - {job} is no link yet
    everything = range(len(plan.videos))
    _check_log_folder(path)
    if store_mode == "w":
        _check_idle(Store.at(path), slurm)
    with _withdrawn_if_refused() as made, held_jobs(slurm) as jobs:
        if script.JOB in str(path):
            path = _submit_videos(jobs, path, plan.videos, everything, options)
        target = Store.at(path)
        with (
            open_for_writing(target, plan, store_mode) as is_new,
            target.holding() as target,
            target.queue_lock(),
        ):
            target.logs.mkdir(exist_ok=True)
            decisions = join(target, plan, group_mode, since=since, rehash=rehash)
            if is_new:
                made[target] = target.plan_file.stat()
            planned = target.read_plan().videos
            wanted = {v for v, d in decisions.items() if d.action is not Action.SKIP}
            busy = _videos_in_progress(target, slurm) & {video.video for video in plan.videos}
            if not jobs.arrays:
                indices = [
                    i for i, v in enumerate(planned) if v.video in wanted and v.video not in busy
                ]
                _submit_videos(jobs, target.path, planned, indices, options)
            submission = None
            if jobs.arrays:
                submission = submit_finalising_job(jobs, target, planned, options, group_mode)
    videos = submitted_videos(submission)
    done = {video.video for video in plan.videos} - {*videos, *busy}
    return Submitted(
        store=target.path,
        submission=submission,
        videos=videos,
        done=tuple(sorted(done)),
        open=tuple(sorted(busy)),
        problems=(*problems_of(decisions.values()), *memory_problems(submission, planned)),
    )


def dry_run_scripts(
    plan: Plan,
    store: str | os.PathLike[str] = DEFAULT_STORE,
    options: JobOptions | None = None,
    slurm: Slurm | None = None,
) -> list[tuple[str, str]]:
    """Return the scripts of all jobs that `submit` would submit into a new store, in order.

    Parameters
    ----------
    plan, store, options, slurm
        As those of `submit`.

    Returns
    -------
    list of tuple
        What each job is, in a few words, and its script. Ids that SLURM would give are ``{job}``.
    """
    options, slurm = options or JobOptions(), slurm or Slurm()
    path, indices = Path(os.path.abspath(store)), range(len(plan.videos))  # noqa: PTH100
    request, logs = options.request(plan.videos), path / "logs"
    scripts = []
    for offset, part in array_parts(indices, slurm.max_array_size):
        numbers = [index - offset for index in part]
        name = f"array job of {count_text(len(part), 'task')}"
        scripts.append((name, script.array_script(path, logs, numbers, request)))
    finalising = options.finalising_request(plan.videos, request)
    jobs, verify = [script.JOB] * len(scripts), options.verify or "quick"
    text = script.finalising_script(path, logs, jobs, finalising, verify)
    return [*scripts, ("finalising job", text)]


@contextmanager
def _withdrawn_if_refused() -> Iterator[dict[Store, os.stat_result]]:
    """Remove the stores that a block made, with the files of their plans, if it fails."""
    made: dict[Store, os.stat_result] = {}
    try:
        yield made
    except BaseException:
        for store, plan_file in made.items():
            with contextlib.suppress(OSError):  # the refusal is the error that counts
                withdraw(store, plan_file)
        raise


def _check_log_folder(store: Path) -> None:
    """Check that SLURM can write logs below a path; behind a backslash it fills in nothing."""
    if "\\" in str(store) or "\n" in str(store) or _is_unencodable(str(store)):
        raise Tracks2ZarrError(
            Problem(
                kind="log-folder",
                what="SLURM cannot write logs there.",
                file=str(store),
                found="a path with a backslash, a line break, or bytes that are not text",
                expected="a path without these",
                remedy="Pass another path for the store.",
            )
        )


def _is_unencodable(path: str) -> bool:
    try:
        path.encode()
    except UnicodeEncodeError:
        return True
    return False


def _submit_videos(
    jobs: HeldJobs,
    path: Path,
    plans: Sequence[VideoPlan],
    indices: Sequence[int],
    options: JobOptions,
) -> Path:
    """Submit tasks for some of the planned videos; return the path of the store."""
    if not indices:
        return path
    request = options.request([plans[index] for index in indices])
    return jobs.submit_arrays(path, path / "logs", {request: indices})


def _videos_in_progress(store: Store, slurm: Slurm) -> set[str]:
    """Return the videos that a task or a run is at work on, or that are in the queue."""
    found = status_with_accounting(store.path, slurm)
    if found.unanswered:
        raise UnansweredError(found.unanswered).as_error()
    return {video.video for video in found.videos if video.is_open}


def _check_idle(store: Store, slurm: Slurm) -> None:
    """Check that no task of a store that is to be replaced runs or waits."""
    busy = sorted(_videos_in_progress(store, slurm)) if store.exists() else []
    if busy:
        raise Tracks2ZarrError(
            Problem(
                kind="store-queued",
                what="Tasks for the store are running or waiting in the queue.",
                file=str(store.path),
                found=f"tasks for {comma_list(busy, 5)}",
                expected="no task of a store that is to be replaced",
                remedy=f"Run first: tracks2zarr slurm cancel {shlex.quote(str(store.path))}",
            )
        )


def submitted_videos(submission: Submission | None) -> tuple[str, ...]:
    """Return the videos that a submission has tasks for."""
    if submission is None:
        return ()
    return tuple(submission.videos[index] for array in submission.arrays for index in array.indices)
