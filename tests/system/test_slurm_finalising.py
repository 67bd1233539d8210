"""The finalising job on a real SLURM: what it requests, what it waits for, and when it fails."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.array_jobs import (
    Commands,
    experiment,
    job_of,
    name_of,
    stopping_in_mid_write,
    temporary,
    until,
    without_report,
)
from support.slurm_cluster import Cluster
from tracks2zarr.slurm.submission import Submission, read_submissions
from tracks2zarr.store.store import Store

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture
def commands(slurm: Cluster, tmp_path: Path) -> Commands:
    return Commands(slurm.env, tmp_path)


def finalising_job(commands: Commands, store: Path) -> dict[str, Any]:
    """Return what ``slurm status --json`` says of the finalising job."""
    done = commands.run("status", store, "--json", status=None)
    found: dict[str, Any] = json.loads(done.stdout)["finalising_job"]
    return found


def latest(store: Path) -> Submission:
    """Return the latest submission of a store."""
    return read_submissions(Store.at(store))[-1]


def test_it_has_its_own_memory_and_time(commands: Commands, tmp_path: Path) -> None:
    """What is asked for each task does not bind it; what it is given, a rerun gives again."""
    inputs, store = experiment(1).write(tmp_path / "input"), tmp_path / "out.zarr"
    said = commands.run("submit", *inputs, store, "--mem", "100M", "--time", "1").stdout
    job = latest(store).finalising_job
    assert f"and the finalising job {job}\n" in said
    assert "  each task: 100 MiB, 1 min, 1 core" in said
    assert "  the finalising job: 384 MiB, 31 min, 1 core" in said
    asked = commands.slurm("squeue", "-h", "-t", "all", "-j", str(job), "-o", "%m %l %j")
    assert asked == "384M 31:00 t2z-out-finalise"
    commands.wait(store)
    assert (tmp_path / "out.zarr-report.html").exists()
    commands.run("cancel", store)

    other = tmp_path / "other.zarr"
    without_report(other)
    options = ("--verify", "full", "--finalise-mem", "3G", "--finalise-time", "2:00:00")
    with_prelude = tmp_path / "prelude.sh"
    with_prelude.write_text('[ -n "$SLURM_ARRAY_JOB_ID" ] || exit 3\n')
    commands.run("submit", *inputs, other, *options, "--prelude", with_prelude)
    commands.wait(other, status=1)
    with_prelude.write_text("true\n")
    commands.run("rerun", other, "--prelude", with_prelude)
    assert latest(other).verify == "full"
    request = latest(other).finalising_request
    assert request is not None
    assert (request.memory, request.minutes, request.prelude) == (3072, 120, "true\n")
    commands.wait(other)


def test_it_runs_out_of_memory(slurm: Cluster, commands: Commands, tmp_path: Path) -> None:
    """It is told everywhere, and a rerun submits it alone, with more."""
    if not slurm.settings.with_cgroups:
        pytest.skip("no task is held to its memory here; another test kills the job")
    inputs, store = experiment(2).write(tmp_path / "input"), tmp_path / "out.zarr"
    commands.run("submit", *inputs, store, "--finalise-mem", "30M")
    said = commands.wait(store, status=1).stdout
    job = latest(store).finalising_job
    text = f"finalising job {job}: failed: It needed more memory"
    assert text in said
    assert f"next:  tracks2zarr slurm rerun {store}" in said
    assert text in commands.run("wait", "-q", store, status=1).stderr
    assert set(commands.states(store).values()) == {"done"}
    assert finalising_job(commands, store)["cause"] == "OUT_OF_MEMORY"
    said = commands.run("rerun", store).stdout
    assert "The finalising job gets 384 MiB of memory instead of 30 MiB: It needed more" in said
    assert f"Submitted the finalising job {latest(store).finalising_job}\n" in said
    assert latest(store).arrays == ()
    assert "0 error" not in commands.wait(store).stdout
    assert finalising_job(commands, store)["state"] == "done"
    assert (store / "logs" / "summary.txt").exists()
    assert "Nothing was submitted." in commands.run("rerun", store).stdout


def test_what_it_found_stands_until_as_much_is_verified(commands: Commands, tmp_path: Path) -> None:
    """Neither a cancellation nor a run by hand that verifies less makes a wrong store right."""
    inputs, store = experiment(1).write(tmp_path / "input"), tmp_path / "out.zarr"
    without_report(store)
    commands.run("submit", *inputs, store, "--verify", "full")
    commands.wait(store)
    source = inputs[0] / f"{name_of(0)}-Loop00_tracks.csv"
    whole = source.read_bytes()
    source.write_bytes(whole.replace(b'""x"":19,', b'""x"":18,', 1))
    assert source.read_bytes() != whole
    commands.run("finish", store, "--verify", "full", status=1)
    commands.run("wait", store, "-q", status=1)
    commands.run("cancel", store)
    commands.run("finish", store, "--verify", "none")
    commands.run("finish", store)
    said = commands.run("wait", store, status=1).stdout
    assert "slurm finish: failed" in said
    assert f"next:  tracks2zarr verify {store}" in said
    source.write_bytes(whole)
    commands.run("finish", store, "--verify", "full")
    commands.run("wait", store)


def test_a_run_by_hand_does_not_hide_the_job(commands: Commands, tmp_path: Path) -> None:
    """Nor does cancelling it: what it was to verify is not verified."""
    inputs, store = experiment(1).write(tmp_path / "input"), tmp_path / "out.zarr"
    without_report(store)
    prelude = tmp_path / "prelude.sh"
    prelude.write_text('[ -n "$SLURM_ARRAY_JOB_ID" ] || sleep 60\n')
    commands.run("submit", *inputs, store, "--prelude", prelude)
    job = latest(store).finalising_job or ""
    until(lambda: set(commands.states(store).values()) == {"done"}, pause=0.2)
    commands.run("finish", store, status=0)
    until(lambda: finalising_job(commands, store)["state"] == "running", pause=0.2)
    said = commands.run("status", job, status=1).stdout
    assert f"finalising job {job}: running" in said
    commands.run("cancel", job)
    assert finalising_job(commands, store)["state"] == "cancelled"
    assert f"next:  tracks2zarr slurm rerun {store}" in commands.run("wait", store, status=1).stdout
    prelude.write_text("true\n")
    said = commands.run("rerun", job, "--prelude", prelude).stdout
    assert f"Submitted the finalising job {latest(store).finalising_job}\n" in said
    commands.wait(store)


@pytest.mark.parametrize("how", ["killed", "cancelled", "wrong"])
def test_it_fails(commands: Commands, tmp_path: Path, how: str) -> None:
    inputs, store = experiment(1).write(tmp_path / "input"), tmp_path / "out.zarr"
    without_report(store)
    prelude = tmp_path / "prelude.sh"
    chunk = store / name_of(0) / "position/c/0/0/0/0"
    lines = {
        "killed": "kill -9 $$",
        "cancelled": "sleep 60",
        "wrong": f"printf x | dd of={chunk} bs=1 seek=40 conv=notrunc",
    }
    prelude.write_text(f'[ -n "$SLURM_ARRAY_JOB_ID" ] || {{ {lines[how]}; }}\n')
    commands.run("submit", *inputs, store, "--prelude", prelude)
    job = latest(store).finalising_job or ""
    if how == "cancelled":
        until(lambda: "RUNNING" in commands.slurm("squeue", "-h", "-j", job, "-o", "%T"))
        commands.slurm("scancel", job)
    said = commands.wait(store, status=1).stdout
    why = {
        "killed": "It was killed",
        "cancelled": "It was cancelled.",
        "wrong": f"failed: {name_of(0)}: The files of the group are not those that were written.",
    }
    assert why[how] in said
    assert "1 video: 1 done\n" in said
    prelude.write_text("true\n")
    if how == "wrong":
        assert f"next:  tracks2zarr verify {store}" in said
        assert tz.create(tz.plan(*inputs), store, store_mode="a", group_mode="w").ok
    else:
        assert f"next:  tracks2zarr slurm rerun {store}" in said
    commands.run("rerun", store, "--prelude", prelude)
    commands.wait(store)
    assert tz.verify(store).ok
    assert temporary(store) == []


def test_it_waits_for_all_tasks_of_the_store(commands: Commands, tmp_path: Path) -> None:
    """Whoever submitted them: those of an earlier submission run when the later ones have ended."""
    inputs, store = experiment(3, long=(1,)).write(tmp_path / "input"), tmp_path / "out.zarr"
    without_report(store)
    bad = inputs[0] / f"{name_of(0)}-Loop00_tracks.csv"
    whole = bad.read_bytes()
    bad.write_bytes(whole + b"half a row,")
    commands.run("submit", *inputs, store)
    first = latest(store)
    with stopping_in_mid_write(store, 1) as processes:
        until(lambda: commands.states(store)[name_of(0)] == "failed", pause=0.2)
    bad.write_bytes(whole)
    commands.run("rerun", store)
    second = latest(store)
    waits_for = commands.slurm("squeue", "-h", "-j", second.finalising_job or "", "-o", "%E")
    for job in (*second.jobs[:-1], *first.jobs):
        assert job in waits_for, waits_for
    until(lambda: commands.states(store)[name_of(0)] == "done", pause=0.2)
    assert finalising_job(commands, store)["state"] == "pending"
    os.kill(processes[1], signal.SIGCONT)
    said = commands.run("wait", store).stdout
    assert "3 videos: 3 done\n" in said
    assert commands.slurm("squeue", "-h", "-o", "%F", "-j", job_of(store)) == ""
    assert finalising_job(commands, store) == {
        "state": "done",
        "job": second.finalising_job,
        "why": None,
        "cause": None,
        "problems": [],
    }
    assert tz.verify(store).ok
