"""What is said of tasks when SLURM knows little, nothing any more, or does not answer."""

import json
import os
import signal
import time
from functools import partial
from pathlib import Path

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
from support.commands import call
from support.slurm_cluster import Cluster
from support.tree import snapshot
from tracks2zarr.slurm import control
from tracks2zarr.slurm.client import Slurm, UnansweredError
from tracks2zarr.slurm.status import status
from tracks2zarr.slurm.submission import read_submissions
from tracks2zarr.store.store import Store

pytestmark = [
    pytest.mark.system,
    pytest.mark.slow,
]

BAD, KILLED, REQUEUED, CANCELLED = 1, 2, 3, 5


@pytest.fixture
def commands(slurm_without_accounting: Cluster, tmp_path: Path) -> Commands:
    return Commands(slurm_without_accounting.env, tmp_path)


@pytest.mark.timeout(600)
def test_without_accounting(
    commands: Commands, slurm_without_accounting: Cluster, tmp_path: Path
) -> None:
    """As with it; and the same is said when SLURM has forgotten the job, and without SLURM."""
    inputs = experiment(6, long=(KILLED, REQUEUED)).write(tmp_path / "input")
    bad = inputs[0] / f"{name_of(BAD)}-Loop00_tracks.csv"
    whole = bad.read_bytes()
    store = tmp_path / "out.zarr"
    bad.write_bytes(whole + b"half a row,")
    commands.run("submit", *inputs, store, "--max-tasks", "2")
    job = job_of(store)
    with stopping_in_mid_write(store, KILLED, REQUEUED) as processes:
        commands.slurm("scancel", f"{job}_{CANCELLED}")
    os.kill(processes[KILLED], signal.SIGKILL)
    commands.slurm("scontrol", "requeue", f"{job}_{REQUEUED}")
    commands.wait(store, status=1)

    expected = {name_of(n): "done" for n in range(6)}
    expected |= {name_of(BAD): "failed", name_of(KILLED): "failed", name_of(CANCELLED): "missing"}
    known = commands.status(store)
    assert {name: video["state"] for name, video in known.items()} == expected, json.dumps(known)
    assert "killed" in known[name_of(KILLED)]["why"]
    assert known[name_of(REQUEUED)]["attempt"] == 2
    age = slurm_without_accounting.settings.min_job_age
    until(lambda: not commands.slurm("squeue", "-h", "-t", "all"), seconds=age + 180, pause=0.5)
    assert commands.status(store) == known
    assert Commands({"PATH": ""}, tmp_path).status(store) == known

    bad.write_bytes(whole)
    commands.run("rerun", store)
    commands.wait(store)
    assert tz.create(tz.plan(*inputs), tmp_path / "local.zarr").ok
    assert snapshot(store) == snapshot(tmp_path / "local.zarr")
    assert temporary(store) == []


def test_what_pending_tasks_wait_for(commands: Commands, tmp_path: Path) -> None:
    """A busy node, a hold, and more time than the partition gives: one line each."""
    inputs, store = experiment(3).write(tmp_path / "input"), tmp_path / "my results/100%.zarr"
    store.parent.mkdir()
    without_report(store)
    go, prelude = tmp_path / "go", tmp_path / "prelude.sh"
    waits = f"[ -n \"$SLURM_ARRAY_TASK_ID\" ] && [ ! -e '{go}' ]"
    prelude.write_text(f"while {waits}; do sleep 0.02; done\n")
    commands.run("submit", *inputs, store, "--cpus", "20", "--prelude", prelude)
    job = job_of(store)

    def waits_for(line: str) -> bool:
        said = commands.run("status", store, status=1).stdout
        return f"\n2 pending: {line}" in said and "3 videos: 1 running, 2 pending\n" in said

    until(lambda: waits_for("Resources (the cluster is busy; nothing to do)\n"), pause=0.5)
    (submission,) = read_submissions(Store.at(store))
    for given in (job, f"{job}_1", str(submission.finalising_job)):
        assert (
            f"next:  tracks2zarr slurm wait '{store}'"
            in commands.run("status", given, status=1).stdout
        )
    commands.slurm("scontrol", "uhold", job)
    until(lambda: waits_for("JobHeldUser (held by you; 'scontrol release JOB'"), pause=0.5)
    commands.slurm("scontrol", "release", job)
    partition = ("scontrol", "update", "PartitionName=main")
    commands.slurm(*partition, "MaxTime=1")
    try:
        until(lambda: waits_for("PartitionTimeLimit (it requests more time than"), pause=0.5)
    finally:
        commands.slurm(*partition, "MaxTime=INFINITE")
    other = commands.slurm("sbatch", "--parsable", "--wrap", "true", "--output", "/dev/null")
    refused = commands.run("status", other, status=1).stderr
    assert f"job {other}, which is not one of tracks2zarr" in refused
    refused = commands.run("status", "987654321", status=1).stderr
    assert "job 987654321, which SLURM does not know any more" in refused
    assert "Pass the folder of the store" in refused
    go.touch()
    commands.wait(store)


def test_more_videos_than_an_array_may_have(
    commands: Commands, slurm_without_accounting: Cluster, tmp_path: Path
) -> None:
    assert slurm_without_accounting.settings.max_array_size == 6
    inputs = experiment(14).write(tmp_path / "input")
    store = tmp_path / "out.zarr"
    without_report(store)
    said = commands.run("submit", *inputs, store).stdout
    assert "Submitted 14 tasks" in said
    commands.wait(store)
    known = commands.status(store)
    assert [video["task"] for video in known.values()] == [*range(6), *range(6), 0, 1]
    assert len({video["job"] for video in known.values()}) == 3
    assert tz.verify(store).ok
    assert temporary(store) == []


def test_slurm_that_does_not_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its clients try for minutes; nobody waits that long, and nothing is guessed."""
    inputs = experiment(2).write(tmp_path / "input")
    store = tmp_path / "out.zarr"
    from support.slurm_cluster import cluster
    from support.slurm_daemons import Settings

    with cluster(Settings(accounting=False)) as running:
        commands = Commands(running.env, tmp_path)
        commands.run("submit", *inputs, store, "--sbatch=--begin=now+1hour")
        conf = Path(running.env["SLURM_CONF"]).read_text()
    gone = tmp_path / "slurm.conf"
    gone.write_text(conf.replace("MaxJobCount", "MessageTimeout=100\nMaxJobCount"))
    monkeypatch.setenv("SLURM_CONF", str(gone))
    began = time.monotonic()
    with pytest.raises(UnansweredError):
        Slurm(timeout=1).queue(["1"])
    known = status(store, Slurm(timeout=1))
    assert time.monotonic() - began < 15
    assert {str(video.state) for video in known.videos} == {"unknown"}
    assert known.unanswered
    impatient = partial(control.wait, slurm=Slurm(timeout=1), unreachable_timeout=0)
    monkeypatch.setattr(control, "wait", impatient)
    for options in ((), ("-q",)):
        ended = call("slurm", "wait", store, *options)
        assert ended.status == 1
        assert "Stopped waiting: SLURM has not answered for 2 minutes." in ended.stderr
    assert "Video000, Video001: It has left no word yet" in ended.stderr
    assert f"next:  tracks2zarr slurm wait {store}" in call("slurm", "wait", store).stdout
