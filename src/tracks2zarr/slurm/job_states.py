"""The states of jobs and array tasks that SLURM reports, and what they mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

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
    OUT_OF_MEMORY: "It needed more memory than it had asked for.",
    "PREEMPTED": "It had to make room for another job.",
    TIMEOUT: "It ran into its time limit.",
}
#: The exit codes of tasks that SIGKILL ended, as the accounting has them.
KILL_EXIT_CODES = {"exit 0:9", "exit 9:0", "exit 137:0"}
#: A task that was killed with this share of its memory in use was most likely killed for it.
_MEMORY_LIMIT_SHARE = 0.9


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
        cls, slurm: Slurm, jobs: Iterable[str], finalising_job: str | None, cluster: str
    ) -> JobStates:
        """Ask SLURM about some array jobs, and about the finalising job.

        Parameters
        ----------
        slurm
            The cluster to ask.
        jobs, finalising_job
            Their ids.
        cluster
            Where they were submitted to: another one gives the same ids to other jobs.
        """
        arrays = sorted({job for job in jobs if job.isdecimal()}, key=int)
        asked = [*arrays, *([finalising_job] if finalising_job else [])]
        try:
            queue = slurm.queue(asked)
            check_cluster(slurm, cluster if asked else "")
        except UnansweredError as error:
            return cls(unanswered=error.why, is_absent=error.is_absent)
        try:
            return cls(queue=queue, accounting=slurm.accounting(arrays))
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
