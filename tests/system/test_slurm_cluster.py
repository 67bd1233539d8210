"""The SLURM of the tests itself: it does what other clusters do, and leaves nothing behind."""

import os
import signal
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.array_jobs import Commands, experiment, until
from support.slurm_cluster import Cluster, cluster
from support.slurm_daemons import Settings
from tracks2zarr.slurm.client import Slurm

pytestmark = [pytest.mark.system]

TOO_MUCH = f"exec {sys.executable} -c 'held = b\"x\" * 400_000_000; import time; time.sleep(30)'"

KILLED = """
import os, signal
from support.slurm_cluster import cluster
from support.slurm_daemons import Settings
with cluster(Settings(accounting=False)) as running:
    print(running.env["SLURM_CONF"], flush=True)
    os.kill(os.getpid(), signal.SIGKILL)
"""


def submit(running: Cluster, folder: Path, *options: str, wrap: str) -> str:
    """Submit one command, and return the job's id."""
    return Commands(running.env, folder).slurm(
        *("sbatch", "--parsable", f"--output={folder}/%a.out", *options, "--wrap", wrap)
    )


def states_of(running: Cluster, job: str) -> dict[str, str]:
    """Return the state of each task of an array job, as the controller remembers it."""
    command = ("squeue", "-h", "-r", "-t", "all", "-j", job, "-o", "%K %T")
    return dict(row.split() for row in Commands(running.env, Path()).slurm(*command).splitlines())


def until_ended(running: Cluster, job: str) -> dict[str, str]:
    """Wait for the end of an array job; return the state of each task."""
    until(lambda: not Commands(running.env, Path()).slurm("squeue", "-h", "-j", job), pause=0.1)
    return states_of(running, job)


def test_an_array_runs(slurm: Cluster, tmp_path: Path) -> None:
    node = Commands(slurm.env, tmp_path).slurm("sinfo", "-h", "-N", "-o", "%N")
    job = submit(slurm, tmp_path, "--array=0-3", wrap="echo $SLURM_ARRAY_TASK_ID $SLURMD_NODENAME")
    assert until_ended(slurm, job) == dict.fromkeys("0123", "COMPLETED")
    logs = [(tmp_path / f"{index}.out").read_text() for index in range(4)]
    assert logs == [f"{index} {node}\n" for index in range(4)]


def test_accounts_are_kept_where_asked(
    slurm: Cluster, slurm_without_accounting: Cluster, tmp_path: Path
) -> None:
    job = submit(slurm, tmp_path, "--array=0", wrap="exit 3")
    command = ("sacct", "-P", "-n", "-X", "-j", job, "-o", "JobID,State,ExitCode")
    commands = Commands(slurm.env, tmp_path)
    until(lambda: commands.slurm(*command) == f"{job}_0|FAILED|3:0", pause=0.1)
    with pytest.raises(AssertionError, match="accounting storage is disabled"):
        Commands(slurm_without_accounting.env, tmp_path).slurm(*command)


def test_a_task_is_held_to_its_memory(slurm: Cluster, tmp_path: Path) -> None:
    job = submit(slurm, tmp_path, "--array=0", "--mem=50M", wrap=TOO_MUCH)
    expected = "OUT_OF_MEMORY" if slurm.settings.with_cgroups else "FAILED"
    assert until_ended(slurm, job) == {"0": expected}


@pytest.mark.slow
def test_a_controller_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """It cannot be asked, and no option is to blame: each program has other words for it."""
    inputs = experiment(1).write(tmp_path / "input")
    with cluster(Settings(accounting=False)) as running, ThreadPoolExecutor() as pool:
        job = submit(running, tmp_path, "--hold", wrap="true")
        conf = Path(running.env["SLURM_CONF"])
        controller = conf.with_name("run") / "slurmctld.pid"
        impatient = tmp_path / "slurm.conf"  # the programs try for ten seconds otherwise
        impatient.write_text(f"{conf.read_text()}\nMessageTimeout=1\n")
        monkeypatch.setenv("SLURM_CONF", str(impatient))
        commands = Commands({"SLURM_CONF": str(impatient)}, tmp_path)
        for number in (signal.SIGSTOP, signal.SIGKILL):
            os.kill(int(controller.read_text()), number)
            store = tmp_path / f"{number.name}.zarr"
            submitted = pool.submit(commands.run, "submit", *inputs, store, status=1)
            changes = [pool.submit(change, [job]) for change in (Slurm().release, Slurm().cancel)]
            said = [str(change.exception()) for change in changes] + [submitted.result().stderr]
            for text in said:
                assert "error: SLURM cannot be asked." in text
                assert "Try again when 'sinfo' answers." in text
            assert not store.exists()
        with pytest.raises(tz.Tracks2ZarrError, match="SLURM cannot be asked"):
            Slurm(timeout=0.01).submit("#!/bin/sh\n")


def test_it_ends_with_its_jobs(tmp_path: Path) -> None:
    with cluster(Settings(accounting=False)) as running:
        job = submit(running, tmp_path, "--array=0-1", wrap="(trap '' TERM; sleep 1000) & wait")
        until(lambda: set(states_of(running, job).values()) == {"RUNNING"}, pause=0.1)
        folder = Path(running.env["SLURM_CONF"]).parent
    assert processes_that_know(folder) == []
    assert not folder.exists()


def test_it_ends_with_tests_that_are_killed() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", KILLED],
        env={**os.environ, "PYTHONPATH": str(Path(__file__).parents[1])},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    folder = Path(ended.stdout.strip()).parent
    assert folder.name.startswith("slurm-"), ended.stderr
    until(lambda: not folder.exists(), pause=0.1)
    assert processes_that_know(folder) == []


def processes_that_know(folder: Path) -> list[str]:
    """Return the command lines of processes to which a cluster's folder was told."""
    found = []
    for process in Path("/proc").glob("[0-9]*"):
        try:
            told = [(process / name).read_bytes() for name in ("cmdline", "environ")]
        except OSError:
            continue
        if any(os.fsencode(folder) in one for one in told):
            found.append(told[0].decode().replace("\0", " "))
    return found
