"""Ctrl-C, signals and workers that die, in runs of the command line."""

import contextlib
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
import xarray as xr

import tracks2zarr as tz
from support.commands import call, files_below
from support.experiments import METADATA_COLUMNS, VIA_COLUMNS
from support.tree import cli_environment, snapshot
from tracks2zarr.store.store import Store

N_VIDEOS = 6


@dataclass(frozen=True)
class Large:
    """An experiment of 60 MB, which takes some seconds."""

    tracks: Path
    metadata: Path

    def plan(self) -> tz.Plan:
        return tz.plan(self.tracks, self.metadata)


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> Large:
    folder = tmp_path_factory.mktemp("large")
    n_frames, n_tracks = 500, 110
    rows = [
        f'frame_{frame:08d}.png,8888,"{{""clip"":123}}",1,0,"{{""name"":""rect"",""x"":{frame}.25,'
        f'""y"":{track}.0,""width"":32,""height"":17.5}}","{{""track"":""{track}"",'
        f'""confidence"":""0.{track:03d}{frame:03d}""}}"\n'
        for frame in range(n_frames)
        for track in range(n_tracks)
    ]
    content = ",".join(VIA_COLUMNS) + "\n" + "".join(rows)
    tracks = folder / "tracks"
    tracks.mkdir()
    lines = [",".join(METADATA_COLUMNS)]
    for number in range(N_VIDEOS):
        (tracks / f"v{number}-c_tracks.csv").write_text(content)
        lines.append(f"v{number}.mov,v{number}-c.mp4,25,1,{n_frames},,")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(lines))
    return Large(tracks, metadata)


@pytest.fixture(scope="module")
def uninterrupted(large: Large, tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the digests of the store that a run makes to which nothing happens."""
    store = tmp_path_factory.mktemp("uninterrupted") / "store.zarr"
    assert tz.create(large.plan(), store, workers=2).ok
    return snapshot(store)


@contextlib.contextmanager
def running(*args: str | Path | int) -> Iterator[subprocess.Popen[str]]:
    """Run a command in a group of processes of its own, as a shell does."""
    process = subprocess.Popen(
        [sys.executable, "-m", "tracks2zarr", *map(str, args)],
        env=cli_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    )
    try:
        yield process
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()


def wait_until(condition: Callable[[], object], seconds: float = 60) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it takes too long"
        time.sleep(0.01)


@contextlib.contextmanager
def never_ending(store: Path, large: Large) -> Iterator[None]:
    """Begin a store whose last video is locked, so that no run is done before it is interrupted."""
    assert call("plan", large.tracks, large.metadata, "--into", store).status == 0
    with Store.at(store).video_lock(f"v{N_VIDEOS - 1}"):
        yield


def done_in(store: Path) -> list[str]:
    return sorted(path.stem for path in store.glob(".tracks2zarr/receipts/v*.json"))


def check_interrupted(store: Path, large: Large, uninterrupted: dict[str, str]) -> None:
    """Check that a store is sound though unfinished, and that the next run completes it."""
    assert not store.with_name(f"{store.name}.temp").exists()
    done = done_in(store)
    assert len(done) < N_VIDEOS, "the signal came too late to test anything"
    with xr.open_datatree(store, engine="zarr", chunks={}) as tree:
        assert sorted(tree.children) == done
    states = {video.video: str(video.state) for video in tz.info(store).videos}
    assert {video for video, state in states.items() if state == "done"} == set(done)
    assert "running" not in states.values()
    complete(store, large, uninterrupted)


def complete(store: Path, large: Large, uninterrupted: dict[str, str]) -> None:
    done = done_in(store)
    summary = tz.create(large.plan(), store, store_mode="a", workers=1)
    assert summary.ok
    skipped = [outcome.video for outcome in summary.outcomes if str(outcome.result) == "skipped"]
    assert skipped == done
    assert snapshot(store) == uninterrupted
    assert not store.with_name(f"{store.name}.temp").exists()


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
@pytest.mark.parametrize(
    ("number", "to_all", "status"),
    [
        pytest.param(signal.SIGINT, True, 130, id="Ctrl-C"),
        pytest.param(signal.SIGINT, False, 130, id="SIGINT"),
        pytest.param(signal.SIGTERM, False, 143, id="SIGTERM"),
        pytest.param(signal.SIGTERM, True, 143, id="SIGTERM to all"),
    ],
)
def test_interrupted_runs_stop_cleanly(
    *,
    number: int,
    to_all: bool,
    status: int,
    workers: int,
    large: Large,
    uninterrupted: dict[str, str],
    tmp_path: Path,
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", workers) as process,
    ):
        wait_until(lambda: done_in(store) or process.poll() is not None)
        os.killpg(process.pid, number) if to_all else process.send_signal(number)
        stdout, stderr = process.communicate(timeout=30)
    assert process.returncode == status
    assert "Traceback" not in stderr
    assert "Interrupted." in stderr
    assert "run the same command again" in stderr
    assert re.search(r"^\d videos? converted", stdout)
    for video in {f"v{n}" for n in range(N_VIDEOS)} - set(done_in(store)):
        assert f"not done: {video}" in stdout
    check_interrupted(store, large, uninterrupted)


@pytest.mark.slow
@pytest.mark.parametrize("delay", [0, 0.05, 0.2])
def test_interrupted_while_the_workers_start(
    delay: float, large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        wait_until(lambda: len(family(process.pid)) > 2 or process.poll() is not None)
        time.sleep(delay)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "Interrupted." in stderr
    check_interrupted(store, large, uninterrupted)


def one_video(large: Large, folder: Path) -> tuple[Path, Path]:
    """Write the files of the large experiment as clips of one video."""
    tracks = folder / "in"
    tracks.mkdir()
    lines = [",".join(METADATA_COLUMNS)]
    for number in range(4):
        os.link(large.tracks / "v0-c_tracks.csv", tracks / f"v-c{number}_tracks.csv")
        lines.append(f"v.mov,v-c{number}.mp4,25,1,500,,")
    metadata = folder / "metadata.csv"
    metadata.write_text("\n".join(lines))
    return tracks, metadata


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_interrupted_within_a_video(workers: int, large: Large, tmp_path: Path) -> None:
    """Clips of one video are brought in side by side; none of it is left."""
    tracks, metadata = one_video(large, tmp_path)
    store = tmp_path / "store.zarr"
    with running("create", tracks, metadata, store, "--workers", workers) as process:
        temp = store.with_name("store.zarr.temp")
        wait_until(lambda: list(temp.glob("v.*/clips/*/frame")) or process.poll() is not None)
        os.killpg(process.pid, signal.SIGINT)
        _, stderr = process.communicate(timeout=30)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert not temp.exists()
    assert [str(video.state) for video in tz.info(store).videos] == ["pending"]
    assert not (store / "v").exists()


@pytest.mark.slow
def test_interrupted_verification(
    large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    assert tz.create(large.plan(), store, workers=2).ok
    assert snapshot(store) == uninterrupted
    before = files_below(store)
    with running("verify", store, "--workers", 2) as process:
        wait_until(lambda: len(family(process.pid)) > 2 or process.poll() is not None)
        time.sleep(1)
        os.killpg(process.pid, signal.SIGINT)
        stdout, stderr = process.communicate(timeout=15)
    assert process.returncode == 130
    assert "Traceback" not in stderr
    assert "verified" not in stdout
    assert files_below(store) == before


@dataclass(frozen=True)
class Process:
    pid: int
    parent: int
    command: str


def processes() -> dict[int, Process]:
    """Return all processes that have not ended."""
    listed = subprocess.run(
        ["ps", "-e", "-ww", "-o", "pid=,ppid=,stat=,args="],
        capture_output=True,
        text=True,
        check=True,
    )
    lines = (line.split(maxsplit=3) for line in listed.stdout.splitlines())
    return {
        int(pid): Process(int(pid), int(parent), " ".join(command))
        for pid, parent, state, *command in lines
        if not state.startswith("Z")
    }


def family(pid: int) -> set[int]:
    """Return a process and all below it."""
    now = processes()
    found = {pid}
    while more := {process.pid for process in now.values() if process.parent in found} - found:
        found |= more
    return found


def alive(pids: set[int]) -> set[int]:
    return pids & processes().keys()


def workers_of(pid: int) -> list[int]:
    """Return the worker processes of a run, those without the helper of multiprocessing."""
    now = processes()
    return sorted(
        child for child in family(pid) if "spawn_main" in now.get(child, NO_PROCESS).command
    )


NO_PROCESS = Process(0, 0, "")


@pytest.mark.slow
@pytest.mark.parametrize("when", ["while they start", "in the middle"])
def test_a_worker_that_is_killed(
    when: str, large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    """Too little memory is the usual reason; the run must end, and say so."""
    store = tmp_path / "store.zarr"
    last_locked = contextlib.ExitStack()
    last_locked.enter_context(never_ending(store, large))
    with (
        last_locked,
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        if when == "in the middle":
            wait_until(lambda: done_in(store) or process.poll() is not None)
        wait_until(lambda: len(workers_of(process.pid)) == 2 or process.poll() is not None)
        time.sleep(0.1)
        os.kill(workers_of(process.pid)[0], signal.SIGKILL)
        last_locked.close()
        _, stderr = process.communicate(timeout=20)
    assert process.returncode == 1
    assert "Traceback" not in stderr
    assert "error: " in stderr
    assert "worker" in stderr
    assert not store.with_name("store.zarr.temp").exists()
    failed = set(re.findall(r"(v\d): FAILED", stderr))
    if when == "in the middle":
        assert failed
    states = {video.video: str(video.state) for video in tz.info(store).videos}
    assert {video for video, state in states.items() if state == "failed"} == failed
    complete(store, large, uninterrupted)


@pytest.mark.slow
def test_one_video_that_is_killed_within(large: Large, tmp_path: Path) -> None:
    """One video is one process, by threads, whatever the number of workers."""
    tracks, metadata = one_video(large, tmp_path)
    store = tmp_path / "store.zarr"
    with running("create", tracks, metadata, store, "--workers", 2) as process:
        temp = store.with_name("store.zarr.temp")
        wait_until(lambda: list(temp.glob("v.*/clips/*/frame")) or process.poll() is not None)
        assert workers_of(process.pid) == []
        process.kill()
        process.communicate(timeout=20)
    (info,) = tz.info(store).videos
    assert str(info.state) == "pending"
    assert tz.create(tz.plan(tracks, metadata), store, workers=1).ok
    assert not temp.exists()


@pytest.mark.slow
def test_workers_end_when_the_main_process_is_killed(
    large: Large, uninterrupted: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "store.zarr"
    with (
        never_ending(store, large),
        running("create", large.tracks, large.metadata, store, "--workers", 2) as process,
    ):
        wait_until(lambda: done_in(store) or process.poll() is not None)
        pids = family(process.pid)
        assert len(pids) >= 3
        process.kill()
        process.wait()
        assert process.returncode == -signal.SIGKILL
        wait_until(lambda: not alive(pids), seconds=10)
    done = done_in(store)
    assert len(done) < N_VIDEOS, "the signal came too late to test anything"
    complete(store, large, uninterrupted)
