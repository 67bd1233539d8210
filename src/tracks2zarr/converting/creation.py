"""``create``: converts all videos of a plan into one store."""

from __future__ import annotations

import os
import time
from collections import Counter
from collections.abc import Mapping
from concurrent.futures import Executor
from dataclasses import dataclass, field
from pathlib import Path
from typing import get_args

from tracks2zarr.common.arguments import check_optional_number, check_optional_path, check_type
from tracks2zarr.common.display import Shown, Table
from tracks2zarr.common.files import remove_if_empty
from tracks2zarr.common.posix import check_can_write
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.provenance import now
from tracks2zarr.common.system_problems import ensure_open_files_limit, os_problem
from tracks2zarr.common.words import count_text, size_text, time_text
from tracks2zarr.converting.all_videos import convert_videos, video_tasks
from tracks2zarr.converting.one_video import Outcome, Result
from tracks2zarr.parallel.cores import is_little_to_read, worker_count
from tracks2zarr.parallel.processes import end_if_importing_a_script
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.group_mode import Mode, problems_of
from tracks2zarr.store.join import join
from tracks2zarr.store.root import finalise_store
from tracks2zarr.store.store import Store
from tracks2zarr.store.store_mode import open_for_writing
from tracks2zarr.store.video_state import State


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Summary(Shown):
    """What a run did, and what is missing in the store.

    Parameters
    ----------
    store
        The folder of the store.
    outcomes
        How each planned video ended, in the order of the plan.
    missing
        The videos of all plans of the store that are not done, and their states.
    problems
        What went wrong with the store as a whole.
    seconds
        The duration of the run.
    input_errors
        The errors of a plan that was made with ``keep_going``; the videos concerned were left out.
    """

    store: Path
    outcomes: tuple[Outcome, ...]
    missing: Mapping[str, State] = field(default_factory=dict)
    problems: tuple[Problem, ...] = ()
    seconds: float = 0.0
    input_errors: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every planned video is done, none was left out, and nothing else went wrong."""
        return not (self.input_errors or errors_of(self.problems)) and all(
            o.result in {Result.DONE, Result.SKIPPED} for o in self.outcomes
        )

    def of(self, *results: Result) -> list[Outcome]:
        """Return the outcomes with one of these results."""
        return [outcome for outcome in self.outcomes if outcome.result in results]

    def __str__(self) -> str:
        results = Counter(outcome.result for outcome in self.outcomes)
        counts = [f"{number:,} {result}" for result, number in results.items()]
        videos = f"{count_text(len(self.outcomes), 'video')}: {', '.join(counts) or 'none'}"
        missing = [f"{len(self.missing):,} missing in the store"] if self.missing else []
        return ", ".join([videos, *missing, time_text(self.seconds)])

    def _shown_table(self) -> Table:
        """Return how each planned video ended."""
        rows = [_shown_row(outcome) for outcome in self.outcomes]
        rows += [(video, str(state), *[None] * 3) for video, state in self._others().items()]
        return Table(("video", "result", "clips", "boxes", "size"), rows, left=2)

    def _others(self) -> dict[str, State]:
        """Return what is missing of other plans of the store."""
        own = {outcome.video for outcome in self.outcomes}
        return {video: state for video, state in self.missing.items() if video not in own}

    def _shown_problems(self) -> list[Problem]:
        """Return the problems of the input, of all videos, and of the store as a whole."""
        of_videos = (p for outcome in self.outcomes for p in outcome.problems)
        return [*self.input_errors, *of_videos, *self.problems]


def _shown_row(outcome: Outcome) -> tuple[object, ...]:
    receipt = outcome.receipt
    if receipt is None:
        return outcome.video, str(outcome.result), None, None, None
    size = size_text(receipt.content.size)
    return outcome.video, str(outcome.result), len(receipt.clips), receipt.n_boxes, size


class Interrupted(BaseException):
    """A run was interrupted; the finished videos are in the store.

    Parameters
    ----------
    summary
        What the run did.
    """

    def __init__(self, summary: Summary) -> None:
        super().__init__(summary)
        self.summary = summary


def create(
    plan: Plan,
    store: str | os.PathLike[str],
    *,
    store_mode: Mode = "w-",
    group_mode: Mode = "w-",
    workers: int | None = None,
    memory: int | None = None,
    executor: Executor | None = None,
    temp: str | os.PathLike[str] | None = None,
    progress: bool | Progress = False,
    rehash: bool = False,
) -> Summary:
    """Convert all videos of a plan into one store, check each, and list them in the root.

    Parameters
    ----------
    plan
        What to convert.
    store
        The folder of the store.
    store_mode
        What to do if the store exists. ``w-`` fails, unless the store was made from the same plan;
        an unfinished store is then completed. ``w`` replaces it; ``a`` adds to it.
    group_mode
        What to do if the store has a finished video from different input or settings. ``w-`` fails;
        ``w`` replaces it; ``a`` adds the clips that it lacks.
    workers
        Number of worker processes; by default one per core, or none if there is little to do.
    memory
        Memory limit for all workers combined, in bytes, by the plan's prediction.
    executor
        Any executor to run the conversion of each video, instead of processes on this machine.
    temp
        The folder for work in progress; by default ``<store>.temp``.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.
    rehash
        Whether to compare the content of every tracks file of a finished video, instead of only
        those whose size or times have changed.

    Returns
    -------
    Summary
        A video that fails does not stop the others: see `Summary.ok`.

    Raises
    ------
    Tracks2ZarrError
        If the modes forbid the run, or the limit of open files is too low; nothing has been done
        then. If the store was moved or removed in the meantime.
    TypeError
        If an argument is of the wrong type, such as a path instead of a plan.
    ValueError
        If a mode is unknown, `workers` is less than 1, or the plan has no videos.
    Interrupted
        After KeyboardInterrupt, when all workers have stopped.
    """
    started = time.perf_counter()
    _check_arguments(plan, store_mode, group_mode, workers)
    check_optional_number("memory", memory)
    check_optional_path("temp", temp)
    check_can_write()
    end_if_importing_a_script()
    ensure_open_files_limit()
    target = Store.at(store)
    work_root = target.temp if temp is None else Path(os.path.realpath(temp))
    made_work_root = not work_root.exists()
    with (
        showing(progress) as shown,
        open_for_writing(target, plan, store_mode),
        target.holding() as target,
    ):
        since = now()
        decisions = join(target, plan, group_mode, since=since, rehash=rehash)
        tasks = video_tasks(
            target,
            plan,
            work_root=work_root,
            group_mode=group_mode,
            since=since,
            decisions=decisions,
            rehash=rehash,
        )
        outcomes = {task.plan.video: Outcome(task.plan.video, Result.STOPPED) for task in tasks}
        count, interrupted = _worker_count(plan, workers, memory), False
        try:
            for outcome in convert_videos(tasks, count, executor, shown):
                outcomes[outcome.video] = outcome
        except KeyboardInterrupt:
            interrupted = True
        missing, problems = _finish(target, work_root)
        if (warning := target.lock_problem()) is not None:
            problems = (warning, *problems)
        if made_work_root:
            remove_if_empty(work_root)
        summary = Summary(
            store=target.path,
            outcomes=tuple(outcomes.values()),
            missing=missing,
            problems=problems,
            seconds=time.perf_counter() - started,
            input_errors=tuple(errors_of(plan.problems)),
        )
    if interrupted:
        raise Interrupted(summary)
    return summary


def prepare(
    plan: Plan, store: str | os.PathLike[str], *, group_mode: Mode = "w-"
) -> tuple[Problem, ...]:
    """Write a plan into a store, which is made where it is missing; convert nothing.

    Tasks convert the videos one by one then, in any order and on any machine.

    Parameters
    ----------
    plan
        What is to be done.
    store
        The folder of the store.
    group_mode
        What to do where a video is there, as that of `create`.

    Returns
    -------
    tuple
        Warnings.

    Raises
    ------
    Tracks2ZarrError
        If the mode forbids it, or there is something else at the path.
    ValueError
        If the plan has no videos.
    """
    _check_arguments(plan, "a", group_mode, None)
    check_can_write()
    target = Store.at(store)
    with open_for_writing(target, plan, "a"), target.holding() as target:
        return problems_of(join(target, plan, group_mode, since=now()).values())


def _finish(store: Store, work_root: Path) -> tuple[Mapping[str, State], tuple[Problem, ...]]:
    """Remove what dead attempts left, and list the finished videos in the root."""
    try:
        finalised = finalise_store(store, {work_root})
        return finalised.missing, finalised.problems
    except Tracks2ZarrError as error:
        return {}, error.problems
    except OSError as error:
        return {}, (os_problem(error, store.path),)


def _check_arguments(plan: Plan, store_mode: str, group_mode: str, workers: int | None) -> None:
    check_type("plan", plan, Plan, "what tracks2zarr.plan(...) returns")
    check_optional_number("workers", workers)
    if not plan.videos:
        raise ValueError("the plan has no videos")
    for name, mode in (("store_mode", store_mode), ("group_mode", group_mode)):
        if mode not in get_args(Mode):
            raise ValueError(f"{name} is {mode!r}; expected one of {get_args(Mode)}")
    if workers is not None and workers < 1:
        raise ValueError(f"workers is {workers}; expected 1 or more")


def _worker_count(plan: Plan, workers: int | None, memory: int | None) -> int:
    """Return how many worker processes to start, of which no more run than memory allows."""
    is_little = is_little_to_read([video.content_size for video in plan.videos])
    count = worker_count(workers, len(plan.videos), is_little=is_little)
    if memory is not None:
        needed = max(video.predicted_memory for video in plan.videos)
        count = min(count, max(1, memory // needed))
    return count
