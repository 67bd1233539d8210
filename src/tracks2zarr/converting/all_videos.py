"""Driving the conversions of a run: in this process, in a pool, or in any executor."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, BrokenExecutor, Executor, Future, wait
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Protocol

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.system_problems import unexpected_problem, workers_problem
from tracks2zarr.converting.one_video import (
    Outcome,
    Result,
    VideoTask,
    convert_video,
    record_failure,
)
from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.processes import ProgressTable, process_pool, reporting_to
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.group_mode import Decision, Mode
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import receipt_if_done

_POLL_SECONDS = 0.2
_SIGNAL_SECONDS = 0.05
#: How long to wait before asking again for a video that another run is at work on.
_BUSY_SECONDS = 1.0


class Progress(Protocol):
    """Is told how far a run is."""

    def begin(self, total_bytes: int, videos: Sequence[str]) -> None:
        """Note what there is to do: bytes of tracks files, and video ids."""
        ...

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Note how many bytes were read, and which videos are converted now."""
        ...

    def ended(self, outcome: Outcome) -> None:
        """Note how a video ended."""
        ...


class NoProgress:
    """Shows nothing."""

    def begin(self, total_bytes: int, videos: Sequence[str]) -> None:
        """Show nothing."""

    def update(self, done_bytes: int, running: Sequence[str]) -> None:
        """Show nothing."""

    def ended(self, outcome: Outcome) -> None:
        """Show nothing."""


class Run:
    """One run over the videos of a plan.

    Parameters
    ----------
    store
        Where the videos go.
    plan
        What is to be done.
    progress
        Is told how far the run is.
    work_root
        The folder in which attempts are made.
    group_mode
        What to do where a video is there.
    since
        When the run began (UTC, ISO 8601).
    decisions
        What was decided for each video when the plan was joined.
    """

    def __init__(
        self,
        store: Store,
        plan: Plan,
        progress: Progress,
        *,
        work_root: Path,
        group_mode: Mode,
        since: str,
        decisions: Mapping[str, Decision],
    ) -> None:
        self._outcomes: dict[str, Outcome] = {}
        self._progress = progress
        self._interrupted = False
        self._tasks: list[VideoTask] = []
        n_clips = 0
        for video in plan.videos:
            task = VideoTask(
                store=store.path,
                work_root=work_root,
                plan=video,
                group_mode=group_mode,
                since=since,
                decision=decisions.get(video.video),
                slot=n_clips,
            )
            self._tasks.append(task)
            n_clips += len(video.clips)
        self._table = ProgressTable(n_clips)
        progress.begin(sum(video.size for video in plan.videos), [v.video for v in plan.videos])

    def in_order(self) -> tuple[Outcome, ...]:
        """Return the outcomes in the order of the plan."""
        return tuple(
            self._outcomes.get(task.plan.video, Outcome(task.plan.video, Result.STOPPED))
            for task in self._tasks
        )

    def convert_all(self, executor: Executor | None, workers: int) -> None:
        """Convert all videos; those that another run is at work on are waited for.

        Raises
        ------
        KeyboardInterrupt
            When the run was interrupted, and all workers have stopped.
        Tracks2ZarrError
            If no worker can start.
        """
        while tasks := [task for task in self._tasks if not self._has_ended(task)]:
            try:
                with interrupts.deferred():
                    self._convert(tasks, executor, workers)
            except BrokenExecutor:
                raise Tracks2ZarrError(workers_problem()) from None
            if any(self._is_busy(task) for task in tasks):
                self._show(tasks)
                time.sleep(_BUSY_SECONDS)
            elif not any(self._has_ended(task) for task in tasks):
                raise Tracks2ZarrError(workers_problem())

    def _has_ended(self, task: VideoTask) -> bool:
        return task.plan.video in self._outcomes and not self._is_busy(task)

    def _is_busy(self, task: VideoTask) -> bool:
        outcome = self._outcomes.get(task.plan.video)
        return outcome is not None and outcome.result is Result.BUSY

    def _convert(self, tasks: list[VideoTask], executor: Executor | None, workers: int) -> None:
        """Convert some videos; after a worker was killed, some may be left."""
        if executor is not None:
            self._submit(executor, tasks)
        elif workers == 1:
            with reporting_to(self._table):
                for task in tasks:
                    self._table.on_report = partial(self._show, [task])
                    self._note(task, partial(convert_video, task))
        else:
            with process_pool(workers, self._table) as pool, self._stopping(pool):
                # the largest first, so that no worker is at it when the others are done
                self._submit(pool, sorted(tasks, key=lambda task: -task.plan.size))

    @contextmanager
    def _stopping(self, pool: Executor) -> Iterator[None]:
        """Stop the workers when the block is left by an exception."""
        try:
            yield
        except BaseException:
            self._table.stop()
            pool.shutdown(wait=True, cancel_futures=True)
            raise

    def _submit(self, executor: Executor, tasks: list[VideoTask]) -> None:
        """Convert videos side by side."""
        futures = {executor.submit(convert_video, task): task for task in tasks}
        pending: set[Future[Outcome]] = set(futures)
        try:
            while pending:
                ended, pending = wait(pending, _POLL_SECONDS, FIRST_COMPLETED)
                interrupts.raise_deferred()
                for future in ended:
                    self._note(futures[future], future.result)
                self._show(tasks)
        except KeyboardInterrupt:
            self._interrupted = True
            self._table.stop()
            begun = [future for future in pending if not future.cancel()]
            for future in wait(begun).done:
                self._note(futures[future], future.result)
            raise

    def _show(self, tasks: Sequence[VideoTask]) -> None:
        running = [
            task.plan.video
            for task in tasks
            if self._table.has_begun(task.slot) and not self._has_ended(task)
        ]
        ended = sum(task.plan.size for task in self._tasks if self._has_ended(task))
        slots = (
            slot
            for task in self._tasks
            if not self._has_ended(task)
            for slot in range(task.slot, task.slot + len(task.plan.clips))
        )
        self._progress.update(ended + self._table.bytes_of(slots), running)

    def _note(self, task: VideoTask, result: Callable[[], Outcome]) -> None:
        """Keep the outcome of a video; whatever it raises becomes its failure."""
        video = task.plan.video
        try:
            outcome = result()
        except BrokenExecutor:
            # where the signal that killed the worker is for this process, too, it comes now
            time.sleep(_SIGNAL_SECONDS)
            if self._interrupted or not self._table.has_begun(task.slot):
                return  # a new pool does it, or the next run
            receipt = receipt_if_done(Store(task.store), task.plan)
            if receipt is not None:  # it was done, and its worker could not say so any more
                outcome = Outcome(video, Result.DONE, receipt=receipt)
            else:
                outcome = _failed(task, _killed(task))
        except Exception as error:
            outcome = _failed(task, unexpected_problem(error))
        self._outcomes[video] = outcome
        if outcome.result is not Result.BUSY:
            self._progress.ended(outcome)


def _failed(task: VideoTask, problem: Problem) -> Outcome:
    """Return the outcome of a video whose worker could not tell of it, and record it."""
    record_failure(Store(task.store), task.plan.video, [problem], {})
    return Outcome(task.plan.video, Result.FAILED, problems=(problem,))


def _killed(task: VideoTask) -> Problem:
    return Problem(
        kind="worker-killed",
        what="A worker process was killed while the video was converted.",
        found="a process that is gone; too little memory is the usual reason",
        expected=f"about {task.plan.predicted_memory / 2**20:.0f} MiB a worker",
        remedy="Run the same command again, with --store-mode a, and with fewer --workers.",
        video=task.plan.video,
    )
