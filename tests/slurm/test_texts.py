"""What is said to SLURM, and how its answers are read; no SLURM is needed."""

import re
import subprocess

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracks2zarr.cli.slurm.options import SlurmMemory, SlurmTime
from tracks2zarr.slurm.client import TaskState, _accounts
from tracks2zarr.slurm.job_states import JobStates, cause_of, memory_text, time_limit_text
from tracks2zarr.slurm.pending_reasons import pending_text, stays_pending
from tracks2zarr.slurm.queueing import JobOptions
from tracks2zarr.slurm.sbatch_names import long_name, needs_value
from tracks2zarr.slurm.script import _directive, _log_pattern, ranges, time_text
from tracks2zarr.slurm.submission import Request


@pytest.mark.parametrize(
    ("text", "mib"),
    [("4G", 4096), ("4096", 4096), ("512M", 512), ("1t", 2**20), ("1K", 1), ("2GB", 2048)],
)
def test_memory_is_read_as_sbatch_does(text: str, mib: int) -> None:
    assert SlurmMemory().convert(text, None, None) == mib


@pytest.mark.parametrize("text", ["", "0", "-1", "4 G", "4X", "1.5G", "G"])
def test_what_is_no_memory(text: str) -> None:
    with pytest.raises(click.BadParameter):
        SlurmMemory().convert(text, None, None)


@pytest.mark.parametrize(
    ("text", "minutes"),
    [
        ("90", 90),
        ("90:30", 91),
        ("1:30:00", 90),
        ("1-0", 1440),
        ("1-02:03", 1563),
        ("1-02:03:04", 1564),
        ("0:00:01", 1),
    ],
)
def test_time_is_read_as_sbatch_does(text: str, minutes: int) -> None:
    assert SlurmTime().convert(text, None, None) == minutes


@pytest.mark.parametrize("text", ["", "0", "1:2:3:4", "1-", "-5", "2h", "0:00"])
def test_what_is_no_time(text: str) -> None:
    with pytest.raises(click.BadParameter):
        SlurmTime().convert(text, None, None)


def test_what_sbatch_calls_its_options() -> None:
    """SLURM's own manual is the witness, where it is installed."""
    manual = subprocess.run(["man", "sbatch"], capture_output=True, text=True, check=False).stdout
    heading = re.compile(r"^ {7}(?:-(\w)(?:, | ?\S*, ))?--([a-z-]+)(\[?)(=?)", re.MULTILINE)
    found = heading.findall(manual)
    if len(found) < 50:
        pytest.skip("there is no manual of sbatch")
    for letter, name, optional, equals in found:
        if name in {"help", "usage", "version"}:
            continue
        assert long_name(f"--{name}") == name
        assert needs_value(name) == bool(equals and not optional), name
        assert not letter or long_name(f"-{letter}") == name


@given(st.integers(min_value=1, max_value=10**5))
def test_times_are_written_as_they_are_read(minutes: int) -> None:
    assert SlurmTime().convert(time_text(minutes), None, None) == minutes


@given(st.sets(st.integers(min_value=0, max_value=300), min_size=1))
def test_ranges(numbers: set[int]) -> None:
    read: set[int] = set()
    for part in ranges(numbers).split(","):
        first, _, last = part.partition("-")
        read |= set(range(int(first), int(last or first) + 1))
    assert read == numbers
    assert ranges(range(1000)) == "0-999"


def test_options_and_patterns() -> None:
    from pathlib import Path

    assert _directive("--partition=cpu") == "--partition=cpu"
    assert _directive("--exclusive") == "--exclusive"
    assert _directive('--comment=a "b"') == '--comment="a \\"b\\""'
    path = Path("/a%b/x{job}/slurm.%A-%a.%N")
    assert _log_pattern(path, job="%A") == "/a%%b/x%A/slurm.%A-%a.%N"


def test_rows_of_accounting() -> None:
    """As sacct printed them, requeues, batch steps and tasks that are still to run included."""
    rows = _accounts(
        [
            "51_0|COMPLETED|0:0|00:00:03||node1",
            "51_0.batch|COMPLETED|0:0|00:00:03|107M|node1",
            "51_0.extern|COMPLETED|0:0|00:00:03|1M|node1",
            "51_2|CANCELLED by 1000|0:0|00:00:01||node1",
            "51_3|FAILED|0:9|00:01:01||node2",
            "51_3.batch|CANCELLED by 0|0:9|00:01:01|132072K|node2",
            "51_[4-9%2]|PENDING|0:0|00:00:00||None assigned",
            "52|COMPLETED|0:0|00:00:01||node1",
        ]
    )
    assert {*rows} == {("51", 0), ("51", 2), ("51", 3), ("52", None)}
    assert rows["51", 0].peak_memory == 107 * 2**20
    assert rows["51", 2].state == "CANCELLED"
    killed = rows["51", 3]
    assert cause_of(killed, 130 * 2**20) == "OUT_OF_MEMORY"
    assert cause_of(killed, 2**30) == "FAILED"
    assert cause_of(killed, None) == "FAILED"


def test_accounts_that_lag_behind_the_queue() -> None:
    task = ("51", 0)
    failed, running = TaskState("FAILED"), TaskState("RUNNING")
    detailed = TaskState("OUT_OF_MEMORY")
    assert JobStates(queue={task: failed}, accounting={}).accounting_lags([task])
    assert JobStates(queue={task: failed}, accounting={task: running}).accounting_lags([task])
    assert not JobStates(queue={task: failed}, accounting={task: detailed}).accounting_lags([task])
    assert not JobStates(queue={task: failed}).accounting_lags([task])
    assert JobStates(queue={task: failed}, accounting={task: running}).end_of(task) == failed
    assert JobStates(queue={task: failed}, accounting={task: detailed}).end_of(task) == detailed
    assert JobStates(queue={task: running}).end_of(task) is None


def test_what_a_task_waits_for() -> None:
    assert pending_text(TaskState("PENDING", "None"), None) == "queued"
    assert pending_text(TaskState("PENDING", "Unheard"), None) == "Unheard"
    held = pending_text(TaskState("PENDING", "JobHeldUser"), "It was killed.")
    release = "JobHeldUser (held by you; 'scontrol release JOB' lets it go)"
    assert held == f"{release}; before: It was killed."


@pytest.mark.parametrize(
    ("reason", "meaning", "stays"),
    [
        ("Priority", "other jobs go first; nothing to do", False),
        ("Resources", "the cluster is busy; nothing to do", False),
        ("JobArrayTaskLimit", "as many tasks run as may", False),
        ("BeginTime", "its time to begin has not come", False),
        ("Dependency", "has not ended", False),
        ("Cleaning", "cleaned up", False),
        ("Licenses", "licences", False),
        ("Reservation", "reservation", False),
        ("ReqNodeNotAvail", "maintenance", False),
        ("ReqNodeNotAvail, UnavailableNodes:node[1-3]", "maintenance", False),
        ("ReqNodeNotAvail(Unavailable Nodes: node1)", "maintenance", False),
        ("Nodes required for job are DOWN, DRAINED or reserved for jobs", "drained", False),
        ("PartitionDown", "takes no jobs", False),
        ("QOSMaxCpuPerUserLimit", "as much as your QOS allows", False),
        ("QOSMaxJobsPerUserLimit", "as much as your QOS allows", False),
        ("QOSGrpCpuLimit", "jobs of your QOS", False),
        ("AssocGrpCpuLimit", "jobs of your account", False),
        ("AssocGrpMemLimit", "jobs of your account", False),
        ("AssocMaxJobsLimit", "as many jobs as your account allows", False),
        ("AssocGrpCPURunMinutesLimit", "running jobs", False),
        ("JobHeldUser", "'scontrol release JOB'", False),
        ("PartitionTimeLimit", "shorter --time", True),
        ("AssocMaxWallDurationPerJobLimit", "shorter --time", True),
        ("QOSMaxWallDurationPerJobLimit", "shorter --time", True),
        ("QOSMaxMemoryPerJob", "smaller --mem", True),
        ("AssocMaxMemPerJob", "smaller --mem", True),
        ("MaxMemPerLimit", "smaller --mem", True),
        ("AssocMaxCpuPerJobLimit", "fewer --cpus", True),
        ("PartitionNodeLimit", "another --partition", True),
        ("AssocGrpCPUMinutesLimit", "budget", True),
        ("QOSGrpBillingMinutes", "budget", True),
        ("BadConstraints", "correct --sbatch=--constraint", True),
        ("DependencyNeverSatisfied", "'slurm rerun'", True),
        ("JobHeldAdmin", "ask the cluster's administrators", True),
        ("launch failed requeued held", "could not be started", True),
        ("launch_failed_requeued_held", "could not be started", True),
        ("InvalidQOS", "may not be used", True),
        ("InvalidAccount", "may not be used", True),
    ],
)
def test_what_the_reasons_of_slurm_mean(reason: str, meaning: str, stays: bool) -> None:
    text = pending_text(TaskState("PENDING", reason), None)
    assert text.startswith(f"{reason} (")
    assert meaning in text
    assert text.endswith(")")
    assert stays_pending(reason) is stays


def test_limits_are_named_where_they_are_known() -> None:
    mib = 2**20
    assert memory_text(None, None) == "It needed more memory than it requested."
    assert memory_text(64 * mib, None) == "It needed more memory than the 64 MiB that it requested."
    used = "It needed more memory than it requested (it had used 61 MiB when it was killed)."
    assert memory_text(None, 61 * mib) == used
    unnamed = "It ran into its time limit."
    assert time_limit_text(None, "11:20") == unnamed
    assert time_limit_text(11, "") == unnamed
    assert time_limit_text(60, "00:11:20") == unnamed, "it was shortened"
    assert time_limit_text(11, "01:00:20") == unnamed, "it was prolonged"
    assert time_limit_text(1, "1:20") == "It ran into its time limit of 1 minute."
    assert time_limit_text(11, "11:20") == "It ran into its time limit of 11 minutes."
    assert time_limit_text(1563, "1-02:03:29") == "It ran into its time limit of 26 h 3 min."


def test_options_of_a_rerun_are_added_to_older_ones() -> None:
    before = Request(memory=100, options=("--partition=a", "--qos=b"))
    after = JobOptions(options=("--qos=c", "--mail-type=FAIL")).applied_to(before)
    assert after.options == ("--partition=a", "--qos=c", "--mail-type=FAIL")
    assert after.memory == 100
