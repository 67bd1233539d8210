"""The states of jobs and array tasks that SLURM reports, and what they mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tracks2zarr.common.words import count_text, time_text
from tracks2zarr.slurm.client import Slurm, TaskId, TaskState, UnansweredError

CANCELLED = "CANCELLED"
OUT_OF_MEMORY = "OUT_OF_MEMORY"
TIMEOUT = "TIMEOUT"

#: What SLURM's states mean, for people.
STATE_TEXTS = {
    "BOOT_FAIL": "Its node did not start.",
    CANCELLED: "It was cancelled.",
    "DEADLINE": "It ran into its deadline.",
    "NODE_FAIL": "Its node failed.",
    OUT_OF_MEMORY: "It needed more memory than it requested.",
    "PREEMPTED": "It had to make room for another job.",
    TIMEOUT: "It ran into its time limit.",
}
#: The exit codes of tasks that SIGKILL ended, as the accounting has them.
KILL_EXIT_CODES = {"exit 0:9", "exit 9:0", "exit 137:0"}
#: That of a task whose logs could not be opened, or that could not be started otherwise.
_NOT_STARTED = "exit 0:53"
#: A task that was killed with this share of its memory in use was most likely killed for it.
_MEMORY_LIMIT_SHARE = 0.9
#: SLURM looks at time limits now and then, so tasks run longer by minutes, or by a share of them.
_MINUTES_LATE, _SHARE_LATE = 5, 0.1
_ELAPSED = re.compile(r"(?:(?:(\d+)-)?(\d+):)?(\d+):(\d+)")


@dataclass(frozen=True, slots=True, kw_only=True)
class JobStates:
    """The states of array tasks and jobs, by SLURM's queue and its accounting database.

    Parameters
    ----------
    queue, accounting
        By task; `accounting` is None where there is no accounting.
    unanswered
        Why SLURM could not be asked; None where it answered.
    is_absent
        Whether that will not change, because this is not the cluster.
    """

    queue: Mapping[TaskId, TaskState] = field(default_factory=dict)
    accounting: Mapping[TaskId, TaskState] | None = None
    unanswered: str | None = None
    is_absent: bool = False

    @classmethod
    def ask(
        cls, slurm: Slurm, arrays: Iterable[str], finalising_jobs: Sequence[str], cluster: str
    ) -> JobStates:
        """Ask SLURM about some array jobs, and about finalising jobs.

        Parameters
        ----------
        slurm
            The cluster to ask.
        arrays, finalising_jobs
            Their ids.
        cluster
            Where they were submitted to: another one gives the same ids to other jobs.
        """
        jobs = sorted({job for job in (*arrays, *finalising_jobs) if job.isdecimal()}, key=int)
        try:
            queue = slurm.queue(jobs)
            check_cluster(slurm, cluster if jobs else "")
        except UnansweredError as error:
            return cls(unanswered=error.why, is_absent=error.is_absent)
        try:
            return cls(queue=queue, accounting=slurm.accounting(jobs))
        except UnansweredError:  # many clusters have no accounting
            return cls(queue=queue)

    def open_task(self, tasks: Iterable[TaskId]) -> tuple[TaskId, TaskState] | None:
        """Return the first of some tasks that is running, else the first that is pending."""
        found = [(task, self.queue[task]) for task in tasks if task in self.queue]
        running = [pair for pair in found if pair[1].is_running]
        pending = [pair for pair in found if pair[1].is_pending]
        return next(iter([*running, *pending]), None)

    def end_of(self, task: TaskId) -> TaskState | None:
        """Return the final state of a task; None where SLURM knows of none."""
        for found in ((self.accounting or {}).get(task), self.queue.get(task)):
            if found is not None and not found.is_open:
                return found
        return None

    def accounting_lags(self, tasks: Iterable[TaskId]) -> bool:
        """Tell whether the accounting has yet to learn how any of some tasks ended."""
        return self.accounting is not None and any(
            task in self.queue
            and not self.queue[task].is_open
            and (task not in self.accounting or self.accounting[task].is_open)
            for task in tasks
        )


def check_cluster(slurm: Slurm, cluster: str) -> None:
    """Check that the cluster that answers is the one that jobs were submitted to.

    Raises
    ------
    UnansweredError
        If it is another one.
    """
    if cluster and slurm.cluster and cluster != slurm.cluster:
        why = f"this is the cluster '{slurm.cluster}', and the jobs are on '{cluster}'"
        raise UnansweredError(why, is_absent=True)


def cause_of(ended: TaskState, requested_memory: int | None) -> str:
    """Return SLURM's word for how a task ended; without cgroups it does not name memory.

    Parameters
    ----------
    ended
        The final state of the task.
    requested_memory
        In bytes.
    """
    killed = ended.state == "FAILED" and ended.reason in KILL_EXIT_CODES
    limit, peak = requested_memory, ended.peak_memory
    near = limit and peak and peak >= _MEMORY_LIMIT_SHARE * limit
    return OUT_OF_MEMORY if killed and near else ended.state


def cause_text(
    cause: str, memory: int | None, minutes: int | None, peak: int | None, elapsed: str
) -> str | None:
    """Return what SLURM's word for an end means, with the numbers that are known.

    Parameters
    ----------
    cause
        SLURM's word.
    memory, minutes
        What was requested, the memory in bytes.
    peak
        The memory that was used, in bytes.
    elapsed
        How long it ran, as SLURM writes it.
    """
    if cause == OUT_OF_MEMORY:
        return memory_text(memory, peak)
    if cause == TIMEOUT:
        return time_limit_text(minutes, elapsed)
    return STATE_TEXTS.get(cause)


def end_text(ended: TaskState) -> str:
    """Return how a task ended that recorded no reason, and whose state says none either."""
    if ended.reason == _NOT_STARTED:
        return "SLURM could not start it, usually because it could not write its logs."
    if ended.reason.startswith("exit ") and ended.reason not in KILL_EXIT_CODES:
        status = ended.reason.removeprefix("exit ").partition(":")[0]
        return f"It ended with exit status {status}; see its log."
    return f"It was killed ({ended.reason or ended.state})."


def memory_text(requested: int | None, peak: int | None) -> str:
    """Return that a task ran out of memory: what it requested, and what it had used, in bytes."""
    than = f"the {_mib_text(requested)} that it requested" if requested else "it requested"
    used = f" (it had used {_mib_text(peak)} when it was killed)" if peak else ""
    return f"It needed more memory than {than}{used}."


def time_limit_text(minutes: int | None, elapsed: str) -> str:
    """Return that a task ran into its time limit, which is named where that is certain.

    Parameters
    ----------
    minutes
        What was requested; SLURM's limit may have been changed since.
    elapsed
        How long it ran, as SLURM writes it.
    """
    ran = _minutes_of(elapsed)
    latest = (1 + _SHARE_LATE) * minutes + _MINUTES_LATE if minutes else 0
    if minutes is None or ran is None or not minutes <= ran <= latest:
        return STATE_TEXTS[TIMEOUT]
    limit = count_text(minutes, "minute") if minutes < 120 else time_text(60 * minutes)
    return f"It ran into its time limit of {limit}."


def _mib_text(size: int) -> str:
    return f"{size / 2**20:,.0f} MiB"


def _minutes_of(elapsed: str) -> float | None:
    match = _ELAPSED.fullmatch(elapsed)
    if match is None:
        return None
    days, hours, minutes, seconds = (int(part or 0) for part in match.groups())
    return (days * 24 + hours) * 60 + minutes + seconds / 60
