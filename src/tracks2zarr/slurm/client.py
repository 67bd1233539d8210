"""SLURM's client programs, each with a time limit.

What is read are the columns of ``squeue -o`` and ``sacct -P``: the JSON of these programs changes
between versions of SLURM.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line

#: Number of a task, or None for a job that is no array: in an array job, ``(job, number)``.
type TaskId = tuple[str, int | None]

_QUEUE_COLUMNS = "%F|%K|%T|%M|%N|%r"
_ACCOUNT_COLUMNS = "JobID,State,ExitCode,Elapsed,MaxRSS,NodeList"
_ACCOUNT_ID = re.compile(r"(?P<job>[0-9]+)(?:_(?P<task>[0-9]+))?(?P<batch>\.batch)?")
_NO_SUCH_JOB = "Invalid job id"
#: What SLURM's programs say where its controller did not answer them, in the words of slurm_errno.c
#: and slurm_protocol_api.c; all else is a refusal. ``scontrol release`` says the last but one.
_UNANSWERED = re.compile(
    r"Unable to contact slurm controller|Unable to establish (control|config)|Can't find an address"
    r"|Could not establish a configuration source|Communication (connection|shutdown) failure"
    r"|Connection (refused|timed out|reset)|Socket timed out|Zero Bytes were transmitted"
    r"|Message (send|receive) failure|Unexpected message received|in standby mode",
    re.IGNORECASE,
)
#: SLURM's own default, for where it cannot be asked.
_MAX_ARRAY_SIZE = 1001
#: What the accounting has for a task that never ran.
_NO_NODE = "None assigned"
_UNITS = {"": 1, "K": 2**10, "M": 2**20, "G": 2**30, "T": 2**40}

#: States of tasks that are still to run, and of those that have ended; all others run.
PENDING_STATES = frozenset(
    {
        *("PENDING", "CONFIGURING", "REQUEUED", "REQUEUE_HOLD", "REQUEUE_FED"),
        *("SPECIAL_EXIT", "RESV_DEL_HOLD", "POWER_UP_NODE"),
    }
)
ENDED_STATES = frozenset(
    {
        *("COMPLETED", "FAILED", "CANCELLED", "TIMEOUT", "OUT_OF_MEMORY", "NODE_FAIL"),
        *("PREEMPTED", "BOOT_FAIL", "DEADLINE", "REVOKED", "LAUNCH_FAILED", "RECONFIG_FAIL"),
    }
)
#: Variables that change what SLURM's programs answer, or do, behind our back. Those that only
#: choose where a job runs, and on whose account, are left to the user.
_MISLEADING_VARIABLES = re.compile(
    r"SQUEUE_.*|SACCT_.*|SCANCEL_.*"
    r"|SBATCH_(ARRAY_INX|WAIT|TIMELIMIT|MEM_PER_.*|CPUS_PER_.*|JOB_NAME|OPEN_MODE|CLUSTERS)"
)


class UnansweredError(Exception):
    """SLURM did not answer, or is not there.

    Parameters
    ----------
    why
        In one line.
    is_absent
        Whether there is no SLURM on this machine at all.
    """

    def __init__(self, why: str, *, is_absent: bool = False) -> None:
        super().__init__(why)
        self.why = why
        self.is_absent = is_absent

    def as_error(self, also: str = "") -> Tracks2ZarrError:
        """Return the error to raise where nothing can be done without SLURM.

        Parameters
        ----------
        also
            What to do besides, where SLURM may answer later.
        """
        return Tracks2ZarrError(
            Problem(
                kind="slurm-unanswered",
                what="SLURM cannot be asked.",
                found=self.why,
                expected="a cluster's login node, where 'sinfo' answers",
                remedy="Run it there; or convert on this machine, with 'tracks2zarr create'."
                if self.is_absent
                else f"Try again when 'sinfo' answers. If it never does here, run it there.{also}",
            )
        )


@dataclass(frozen=True, slots=True)
class TaskState:
    """The state of a task, as SLURM reports it.

    Parameters
    ----------
    state
        In SLURM's words, the first one: ``RUNNING``, ``TIMEOUT``.
    reason
        Why it waits, or ended.
    elapsed
        How long it has run, as SLURM writes it.
    node
        Where.
    peak_memory
        In bytes, where SLURM knows it.
    """

    state: str
    reason: str = ""
    elapsed: str = ""
    node: str = ""
    peak_memory: int | None = None

    @property
    def is_pending(self) -> bool:
        """Whether it has yet to run."""
        return self.state in PENDING_STATES

    @property
    def is_running(self) -> bool:
        """Whether it runs."""
        return self.state not in PENDING_STATES | ENDED_STATES

    @property
    def is_open(self) -> bool:
        """Whether it runs, or has yet to run."""
        return self.state not in ENDED_STATES


class Slurm:
    """The client programs of SLURM on this machine.

    Parameters
    ----------
    timeout
        Seconds after which an answer is no longer waited for. The programs themselves try for
        minutes. What changes the queue gets longer: it may be done although nobody waited.
    """

    def __init__(self, timeout: float = 10) -> None:
        self._timeout = timeout

    def queue(self, jobs: Sequence[str]) -> Mapping[TaskId, TaskState]:
        """Return the tasks of some jobs that SLURM has in its memory, ended ones too.

        Raises
        ------
        UnansweredError
            If SLURM cannot be asked. A job that it does not know is no error.
        """
        if not jobs:
            return {}
        command = ["squeue", "--noheader", "--array", "--states=all", "--jobs", ",".join(jobs)]
        done = self._run([*command, "--format", _QUEUE_COLUMNS])
        if done.returncode and _NO_SUCH_JOB not in done.stderr:
            raise UnansweredError(_message_of(done))
        found = {}
        for line in done.stdout.splitlines():
            job, task, state, elapsed, node, reason = line.split("|", 5)
            number = int(task) if task.isdecimal() else None
            found[job, number] = TaskState(state, reason, elapsed, node)
        return found

    def accounting(self, jobs: Sequence[str]) -> Mapping[TaskId, TaskState]:
        """Return what the accounting database has of the tasks of some jobs.

        Raises
        ------
        UnansweredError
            If there is no such database, or it cannot be asked.
        """
        if not jobs:
            return {}
        command = ["sacct", "--parsable2", "--noheader", "--format", _ACCOUNT_COLUMNS]
        done = self._run([*command, "--jobs", ",".join(jobs)])
        if done.returncode:
            raise UnansweredError(_message_of(done))
        return _accounts(done.stdout.splitlines())

    def job_details(self, job: str) -> Mapping[str, str]:
        """Return what SLURM has in its memory of a job, by name; empty for one it does not know.

        Of an array job, it is that of one of its tasks.

        Raises
        ------
        UnansweredError
            If SLURM cannot be asked.
        """
        done = self._run(["scontrol", "show", "job", job])
        if done.returncode and _NO_SUCH_JOB not in done.stderr:
            raise UnansweredError(_message_of(done))
        first, *_ = done.stdout.split("\n\n")  # an array job has a record for each task
        # paths may have blanks in them, and stand on lines of their own
        paths = re.findall(r"^ *(StdOut|WorkDir)=(.*)$", first, re.MULTILINE)
        return dict(re.findall(r"(\S+?)=(\S*)", first)) | dict(paths)

    def batch_script(self, job: str) -> str:
        """Return the script of a job; empty where SLURM does not show it.

        Raises
        ------
        UnansweredError
            If SLURM cannot be asked.
        """
        done = self._run(["scontrol", "write", "batch_script", job, "-"])
        return "" if done.returncode else done.stdout

    def submit(self, script: str, *options: str) -> str:
        """Submit a script, and return the job's id.

        Raises
        ------
        Tracks2ZarrError
            If SLURM refuses it, does not answer, or is not there.
        """
        done = self._run_to_change(["sbatch", "--parsable", *options], script)
        job = next(reversed(done.stdout.split()), "").partition(";")[0]
        if done.returncode or not job.isdecimal():
            raise Tracks2ZarrError(_refused("sbatch", done))
        return job

    def release(self, jobs: Iterable[str]) -> None:
        """Release jobs that were submitted on hold.

        Raises
        ------
        Tracks2ZarrError
            If SLURM refuses, does not answer, or is not there.
        """
        self._change(["scontrol", "release", *jobs], may_be_gone=False)

    def cancel(self, jobs: Iterable[str]) -> None:
        """Cancel jobs, with all their tasks; those that have ended are no error.

        Raises
        ------
        Tracks2ZarrError
            If SLURM refuses, does not answer, or is not there.
        """
        self._change(["scancel", *jobs])

    @property
    def max_array_size(self) -> int:
        """The highest number of a task plus 1; SLURM's own default where it cannot be asked."""
        return int(self._configuration.get("MaxArraySize", _MAX_ARRAY_SIZE))

    @property
    def cluster(self) -> str:
        """The name of the cluster; empty where SLURM cannot be asked."""
        return self._configuration.get("ClusterName", "")

    @cached_property
    def _configuration(self) -> Mapping[str, str]:
        try:
            done = self._run(["scontrol", "show", "config"])
        except UnansweredError:
            return {}
        return dict(re.findall(r"^(\w+)\s*=\s*(.*?)\s*$", done.stdout, re.MULTILINE))

    def _change(self, command: Sequence[str], *, may_be_gone: bool = True) -> None:
        done = self._run_to_change(command)
        is_gone = may_be_gone and _NO_SUCH_JOB in done.stderr
        if done.returncode and not is_gone:
            raise Tracks2ZarrError(_refused(command[0], done))

    def _run_to_change(
        self, command: Sequence[str], input: str = ""
    ) -> subprocess.CompletedProcess[str]:
        """Run a program that changes the queue; it is an error if SLURM does not answer."""
        try:
            done = self._run(command, input, timeout_factor=6)
            if done.returncode and _UNANSWERED.search(done.stderr):
                raise UnansweredError(f"{command[0]}: {_message_of(done)}")
        except UnansweredError as error:
            raise error.as_error(_may_be_queued(input)) from None
        return done

    def _run(
        self, command: Sequence[str], input: str = "", timeout_factor: int = 1
    ) -> subprocess.CompletedProcess[str]:
        program, timeout = shutil.which(command[0]), timeout_factor * self._timeout
        if program is None:
            raise UnansweredError(f"there is no '{command[0]}' on this machine", is_absent=True)
        try:
            return subprocess.run(
                [program, *command[1:]],
                input=input,
                env={k: v for k, v in os.environ.items() if not _MISLEADING_VARIABLES.fullmatch(k)},
                start_new_session=True,  # a Ctrl-C, or a line that drops, is for us alone
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=timeout,
                check=False,
            )
        except subprocess.TimeoutExpired:
            why = f"{command[0]} gave no answer in {timeout:g} seconds"
            raise UnansweredError(why) from None
        except OSError as error:
            raise UnansweredError(f"{command[0]}: {error.strerror}") from None


def _may_be_queued(script: str) -> str:
    """Return how to find a job that SLURM may have taken, although it did not answer."""
    name = re.search(r"--job-name=(\S+)", script)
    if name is None:
        return ""
    return (
        " SLURM may have taken the job all the same, and holds it then: look for it with"
        f" 'squeue --me --name={name[1]}', and remove what is held with 'scancel JOB'."
    )


def _accounts(lines: Iterable[str]) -> dict[TaskId, TaskState]:
    """Read the rows of tasks, with the peak memory that stands in the rows of their batch step."""
    found: dict[TaskId, TaskState] = {}
    memory: dict[TaskId, int] = {}
    for line in lines:
        job_id, state, exit_code, elapsed, peak, node = line.split("|")
        match = _ACCOUNT_ID.fullmatch(job_id)
        if match is None:  # tasks that are still to run stand in one row, as 51_[1-3]
            continue
        task: TaskId = match["job"], None if match["task"] is None else int(match["task"])
        if match["batch"]:
            memory[task] = max(memory.get(task, 0), _bytes(peak))
        else:
            reason = "" if exit_code == "0:0" else f"exit {exit_code}"
            place = "" if node == _NO_NODE else node
            found[task] = TaskState(state.partition(" ")[0], reason, elapsed, place)
    return {
        task: TaskState(row.state, row.reason, row.elapsed, row.node, memory.get(task) or None)
        for task, row in found.items()
    }


def _bytes(text: str) -> int:
    match = re.fullmatch(r"([0-9.]+)([KMGT]?)", text)
    return int(float(match[1]) * _UNITS[match[2]]) if match else 0


def _message_of(done: subprocess.CompletedProcess[str]) -> str:
    lines = (done.stderr.strip() or done.stdout.strip()).splitlines()
    prefix = re.compile(r"^((sbatch|scancel|scontrol|squeue|sacct): )?(error: )?")
    message = "; ".join(dict.fromkeys(prefix.sub("", line) for line in lines if line.strip()))
    return one_line(message or f"exit status {done.returncode}")


def _refused(program: str, done: subprocess.CompletedProcess[str]) -> Problem:
    return Problem(
        kind="slurm-refused",
        what="SLURM refused the request.",
        found=f"{program}: {_message_of(done)}",
        expected="a job that this cluster accepts",
        remedy="Correct the option that SLURM names; 'sinfo' lists partitions and their limits.",
    )
