"""The status of videos and stores, as values."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracks2zarr.common.problems import Problem
from tracks2zarr.slurm.finalising_status import FinalisingStatus
from tracks2zarr.slurm.job_states import OUT_OF_MEMORY, TIMEOUT
from tracks2zarr.slurm.pending_reasons import stays_pending
from tracks2zarr.store.video_state import State


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoStatus:
    """How far a video is, and what is known of the task that was last at work on it.

    Parameters
    ----------
    video, index
        Its id, and its place in the store's plan: the number of its array task.
    state
        How far it is.
    job, task
        The array job and the number of the task; None without SLURM.
    node
        Where it ran.
    seconds
        How long it has run.
    peak_memory
        In bytes.
    attempt
        Which attempt it was, from 1; 0 where none has begun.
    why
        What went wrong, or what it waits for, in one line.
    cause
        SLURM's word for how it ended, where it was SLURM that ended it, or for why it waits.
    log
        The log with its errors.
    problems
        What its last attempt met, where it failed: files, rows and columns.
    """

    video: str
    index: int
    state: State
    job: str | None = None
    task: int | None = None
    node: str | None = None
    seconds: float | None = None
    peak_memory: int | None = None
    attempt: int = 0
    why: str | None = None
    cause: str | None = None
    log: Path | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def is_open(self) -> bool:
        """Whether a task is at work on it, or will be."""
        return self.state is State.RUNNING or (self.state is State.PENDING and self.job is not None)

    @property
    def stays_pending(self) -> bool:
        """Whether its task waits until somebody acts."""
        return self.state is State.PENDING and stays_pending(self.cause or "")

    @property
    def input_problems(self) -> tuple[Problem, ...]:
        """The errors in its input that it failed with: the same input fails again."""
        if self.state is not State.FAILED:
            return ()
        return tuple(problem for problem in self.problems if _is_of_input(problem))

    @property
    def lacked_memory(self) -> bool:
        """Whether more memory would help."""
        return self.cause == OUT_OF_MEMORY

    @property
    def lacked_time(self) -> bool:
        """Whether more time would help."""
        return self.cause == TIMEOUT

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        fields = {name: getattr(self, name) for name in self.__slots__}
        return fields | {
            "state": str(self.state),
            "log": str(self.log) if self.log else None,
            "problems": [problem.as_dict() for problem in self.problems],
        }


def _is_of_input(problem: Problem) -> bool:
    """Tell whether a problem is an error in what a file holds, whoever reads it and when."""
    return problem.is_error and (problem.row is not None or problem.kind == "tracks-empty")


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStatus:
    """How far all videos of a store are, in the order of its plan.

    Parameters
    ----------
    store
        The folder of the store.
    videos
        One a planned video.
    finalising
        How far the finalising job is; None where none was submitted.
    is_listed
        Whether the root lists exactly the finished videos.
    kept
        The videos that are listed as they were, until they are replaced by what the plan asks for.
    unanswered
        Why SLURM could not be asked, where there was something to ask; None where it answered.
    is_absent
        Whether that will not change, because this is not the cluster.
    accounting_lags
        Whether SLURM's accounting has yet to learn how tasks ended.
    """

    store: Path
    videos: tuple[VideoStatus, ...]
    finalising: FinalisingStatus | None = None
    is_listed: bool = True
    kept: tuple[str, ...] = ()
    unanswered: str | None = None
    is_absent: bool = False
    accounting_lags: bool = False

    @property
    def counts(self) -> Mapping[State, int]:
        """How many videos there are of each state."""
        return Counter(video.state for video in self.videos)

    @property
    def ok(self) -> bool:
        """Whether every planned video is done, listed, and not found to be wrong."""
        is_finished = self.finalising is None or self.finalising.state is State.DONE
        return bool(self.videos) and self.all_done and self.is_listed and is_finished

    @property
    def all_done(self) -> bool:
        """Whether every planned video is done."""
        return all(video.state is State.DONE for video in self.videos)

    @property
    def finalising_failed(self) -> bool:
        """Whether the finalising job ended without doing its work, or found something wrong."""
        job = self.finalising
        return job is not None and job.state is not State.DONE and not job.is_open

    @property
    def is_open(self) -> bool:
        """Whether anything runs, or is still to run."""
        finalising = self.finalising is not None and self.finalising.is_open
        return finalising or any(video.is_open for video in self.videos)

    @property
    def waits_in_vain(self) -> bool:
        """Whether all that is still to run waits until somebody acts."""
        tasks = [video for video in self.videos if video.is_open]
        if tasks:
            return all(video.stays_pending for video in tasks)
        return self.finalising is not None and self.finalising.stays_pending

    @property
    def is_unreachable(self) -> bool:
        """Whether SLURM did not answer, and may answer later."""
        return self.unanswered is not None and not self.is_absent

    def of_states(self, states: Collection[State]) -> tuple[VideoStatus, ...]:
        """Return the videos of some states; all videos where none is named."""
        return tuple(video for video in self.videos if not states or video.state in states)

    def as_dict(self, states: Collection[State] = ()) -> dict[str, Any]:
        """Return the document of ``slurm status --json``, with the videos of some states."""
        return {
            "store": str(self.store),
            "ok": self.ok,
            "listed": self.is_listed,
            "finalising_job": self.finalising.as_dict() if self.finalising else None,
            "unanswered": self.unanswered,
            "videos": [video.as_dict() for video in self.of_states(states)],
        }
