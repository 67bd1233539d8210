"""The whole experiment as an array job, on a real SLURM."""

import functools
import json
import os
import signal
import stat
from pathlib import Path
from typing import Any

import pytest
import xarray as xr

import tracks2zarr as tz
from support.array_jobs import (
    Commands,
    experiment,
    job_of,
    last_attempt,
    name_of,
    stop_in_mid_write,
    stopping_in_mid_write,
    temporary,
    until,
    without_report,
)
from support.slurm_cluster import Cluster
from support.tree import run_cli, snapshot

pytestmark = [pytest.mark.system, pytest.mark.slow]


@pytest.fixture
def commands(slurm: Cluster, tmp_path: Path) -> Commands:
    return Commands(slurm.env, tmp_path)


def write(folder: Path, n_videos: int, long: tuple[int, ...] = ()) -> tuple[Path, Path]:
    return experiment(n_videos, long).write(folder / "input")


def local_copy(folder: Path, inputs: tuple[Path, Path]) -> dict[str, str]:
    """Return the snapshot of a store that `create` makes of the same input."""
    store = folder / "local.zarr"
    assert tz.create(tz.plan(*inputs), store).ok
    return snapshot(store)


def break_file(inputs: tuple[Path, Path], number: int) -> bytes:
    """Break a row of a tracks file; return what the file held."""
    path = inputs[0] / f"{name_of(number)}-Loop00_tracks.csv"
    whole = path.read_bytes()
    path.write_bytes(whole + b"half a row,")
    return whole


BAD, KILLED, REQUEUED, TOO_LONG, CANCELLED = 1, 2, 3, 4, 26


@pytest.mark.timeout(600)
def test_an_experiment_in_which_everything_goes_wrong(commands: Commands, tmp_path: Path) -> None:
    """27 videos, 9 at a time; status tells each truthfully, one rerun mends all of it."""
    inputs = write(tmp_path, 27, long=(KILLED, REQUEUED, TOO_LONG))
    expected = local_copy(tmp_path, inputs)
    whole = break_file(inputs, BAD)
    store = tmp_path / "out.zarr"
    # so much memory that the task which is killed was not near to what it may have
    submitted = commands.run("submit", *inputs, store, "--time", "1", "--mem", "1G").stdout
    assert "Submitted 27 tasks" in submitted
    job = job_of(store)
    commands.slurm("scontrol", "update", f"JobId={job}", "TimeLimit=60")  # until it is looked at
    with stopping_in_mid_write(store, KILLED, REQUEUED, TOO_LONG) as processes:
        commands.slurm("scancel", f"{job}_{CANCELLED}")
    os.kill(processes[KILLED], signal.SIGKILL)
    commands.slurm("scontrol", "requeue", f"{job}_{REQUEUED}")

    names = {n: name_of(n) for n in (BAD, KILLED, REQUEUED, TOO_LONG, CANCELLED)}
    ended = until(
        lambda: (
            (s := commands.status(store))[names[KILLED]]["state"] == "failed"
            and s[names[BAD]]["state"] == "failed"
            and s
        ),
        pause=0.5,
    )
    assert ended[names[TOO_LONG]]["state"] == "running"
    assert ended[names[REQUEUED]]["state"] in {"pending", "running", "done"}
    assert ended[names[CANCELLED]]["state"] == "missing"
    assert "cancelled" in ended[names[CANCELLED]]["why"]
    commands.slurm("scontrol", "update", f"JobId={job}_{TOO_LONG}", "EndTime=now+10")
    waited = commands.wait(store, status=1)
    assert "slurm rerun" in waited.stdout

    known = commands.status(store)
    states = {name: video["state"] for name, video in known.items()}
    not_done = {names[BAD]: "failed", names[KILLED]: "failed", names[TOO_LONG]: "failed"}
    not_done[names[CANCELLED]] = "missing"  # SLURM keeps no trace of a task cancelled alone
    assert {name: state for name, state in states.items() if state != "done"} == not_done
    assert "wrong number of fields" in known[names[BAD]]["why"]
    assert "killed" in known[names[KILLED]]["why"]
    assert known[names[TOO_LONG]]["why"].startswith("It ran into its time limit")
    assert known[names[TOO_LONG]]["cause"] == "TIMEOUT"
    assert known[names[REQUEUED]]["attempt"] == 2
    assert known[names[BAD]]["node"]
    assert known[names[BAD]]["peak_memory"] > 2**20
    check_logs(store, known, names, job)
    assert temporary(store) == []
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert {*tree.children} == {*states} - {*not_done}

    inputs[0].joinpath(f"{names[BAD]}-Loop00_tracks.csv").write_bytes(whole)
    again = commands.run("rerun", store).stdout
    assert "Submitted 4 tasks" in again
    assert f"{names[TOO_LONG]} gets 2 minutes instead of 1" in again
    assert "Nothing was submitted." in commands.run("rerun", store).stdout
    commands.wait(store)
    assert set(commands.states(store).values()) == {"done"}
    assert snapshot(store) == expected
    assert tz.verify(store).ok
    assert temporary(store) == []


def check_logs(
    store: Path, known: dict[str, dict[str, Any]], names: dict[int, str], job: str
) -> None:
    """Check that logs lie where they belong, read-only, and that the summary tells all."""
    failed = {path.name.split(".")[1] for path in (store / "logs_failed").iterdir()}
    assert failed == {f"{job}-{n}" for n in (BAD, KILLED, TOO_LONG)}
    kept = {path.name.split(".")[1] for path in (store / "logs").glob("slurm_array.*")}
    assert kept == {f"{job}-{n}" for n in range(27)} - failed - {f"{job}-{CANCELLED}"}
    for log in (store / "logs").glob("slurm_array.*"):
        assert stat.S_IMODE(log.stat().st_mode) == 0o444
    log = Path(known[names[BAD]]["log"])
    assert log.parent == store / "logs_failed"
    assert "wrong number of fields" in log.read_text()
    summary = (store / "logs/summary.txt").read_text()
    assert all(name in summary for name in known)
    assert "23 done, 3 failed, 1 missing" in summary
    assert "23 of 27 videos verified" in summary
    report = store.with_name(f"{store.name}-report.html").read_text(encoding="utf-8")
    assert report.count('<section class="video"') == 27


def running(commands: Commands, job: str, count: int) -> bool:
    return len(commands.slurm("squeue", "-hrj", job, "-t", "R").splitlines()) == count


@pytest.mark.timeout(900)
@pytest.mark.parametrize("times", [4, pytest.param(20, marks=pytest.mark.torture)])
def test_all_tasks_write_at_the_same_moment(commands: Commands, tmp_path: Path, times: int) -> None:
    """Again and again: never a hidden or half group, and nothing is left beside the store."""
    inputs = write(tmp_path, 9)
    expected = local_copy(tmp_path, inputs)
    for number in range(times):
        go = tmp_path / f"go{number}"
        prelude = tmp_path / "prelude.sh"
        prelude.write_text(f"while [ ! -e '{go}' ]; do sleep 0.02; done\n")
        store = tmp_path / f"out{number}.zarr"
        without_report(store)
        options = ("--prelude", prelude, "--verify", "none")
        commands.run("submit", *inputs, store, *options)
        job = job_of(store)
        until(functools.partial(running, commands, job, 9), pause=0.1)
        go.touch()
        commands.until_ended(store)
        assert snapshot(store) == expected
        assert temporary(store) == []
        with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
            assert len(tree.children) == 9


def test_the_default_store_is_named_after_the_job(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 2)
    script = commands.run("submit", *inputs, "--dry-run").stdout
    assert "#SBATCH --array=0-1%9" in script
    assert [path.name for path in tmp_path.iterdir()] == ["input"]
    commands.run("submit", *inputs)
    (store,) = tmp_path.glob("*.zarr")
    assert store.name == f"CrabTracks-slurm{job_of(store)}.zarr"
    commands.run("wait", store)  # while its jobs run
    assert tz.verify(store).ok


def test_problems_are_found_before_anything_is_queued(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 3)
    text = inputs[1].read_text()
    inputs[1].write_text(text.replace(",triggered", ",triggered").replace("Video001-Loop00", "x"))
    before = commands.slurm("squeue", "-h", "-t", "all")
    done = commands.run("submit", *inputs, tmp_path / "out.zarr", status=1)
    assert "Video001-Loop00" in done.stderr
    inputs[1].write_text(text)
    for name in ("out{job}.zarr", "out.zarr"):
        refused = commands.run(
            "submit", *inputs, tmp_path / name, "--partition", "no-such", status=1
        )
        assert "SLURM refused the request." in refused.stderr
        assert "invalid partition" in refused.stderr.lower()
    assert commands.slurm("squeue", "-h", "-t", "all") == before
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


def test_names_that_shells_and_slurm_take_apart(commands: Commands, tmp_path: Path) -> None:
    folder = tmp_path / "a b%A'c\"d#e$HOME"
    inputs = write(folder, 2)
    store = folder / "my %j store.zarr"
    commands.run("submit", *inputs, store)
    commands.wait(store)
    assert len(list((store / "logs").glob("slurm_array.*.err"))) == 2
    assert tz.verify(store).ok
    refused = commands.run("submit", *inputs, folder / "back\\slash.zarr", status=1)
    assert "SLURM cannot write logs there." in refused.stderr


def test_options_reach_the_jobs(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 2)
    store = tmp_path / "out.zarr"
    prelude = tmp_path / "prelude.sh"
    prelude.write_text(f'echo "$SLURM_ARRAY_TASK_ID" >> "{tmp_path}/prelude.log"\n')
    hold = ("--sbatch=--begin=now+1hour", "--sbatch=--comment=a word")
    asked = ("--mem", "2G", "--time", "1-02:03", "--cpus", "2", "--max-tasks", "1")
    commands.run("submit", *inputs, store, *asked, *hold, "--prelude", prelude)
    shown = commands.slurm("scontrol", "show", "job", job_of(store))
    assert "TimeLimit=1-02:03:00" in shown
    assert "mem=2G" in shown
    assert "CPUs/Task=2" in shown
    assert "ArrayTaskThrottle=1" in shown
    assert "Comment=a word" in shown
    assert set(commands.states(store).values()) == {"pending"}
    commands.run("cancel", store)
    known = commands.status(store)
    assert {video["state"] for video in known.values()} == {"cancelled"}
    assert commands.slurm("squeue", "-h") == ""
    now = ("--sbatch=--begin=now", "--sbatch=--comment=other")  # in place of what was asked for
    commands.run("rerun", store, "--mem", "1G", "--time", "5", *now)
    commands.wait(store)
    assert tz.verify(store).ok
    assert len((tmp_path / "prelude.log").read_text().split()) >= 2
    arrays = [
        array
        for path in (store / ".tracks2zarr/submissions").iterdir()
        for array in json.loads(path.read_bytes())["arrays"]
    ]
    assert sorted(array["request"]["memory"] for array in arrays) == [1024, 2048]


def test_cancelled_before_its_conversion_begins(commands: Commands, tmp_path: Path) -> None:
    """There is a node and a log, but no record: it is cancelled all the same, and runs again."""
    inputs = write(tmp_path, 1)
    store, begun, go = tmp_path / "out.zarr", tmp_path / "begun", tmp_path / "go"
    prelude = tmp_path / "prelude.sh"
    waits = f"[ -n \"$SLURM_ARRAY_TASK_ID\" ] && [ ! -e '{go}' ]"
    prelude.write_text(f"touch '{begun}'; while {waits}; do sleep 0.02; done\n")
    commands.run("submit", *inputs, store, "--prelude", prelude)
    until(begun.exists)
    commands.slurm("scancel", f"{job_of(store)}_0")
    commands.wait(store, status=1)
    video = commands.status(store)[name_of(0)]
    assert (video["state"], video["cause"]) == ("cancelled", "CANCELLED")
    assert video["node"]
    assert video["log"]
    said = commands.run("status", store, status=1).stdout
    assert "1 video: 1 cancelled\n" in said
    go.touch()
    assert "Submitted 1 task " in commands.run("rerun", store).stdout
    commands.wait(store)


def test_cancelled_while_running(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 3, long=(1,))
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store)
    process = stop_in_mid_write(store, 1)
    until(lambda: commands.states(store)[name_of(2)] == "done", pause=0.3)
    assert "Nothing was submitted" in commands.run("submit", *inputs, store).stdout
    said = commands.run("cancel", store).stdout
    assert said.startswith(f"Cancelled 1 task (job {job_of(store)}) and the finalising job\n")
    assert not Path(f"/proc/{process}").exists()
    known = commands.status(store)
    assert [known[name_of(n)]["state"] for n in range(3)] == ["done", "cancelled", "done"]
    assert "cancelled" in known[name_of(1)]["why"]
    assert temporary(store) == []
    with xr.open_datatree(store, engine="zarr") as tree:
        assert {*tree.children} == {name_of(0), name_of(2)}
    commands.run("rerun", store)
    commands.wait(store)
    assert tz.verify(store).ok


def test_metadata_that_was_mended_counts_in_a_rerun(commands: Commands, tmp_path: Path) -> None:
    """A frame past the clip's end is found when a video is converted; the metadata is mended."""
    inputs = write(tmp_path, 2)
    right = inputs[1].read_text()
    row = next(line for line in right.splitlines() if "Video001-Loop00" in line)
    assert ",1,20," in row
    inputs[1].write_text(right.replace(row, row.replace(",1,20,", ",1,15,")))
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store)
    commands.wait(store, status=1)
    assert commands.states(store) == {name_of(0): "done", name_of(1): "failed"}
    inputs[1].write_text(right)
    commands.run("rerun", store)
    commands.wait(store)
    assert snapshot(store) == local_copy(tmp_path, inputs)


def test_a_source_that_is_gone_stops_a_rerun(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 2)
    break_file(inputs, 1)
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store)
    commands.wait(store, status=1)
    (inputs[0] / f"{name_of(1)}-Loop00_tracks.csv").unlink()
    done = commands.run("rerun", store, status=1)
    assert "A tracks file cannot be read." in done.stderr
    assert commands.slurm("squeue", "-h") == ""


def test_two_tasks_for_one_video(commands: Commands, tmp_path: Path) -> None:
    """The same script, submitted once more by hand: the second waits, then finds nothing to do."""
    inputs = write(tmp_path, 1, long=(0,))
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store)
    process = stop_in_mid_write(store, 0)
    job = job_of(store)
    script = commands.slurm("scontrol", "write", "batch_script", f"{job}_0", "-")
    (tmp_path / "again.sh").write_text(script)
    second = commands.slurm("sbatch", "--parsable", "again.sh")
    log = f"logs/slurm_array.{second}-0.*.err"
    until(lambda: any("waiting" in path.read_text() for path in store.glob(log)))
    assert commands.states(store) == {name_of(0): "running"}
    os.kill(process, signal.SIGCONT)
    commands.wait(store)
    until(lambda: "was done before" in next(iter(store.glob(log))).read_text())
    attempt = last_attempt(store, name_of(0))
    assert attempt is not None
    assert attempt["place"]["job"] == job
    assert tz.verify(store).ok
    assert temporary(store) == []


def test_local_and_cluster_runs_share_a_store(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 4)
    store = tmp_path / "out.zarr"
    assert run_cli("create", *inputs, store, "--pattern", "Video00[01]*.csv").returncode == 0
    refused = commands.run("submit", *inputs, store, status=1)
    assert "The store already exists." in refused.stderr
    done = commands.run("submit", *inputs, store, "--store-mode", "a").stdout
    assert "2 videos done already" in done
    assert "Submitted 2 tasks" in done
    commands.wait(store)
    assert snapshot(store) == local_copy(tmp_path, inputs)


def test_a_store_that_is_replaced(commands: Commands, tmp_path: Path) -> None:
    inputs = write(tmp_path, 2)
    store = tmp_path / "out.zarr"
    assert run_cli("create", *inputs, store, "--pattern", "Video000*.csv").returncode == 0
    refused = commands.run("submit", *inputs, store, "--store-mode", "w", status=1)
    assert "no terminal in which to ask" in refused.stderr
    commands.run("submit", *inputs, store, "--store-mode", "w", "--yes", "--verify", "full")
    commands.wait(store)
    assert snapshot(store) == local_copy(tmp_path, inputs)
    assert "2 of 2 videos verified" in ((store / "logs/summary.txt").read_text())
