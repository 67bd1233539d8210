"""What SLURM says of the tasks of a store, and what its words mean."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from tracks2zarr.slurm.client import Slurm, TaskId, TaskState, UnansweredError

CANCELLED = "CANCELLED"
OUT_OF_MEMORY = "OUT_OF_MEMORY"
TIMEOUT = "TIMEOUT"

#: What SLURM's states mean, for people.
WORDS = {
    "BOOT_FAIL": "Its node did not start.",
    CANCELLED: "It was cancelled.",
    "DEADLINE": "It ran into its deadline.",
    "NODE_FAIL": "Its node failed.",
    OUT_OF_MEMORY: "It needed more memory than it had asked for.",
    "PREEMPTED": "It had to make room for another job.",
    TIMEOUT: "It ran into its time limit.",
}
#: What tasks wait for, for people.
_REASONS = {
    "JobHeldUser": "held: 'scontrol release' lets it go",
    "JobArrayTaskLimit": "as many tasks run as may",
    "BeginTime": "its time to begin has not come",
    "None": "",
}
KILLED = {"exit 0:9", "exit 9:0", "exit 137:0"}
#: A task that was killed this near to its limit was most likely killed for it.
_NEARLY_ALL = 0.9


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What SLURM said: its queue, and its accounting database where there is one.

    Parameters
    ----------
    queue, accounts
        By task; `accounts` is None where there is no accounting.
    unanswered
        Why SLURM could not be asked; None where it answered.
    is_absent
        Whether that will not change, because this is not the cluster.
    """

    queue: Mapping[TaskId, TaskState] = field(default_factory=dict)
    accounts: Mapping[TaskId, TaskState] | None = None
    unanswered: str | None = None
    is_absent: bool = False

    @classmethod
    def to(cls, slurm: Slurm, jobs: Iterable[str], last_job: str | None, cluster: str) -> Answers:
        """Ask about some array jobs, and about the job that finalises.

        Parameters
        ----------
        slurm
            Whom to ask.
        jobs, last_job
            Their ids.
        cluster
            Where they were submitted to: another one gives the same ids to other jobs.
        """
        arrays = sorted({job for job in jobs if job.isdecimal()}, key=int)
        asked = [*arrays, *([last_job] if last_job else [])]
        try:
            queue = slurm.queue(asked)
            check_cluster(slurm, cluster if asked else "")
        except UnansweredError as error:
            return cls(unanswered=error.why, is_absent=error.is_absent)
        try:
            return cls(queue=queue, accounts=slurm.accounting(arrays))
        except UnansweredError:  # many clusters have no accounting
            return cls(queue=queue)

    def open_task(self, tasks: Iterable[TaskId]) -> tuple[TaskId, TaskState] | None:
        """Return the one of some tasks that runs, else one that waits."""
        found = [(task, self.queue[task]) for task in tasks if task in self.queue]
        running = [pair for pair in found if pair[1].is_living]
        waiting = [pair for pair in found if pair[1].is_waiting]
        return next(iter([*running, *waiting]), None)

    def end_of(self, task: TaskId) -> TaskState | None:
        """Return how SLURM says that a task ended; None where it does not know."""
        for said in ((self.accounts or {}).get(task), self.queue.get(task)):
            if said is not None and not said.is_open:
                return said
        return None

    def lags(self, tasks: Iterable[TaskId]) -> bool:
        """Tell whether the accounting has yet to learn how any of some tasks ended."""
        return self.accounts is not None and any(
            task in self.queue
            and not self.queue[task].is_open
            and (task not in self.accounts or self.accounts[task].is_open)
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


def cause_of(said: TaskState, requested: int | None) -> str:
    """Return SLURM's word for how a task ended; without cgroups it does not name memory.

    Parameters
    ----------
    said
        What it said.
    requested
        The memory that the task had asked for, in bytes.
    """
    killed = said.state == "FAILED" and said.reason in KILLED
    near = requested and said.peak_memory and said.peak_memory >= _NEARLY_ALL * requested
    return OUT_OF_MEMORY if killed and near else said.state


def wait_text(said: TaskState, earlier: str | None) -> str:
    """Return what a task waits for, and what went wrong with an earlier attempt."""
    reason = _REASONS.get(said.reason, said.reason)
    before = f"before: {earlier}" if earlier else None
    return "; ".join(filter(None, [reason, before])) or "queued"
