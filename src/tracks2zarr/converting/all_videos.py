"""Converts the videos of a plan: in this process, in worker processes, or in any executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import BrokenExecutor, Executor, Future
from dataclasses import dataclass
from itertools import accumulate
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, same_command
from tracks2zarr.common.progress import Progress
from tracks2zarr.common.system_problems import unexpected_problem, workers_problem
from tracks2zarr.converting.one_video import (
    Outcome,
    Result,
    VideoTask,
    convert_video,
    record_failure,
)
from tracks2zarr.parallel.processes import ProgressTable
from tracks2zarr.parallel.workers import start_workers
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.group_mode import Decision, Mode
from tracks2zarr.store.held_folder import StoreMovedError
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import receipt_if_done

#: How long to wait before asking again for a video that another run is at work on.
_BUSY_SECONDS = 1.0
#: How many times as long as a look at all videos that are left the pause is until the next one.
_PAUSE_FACTOR = 20


def video_tasks(
    store: Store,
    plan: Plan,
    *,
    work_root: Path,
    group_mode: Mode,
    since: str,
    decisions: Mapping[str, Decision],
    rehash: bool,
) -> list[VideoTask]:
    """Return what there is to do for a plan, in its order.

    Parameters
    ----------
    store
        The store.
    plan
        The plan.
    work_root, group_mode, since, rehash
        As `VideoTask` has them.
    decisions
        By video, what was decided when the plan joined that of the store.
    """
    slots = accumulate((len(video.clips) for video in plan.videos), initial=0)
    return [
        VideoTask(
            store=store.path,
            folder=store.folder,
            work_root=work_root,
            plan=video,
            group_mode=group_mode,
            since=since,
            decision=decisions.get(video.video),
            slot=slot,
            rehash=rehash,
        )
        for video, slot in zip(plan.videos, slots, strict=False)
    ]


def convert_videos(
    tasks: Sequence[VideoTask], workers: int, executor: Executor | None, progress: Progress
) -> Iterator[Outcome]:
    """Convert videos, and yield how each ended; a video that is busy comes again.

    Parameters
    ----------
    tasks
        What there is to do.
    workers
        The number of worker processes; 1 is this process.
    executor
        What runs the conversions instead.
    progress
        Is told how far the run is.

    Raises
    ------
    KeyboardInterrupt
        When the run was interrupted, and all workers have stopped.
    Tracks2ZarrError
        If no worker can start, or the store was moved.
    """
    table = ProgressTable(sum(len(task.plan.clips) for task in tasks))
    left = {task.plan.video: task for task in tasks}
    total = sum(task.plan.size for task in tasks)
    progress.begin([*left], total)
    shown = _Shown(progress, total, left, table)
    while left:
        n_left, is_busy = len(left), False
        for outcome in _round([*left.values()], workers, executor, table, shown.tell_seldom):
            if outcome.result is Result.BUSY:
                is_busy = True
            else:
                del left[outcome.video]
                progress.ended(outcome.video, outcome)
            yield outcome
        shown.tell()
        if is_busy:
            time.sleep(_BUSY_SECONDS)
        elif len(left) == n_left:
            raise Tracks2ZarrError(workers_problem())


def _round(
    tasks: Sequence[VideoTask],
    workers: int,
    executor: Executor | None,
    table: ProgressTable,
    show: Callable[[], None],
) -> Iterator[Outcome]:
    """Convert videos, and yield their outcomes; after a worker was killed, some have none."""
    order = list(tasks)
    if executor is None and workers > 1:
        # the largest first, so that no worker is at it when the others are done
        order.sort(key=lambda task: -task.plan.size)
    with start_workers(workers, table=table, executor=executor) as pool:
        for task, future in pool.as_completed(convert_video, order, on_progress=show):
            outcome = _outcome(task, future, table)
            if outcome is not None:
                yield outcome


@dataclass(slots=True)
class _Shown:
    """Tells how far a run is; each time, it looks at all videos that are left."""

    progress: Progress
    total: int
    left: Mapping[str, VideoTask]
    table: ProgressTable
    next: float = 0.0

    def tell_seldom(self) -> None:
        """Tell it, unless it was told so recently that the looks would take much of the time."""
        if time.monotonic() >= self.next:
            self.tell()

    def tell(self) -> None:
        """Tell how many bytes were read, and which of the videos that are left have begun."""
        began, left = time.monotonic(), self.left.values()
        ended = self.total - sum(task.plan.size for task in left)
        slots = (task.slot + clip for task in left for clip in range(len(task.plan.clips)))
        running = [task.plan.video for task in left if self.table.has_begun(task.slot)]
        done_bytes = ended + self.table.bytes_of(slots)
        now = time.monotonic()
        self.next = now + _PAUSE_FACTOR * (now - began)
        self.progress.update(done_bytes, running)


def _outcome(task: VideoTask, future: Future[Outcome], table: ProgressTable) -> Outcome | None:
    """Return how a video ended; whatever its worker raised becomes its failure.

    None stands for a video that was not begun when a worker was killed, or the run stopped.
    """
    try:
        return future.result()
    except BrokenExecutor:
        if table.is_stopped or not table.has_begun(task.slot):
            return None  # a new pool does it, or the next run
        receipt = receipt_if_done(Store(task.store, task.folder), task.plan)
        if receipt is not None:  # it was done, and its worker could not say so any more
            return Outcome(task.plan.video, Result.DONE, receipt=receipt)
        return _failed(task, _killed(task))
    except StoreMovedError:
        raise
    except Exception as error:
        return _failed(task, unexpected_problem(error))


def _failed(task: VideoTask, problem: Problem) -> Outcome:
    """Return the outcome of a video whose worker could not tell of it, and record it."""
    record_failure(Store(task.store, task.folder), task.plan.video, [problem], {})
    return Outcome(task.plan.video, Result.FAILED, problems=(problem,))


def _killed(task: VideoTask) -> Problem:
    return Problem(
        kind="worker-killed",
        what="A worker process was killed while the video was converted.",
        found="a process that is gone; too little memory is the usual reason",
        expected=f"about {task.plan.predicted_memory / 2**20:.0f} MiB per worker",
        remedy=f"With fewer processes, run {same_command('--store-mode', 'a', '--workers', '1')};"
        " or use a machine with more memory.",
        video=task.plan.video,
    )
