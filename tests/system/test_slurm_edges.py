"""What else can go wrong around array jobs: jobs that repeat, stores that are copied or replaced,
programs that fail, variables that mislead. On a real SLURM where one is needed."""

import os
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest
import xarray as xr

import tracks2zarr as tz
from support.array_jobs import (
    Commands,
    at_work,
    experiment,
    job_of,
    name_of,
    stop_in_mid_write,
    until,
    without_report,
)
from support.slurm_cluster import Cluster
from support.tree import cli_environment, run_cli

pytestmark = [pytest.mark.system, pytest.mark.slow]

LATER = "--sbatch=--begin=now+1hour"


@pytest.fixture
def commands(slurm: Cluster, tmp_path: Path) -> Commands:
    return Commands(slurm.env, tmp_path)


@pytest.fixture
def inputs(tmp_path: Path) -> tuple[Path, Path]:
    return experiment(3).write(tmp_path / "input")


def n_queued(commands: Commands) -> int:
    return len(commands.slurm("squeue", "-hr", "-o", "%K").replace("N/A", "").split())


def test_two_submissions_at_once(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    command = [sys.executable, "-m", "tracks2zarr", "slurm", "submit", *map(str, inputs)]
    runs = [
        subprocess.Popen(
            [*command, str(store), "--store-mode", "a", LATER],
            env={**cli_environment(), **commands.env},
            stdout=subprocess.DEVNULL,
        )
        for _ in range(2)
    ]
    assert [run.wait(60) for run in runs] == [0, 0]
    assert n_queued(commands) == 3
    commands.run("cancel", store)
    assert n_queued(commands) == 0


def test_some_of_the_videos(commands: Commands, inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Videos that are named, then all: the index of a task counts in the plan of the store."""
    store, listed = tmp_path / "out.zarr", tmp_path / "videos.txt"
    listed.write_text(f"# the last\n{name_of(2)}\n")
    unknown = commands.run("submit", *inputs, store, "--video", "Video01", status=1)
    assert f"Did you mean '{name_of(1)}'?" in unknown.stderr
    refused = commands.run("submit", *inputs, store, "--sbatch=--array=1", status=2)
    assert "name them with --video" in refused.stderr
    assert not store.exists()
    without_report(store)
    nodes = ["--nodelist", commands.slurm("sinfo", "-ho", "%N"), "--exclude", "no-such-node"]
    assert (
        "SLURM refused the request."
        in commands.run("submit", *inputs, store, *nodes, status=1).stderr
    )
    chosen = commands.run("submit", *inputs, store, "--videos-from", listed, *nodes[:2])
    assert "Submitted 1 task (" in chosen.stdout
    commands.wait(store)
    assert commands.states(store) == {name_of(2): "done"}
    (inputs[0] / f"{name_of(1)}-Loop00_tracks.csv").unlink()
    (inputs[0] / f"{name_of(1)}-Loop01_tracks.csv").unlink()
    rest = commands.run("submit", *inputs, store, "--store-mode", "a")
    warning = f"warning: 1 of 3 videos in the metadata CSV has no tracks file: {name_of(1)}."
    assert warning in rest.stderr
    assert "1 video done already\nSubmitted 1 task (" in rest.stdout
    commands.wait(store)
    assert commands.states(store) == {name_of(0): "done", name_of(2): "done"}
    changed = inputs[0] / f"{name_of(2)}-Loop01_tracks.csv"
    changed.write_bytes(changed.read_bytes().replace(b'height"":1', b'height"":2'))
    modes = ("--store-mode", "a", "--group-mode", "a")
    kept = commands.run("submit", *inputs, store, *modes)
    assert "2 videos done already\nNothing was submitted." in kept.stdout
    assert "warning: Clips in the store are kept" in kept.stderr
    created = run_cli("create", *inputs, store, *modes, "--quiet")
    assert created.returncode == 0
    same = [line for line in created.stderr.splitlines() if not line.startswith("  do: ")]
    assert same == [line for line in kept.stderr.splitlines() if not line.startswith("  do: ")]


def test_less_memory_than_is_predicted(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    for command, mem, said in (
        (["submit", *inputs], "20M", "warning: Each task gets 20 MiB, and "),
        (["rerun"], "30M", "warning: Each task gets 30 MiB, and "),
        (["rerun"], "4G", ""),
    ):
        ended = commands.run(*command, store, "--mem", mem, LATER)
        assert (said in ended.stderr) if said else ended.stderr == ""
        assert "Submitted 3 tasks" in ended.stdout
        commands.run("cancel", store)


def test_a_copy_of_a_store_has_no_jobs(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store, copy = tmp_path / "out.zarr", tmp_path / "copy.zarr"
    commands.run("submit", *inputs, store, LATER)
    shutil.copytree(store, copy)
    assert "3 pending" in commands.run("cancel", copy).stdout
    assert n_queued(commands) == 3
    assert set(commands.states(store).values()) == {"pending"}
    commands.run("cancel", store)


def test_a_store_with_tasks_in_the_queue_is_not_replaced(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store, LATER)
    job = job_of(store)
    refused = commands.run("submit", *inputs, store, "--store-mode", "w", "--yes", status=1)
    assert "Tasks for the store are running or waiting in the queue." in refused.stderr
    replaced = run_cli("create", *inputs, store, "--store-mode", "w", "--yes")
    assert replaced.returncode == 0  # nobody asks SLURM here: but its tasks find another store
    commands.slurm("scontrol", "update", f"JobId={job}", "StartTime=now")
    log = store / "logs" / f"slurm_array.{job}-0.x.err"
    until(lambda: not commands.slurm("squeue", "-h", "-j", job, check=False), pause=0.3)
    assert not log.exists()
    assert tz.verify(store).ok
    # the new store does not know of it, and other tests look for an empty queue
    commands.slurm("scancel", "--name=tracks2zarr-last", "--state=PENDING")


def test_another_cluster_is_not_asked(
    commands: Commands,
    slurm_without_accounting: Cluster,
    inputs: tuple[Path, Path],
    tmp_path: Path,
) -> None:
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store, LATER)
    elsewhere = Commands(slurm_without_accounting.env, tmp_path)
    assert set(elsewhere.states(store).values()) == {"unknown"}
    assert "the jobs are on" in elsewhere.run("cancel", store, status=1).stderr
    assert "the jobs are on" in elsewhere.run("rerun", store, status=1).stderr
    elsewhere.run("wait", store, status=1)
    assert set(commands.states(store).values()) == {"pending"}
    commands.run("cancel", store)


def flaky(folder: Path, program: str) -> str:
    """Return a PATH on which a program of SLURM fails once, then is the real one."""
    real, once = shutil.which(program), folder / "failed-once"
    path = folder / "flaky" / program
    path.parent.mkdir(exist_ok=True)
    path.write_text(
        f'#!/bin/sh\n[ -e "{once}" ] || {{ touch "{once}"; echo "busy" >&2; exit 1; }}\n'
        f'exec {real} "$@"\n'
    )
    path.chmod(0o755)
    once.unlink(missing_ok=True)
    return f"{path.parent}{os.pathsep}{os.environ['PATH']}"


def test_a_queue_that_fails_once(
    commands: Commands, slurm: Cluster, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store, LATER)
    unlucky = Commands({**slurm.env, "PATH": flaky(tmp_path, "squeue")}, tmp_path)
    assert "Nothing was submitted" in unlucky.run("rerun", store).stdout
    flaky(tmp_path, "squeue")
    again = unlucky.run("submit", *inputs, store, "--store-mode", "a").stdout
    assert "Nothing was submitted" in again
    assert n_queued(commands) == 3
    flaky(tmp_path, "squeue")
    known = unlucky.status(store)
    assert {video["state"] for video in known.values()} == {"unknown"}
    commands.run("cancel", store)


def test_variables_that_mislead(
    commands: Commands, slurm: Cluster, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    misleading = {
        **slurm.env,
        "SQUEUE_PARTITION": "no-such",
        "SQUEUE_STATES": "RUNNING",
        "SBATCH_ARRAY_INX": "0-1",
        "SBATCH_TIMELIMIT": "3",
        "SBATCH_WAIT": "1",
    }
    misled = Commands(misleading, tmp_path)
    misled.run("submit", *inputs, store, LATER, "--time", "60")
    assert n_queued(commands) == 3
    assert set(misled.states(store).values()) == {"pending"}
    shown = commands.slurm("scontrol", "show", "job", job_of(store))
    assert "TimeLimit=01:00:00" in shown
    commands.run("cancel", store)


def test_a_dependency_is_one_of_the_tasks(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    first = commands.slurm("sbatch", "--parsable", "-o", "/dev/null", "--wrap", "sleep 3")
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store, f"--sbatch=--dependency=afterok:{first}")
    commands.wait(store)
    assert "3 of 3 videos verified" in (store / "logs/summary.txt").read_text()


def test_a_replacement_that_fails_is_not_done(commands: Commands, tmp_path: Path) -> None:
    """With group mode w the older video stays in the store; that is no success."""
    inputs = experiment(1, long=(0,)).write(tmp_path / "input")
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*inputs), store).ok
    modes = ("--store-mode", "a", "--group-mode", "w")
    commands.run("submit", *inputs, store, *modes, LATER)
    assert commands.states(store) == {name_of(0): "pending"}
    assert "Nothing was submitted" in commands.run("submit", *inputs, store, *modes).stdout
    commands.run("cancel", store)
    commands.run("submit", *inputs, store, *modes)
    os.kill(until(lambda: at_work(store, 0))["process"], signal.SIGKILL)
    commands.wait(store, status=1)
    assert commands.states(store) == {name_of(0): "failed"}
    assert tz.verify(store).ok  # the older one
    commands.run("rerun", store)
    commands.wait(store)
    assert commands.states(store) == {name_of(0): "done"}


def test_a_script_that_counts_from_1(
    commands: Commands, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    (tmp_path / "job.sh").write_text(
        "#!/bin/bash\n#SBATCH --array=1-3\n"
        "#SBATCH -o slurm_array.%A-%a.%N.out\n#SBATCH -e slurm_array.%A-%a.%N.err\n"
        f"exec {sys.executable} -m tracks2zarr slurm task {store} --first-index 1"
        f" --tracks-dir {inputs[0]} --metadata {inputs[1]} --log-dir .\n"
    )
    job = commands.slurm("sbatch", "--parsable", "job.sh")
    until(lambda: not commands.slurm("squeue", "-h", "-j", job, check=False), pause=0.3)
    known = commands.status(store)
    assert [video["state"] for video in known.values()] == ["done"] * 3
    assert [video["task"] for video in known.values()] == [1, 2, 3]
    with xr.open_datatree(store, engine="zarr") as tree:
        assert len(tree.children) == 3


def test_a_task_of_a_script_that_never_began(commands: Commands, tmp_path: Path) -> None:
    """The others are listed all the same: nobody waits for its word."""
    inputs = experiment(4, long=(1,)).write(tmp_path / "input")
    commands.run("script", *inputs, tmp_path / "out.zarr")
    job = commands.slurm("sbatch", "--parsable", "--array=0-3%2", "run_create_zarr_dataset.sh")
    commands.slurm("scancel", f"{job}_3")
    until(lambda: not commands.slurm("squeue", "-h", "-j", job, check=False), pause=0.3)
    store = tmp_path / "out.zarr"
    with xr.open_datatree(store, engine="zarr") as tree:
        assert len(tree.children) == 3
    assert commands.states(store)[name_of(3)] in {"cancelled", "missing", "pending"}


def test_a_task_that_is_requeued_is_not_failed(commands: Commands, tmp_path: Path) -> None:
    inputs = experiment(1, long=(0,)).write(tmp_path / "input")
    store = tmp_path / "out.zarr"
    commands.run("submit", *inputs, store)
    stop_in_mid_write(store, 0)
    commands.slurm("scontrol", "requeuehold", "State=SpecialExit", f"{job_of(store)}_0")
    until(lambda: commands.states(store)[name_of(0)] == "pending", pause=0.5)
    blind = Commands({"PATH": ""}, tmp_path)
    until(lambda: blind.states(store)[name_of(0)] == "unknown", pause=0.5)
    assert "Nothing was submitted" in commands.run("rerun", store).stdout
    commands.slurm("scontrol", "release", f"{job_of(store)}_0")
    commands.wait(store)
    assert tz.verify(store).ok
