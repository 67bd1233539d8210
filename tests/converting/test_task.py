"""One video as a task of its own: without a scheduler, under GNU parallel, under other ones."""

import json
import os
import signal
import subprocess
import sys
import threading
from pathlib import Path

import pytest
import xarray as xr

import tracks2zarr as tz
from support.array_jobs import (
    Commands,
    experiment,
    last_attempt,
    name_of,
    stop_in_mid_write,
    temporary,
    until,
)
from support.tree import cli_environment, run_cli, snapshot
from tracks2zarr.store.store import Store
from tracks2zarr.store.task_record import End, Place, Record, begin_attempt, read_record


@pytest.fixture
def commands(tmp_path: Path) -> Commands:
    """Return commands for which there is no SLURM."""
    return Commands({"PATH": str(Path(sys.executable).parent)}, tmp_path)


def planned(folder: Path, n_videos: int, long: tuple[int, ...] = ()) -> Path:
    """Write an experiment, and its plan into a store."""
    inputs = experiment(n_videos, long).write(folder / "input")
    store = folder / "out.zarr"
    done = run_cli("plan", *inputs, "--into", store)
    assert done.returncode == 0, done.stderr
    return store


def expected(folder: Path) -> dict[str, str]:
    """Return the snapshot of a store that one run makes."""
    store = folder / "local.zarr"
    plan = tz.plan(folder / "input/tracks", folder / "input/loop-frames-ffmpeg.csv")
    assert tz.create(plan, store, workers=1).ok
    return snapshot(store)


def start_task(store: Path, number: int) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-m", "tracks2zarr", "slurm", "task", str(store), str(number)],
        env=cli_environment(),
        stderr=subprocess.PIPE,
        text=True,
    )


def test_tasks_without_a_scheduler(commands: Commands, tmp_path: Path) -> None:
    store = planned(tmp_path, 3)
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert not tree.children
    for number in (2, 0, 1):
        commands.run("task", store, str(number))
    assert commands.states(store) == {name_of(n): "done" for n in range(3)}
    assert run_cli("finalise", store).returncode == 0
    assert snapshot(store) == expected(tmp_path)
    assert temporary(store) == []


def test_nothing_is_written_where_the_plan_has_an_error(tmp_path: Path) -> None:
    inputs = experiment(2).write(tmp_path / "input")
    inputs[1].write_text(inputs[1].read_text().replace("Video001-Loop00", "x"))
    assert run_cli("plan", *inputs, "--into", tmp_path / "out.zarr").returncode == 1
    assert [path.name for path in tmp_path.iterdir()] == ["input"]


@pytest.mark.system
@pytest.mark.slow
def test_gnu_parallel(tmp_path: Path) -> None:
    store = planned(tmp_path, 4)
    task = [sys.executable, "-m", "tracks2zarr", "slurm", "task", str(store), "{}"]
    done = subprocess.run(
        ["parallel", "--jobs", "4", *task, ":::", *map(str, range(4))],
        env={**cli_environment(), "HOME": str(tmp_path)},
        stdin=subprocess.DEVNULL,
        timeout=120,
        check=False,
    )
    assert done.returncode == 0
    assert tz.finalise(store).missing == {}
    assert snapshot(store) == expected(tmp_path)
    assert temporary(store) == []


def test_the_index_of_another_scheduler(tmp_path: Path) -> None:
    """Grid Engine and PBS count from what the user says, which is mostly 1."""
    store = planned(tmp_path, 2)
    options = ("--index-from", "SGE_TASK_ID", "--first-index", "1")
    for number in (1, 2):
        done = run_cli("slurm", "task", store, *options, env={"SGE_TASK_ID": str(number)})
        assert done.returncode == 0, done.stderr
    assert tz.finalise(store).missing == {}
    past = run_cli("slurm", "task", store, *options, env={"SGE_TASK_ID": "3"})
    assert past.returncode == 1
    assert "There is no video with the index of this task." in past.stderr
    none = run_cli("slurm", "task", store, *options, env={"SGE_TASK_ID": "undefined"})
    assert none.returncode == 2
    assert "SGE_TASK_ID, which is 'undefined'" in none.stderr


def test_which_index_is_said(commands: Commands, tmp_path: Path) -> None:
    store = planned(tmp_path, 1)
    assert "is not set" in commands.run("task", store, status=2).stderr
    assert "There is no Zarr store." in commands.run("task", tmp_path / "x", "0", status=1).stderr


def test_a_failed_task_leaves_word(commands: Commands, tmp_path: Path) -> None:
    store = planned(tmp_path, 2)
    path = tmp_path / "input/tracks" / f"{name_of(1)}-Loop00_tracks.csv"
    path.write_bytes(path.read_bytes() + b"half a row,")
    done = commands.run("task", store, "1", status=1)
    assert "wrong number of fields" in done.stderr
    attempt = last_attempt(store, name_of(1))
    assert attempt is not None
    assert attempt["end"] == "failed"
    assert attempt["number"] == 1
    assert attempt["place"]["node"]
    assert attempt["peak_memory"] > 2**20
    assert attempt["ended"] > attempt["started"]
    assert attempt["problems"][0]["kind"] == "row-fields"
    known = commands.status(store)[name_of(1)]
    assert (known["state"], known["attempt"]) == ("failed", 1)
    assert known["why"] == "A row has the wrong number of fields."
    assert temporary(store) == []


@pytest.mark.slow
@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGKILL])
def test_a_stopped_task(commands: Commands, tmp_path: Path, sent: signal.Signals) -> None:
    """Nothing that it leaves stops the next attempt; status tells what is known."""
    store = planned(tmp_path, 1, long=(0,))
    task = start_task(store, 0)
    process = stop_in_mid_write(store, 0)
    assert process == task.pid
    known = commands.status(store)[name_of(0)]
    assert known["state"] == "running"
    os.kill(process, sent)
    os.kill(process, signal.SIGCONT)
    _, stderr = task.communicate(timeout=60)
    assert "Traceback" not in stderr
    known = commands.status(store)[name_of(0)]
    assert known["state"] == "failed"
    attempt = last_attempt(store, name_of(0))
    assert attempt is not None
    if sent == signal.SIGTERM:
        assert task.returncode == 143
        assert attempt["end"] == "stopped"
        assert temporary(store) == []
    else:
        assert task.returncode == -signal.SIGKILL
        assert attempt["end"] is None
        assert temporary(store) == [f"{store.name}.task0.temp"]
        assert "killed" in known["why"]
    commands.run("task", store, "0")
    attempt = last_attempt(store, name_of(0))
    assert attempt is not None
    assert (attempt["end"], attempt["number"]) == ("done", 2)
    assert temporary(store) == []
    tz.finalise(store)
    assert snapshot(store) == expected(tmp_path)


@pytest.mark.slow
def test_a_second_task_waits_for_the_first(tmp_path: Path) -> None:
    store = planned(tmp_path, 1, long=(0,))
    first = start_task(store, 0)
    process = stop_in_mid_write(store, 0)
    second = start_task(store, 0)
    assert second.stderr is not None
    lines = second.stderr
    until(lambda: "waiting" in lines.readline())
    assert len(temporary(store)) == 1
    os.kill(process, signal.SIGCONT)
    assert first.wait(60) == 0
    _, stderr = second.communicate(timeout=60)
    assert second.returncode == 0
    assert "was done before" in stderr
    record = read_record(Store.at(store), name_of(0))
    assert record is not None
    assert [attempt.end for attempt in record.attempts] == [End.DONE]


def test_work_in_progress_lies_beside_the_store(tmp_path: Path) -> None:
    """In ``<store>.task<index>.temp``; what other stores have beside them is not touched."""
    store = planned(tmp_path, 1, long=(0,))
    other = tmp_path / "out.zarr.task7.temp.zarr"
    other.mkdir()
    seen: set[str] = set()
    ended = threading.Event()

    def watch() -> None:
        while not ended.is_set():
            seen.update(temporary(store))

    watching = threading.Thread(target=watch)
    watching.start()
    try:
        assert run_cli("slurm", "task", store, "0").returncode == 0
    finally:
        ended.set()
        watching.join()
    assert seen == {other.name, "out.zarr.task0.temp"}
    assert temporary(store) == [other.name]


def test_an_attempt_without_an_end_is_told_lost_by_the_next(tmp_path: Path) -> None:
    store = Store.at(planned(tmp_path, 1))
    begin_attempt(store, name_of(0), Place("node1", "7", 0))
    begin_attempt(store, name_of(0), Place("node2", "8", 0))
    record = read_record(store, name_of(0))
    assert record is not None
    assert [attempt.end for attempt in record.attempts] == [End.LOST, None]
    assert [attempt.number for attempt in record.attempts] == [1, 2]
    assert Record.from_json(record.to_json()) == record


def test_attempts_on_another_machine_are_unknown_here(commands: Commands, tmp_path: Path) -> None:
    """Without SLURM, nobody can tell whether a task on another node is at work."""
    store = planned(tmp_path, 1)
    begin_attempt(Store.at(store), name_of(0), Place("another-node", "7", 0))
    known = commands.status(store)[name_of(0)]
    assert known["state"] == "unknown"
    assert "left no word" in known["why"]
    shown = commands.run("status", store, status=1).stdout
    assert "SLURM could not be asked: there is no 'squeue' on this machine" in shown


def test_broken_records_do_not_count(commands: Commands, tmp_path: Path) -> None:
    store = planned(tmp_path, 1)
    commands.run("task", store, "0")
    for text in ("", "{}", "[]", '{"tracks2zarr_task": 2}', '{"tracks2zarr_task": 1}'):
        Store.at(store).record_file(name_of(0)).write_text(text)
        assert commands.states(store) == {name_of(0): "done"}
    (store / ".tracks2zarr/submissions").mkdir()
    (store / ".tracks2zarr/submissions/1.json").write_text(json.dumps({"videos": 1}))
    assert commands.states(store) == {name_of(0): "done"}


def test_submitting_needs_slurm(commands: Commands, tmp_path: Path) -> None:
    store = planned(tmp_path, 1)
    inputs = (tmp_path / "input/tracks", tmp_path / "input/loop-frames-ffmpeg.csv")
    before = sorted(tmp_path.rglob("*"))
    for words in (("submit", *inputs), ("rerun", store)):
        done = commands.run(*words, status=1)
        assert "SLURM cannot be asked." in done.stderr
        assert "there is no 'sbatch' on this machine" in done.stderr
    after = [path for path in sorted(tmp_path.rglob("*")) if ".tracks2zarr" not in path.parts]
    assert after == [path for path in before if ".tracks2zarr" not in path.parts]
