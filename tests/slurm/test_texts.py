"""What is said to SLURM, and how its answers are read; no SLURM is needed."""

import re
import subprocess

import click
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracks2zarr.cli.slurm.options import SlurmMemory, SlurmTime
from tracks2zarr.slurm.client import TaskState, _accounts
from tracks2zarr.slurm.job_states import JobStates, cause_of, pending_text
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
    assert _log_pattern(Path("/a%b/x{job}/slurm.%A-%a.%N")) == "/a%%b/x%A/slurm.%A-%a.%N"


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
    assert pending_text(TaskState("PENDING", "Priority"), None) == "Priority"
    held = pending_text(TaskState("PENDING", "JobHeldUser"), "It was killed.")
    assert held == "held: 'scontrol release' lets it go; before: It was killed."


def test_options_of_a_rerun_are_added_to_older_ones() -> None:
    before = Request(memory=100, options=("--partition=a", "--qos=b"))
    after = JobOptions(options=("--qos=c", "--mail-type=FAIL")).applied_to(before)
    assert after.options == ("--partition=a", "--qos=c", "--mail-type=FAIL")
    assert after.memory == 100
