"""Several runs on one store, any executor, and disks that are full or other."""

import os
import shutil
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from contextlib import contextmanager
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from support.tree import cli_environment, run_cli, snapshot
from tracks2zarr.common.files import make_folder, remove_if_empty
from tracks2zarr.common.locks import LockedError, is_locked, locked
from tracks2zarr.parallel.processes import ProgressTable, report_bytes, reporting_to
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import state_of

N_VIDEOS = 9


def experiment(n_videos: int = N_VIDEOS) -> Experiment:
    """Return an experiment of many small videos."""
    clips = (
        Clip("Loop00", 1, 30, 9, "triggered", tuple(Box(f, t, f, t, 3, 4) for f in range(30)
                                                    for t in range(20))),
        Clip("Loop01", 31, 40, boxes=(Box(0, 3, 1, 1, 1, 1),)),
    )  # fmt: skip
    return Experiment(tuple(Video(f"Video{number}", clips) for number in range(n_videos)))


@pytest.fixture(scope="module")
def written(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    """Return the folder of tracks and the metadata CSV."""
    return experiment().write(tmp_path_factory.mktemp("written"))


@pytest.fixture(scope="module")
def whole(written: tuple[Path, Path], tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Return the snapshot of a store that one run made."""
    store = tmp_path_factory.mktemp("whole") / "out.zarr"
    assert tz.create(tz.plan(*written), store, workers=1).ok
    return snapshot(store)


def start(*args: str | Path) -> subprocess.Popen[str]:
    """Start a command and return at once."""
    return subprocess.Popen(
        [sys.executable, "-m", "tracks2zarr", *map(str, args)],
        env=cli_environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def finish(processes: list[subprocess.Popen[str]]) -> list[tuple[int, str]]:
    """Return the exit status and stderr of each process."""
    ended = []
    for process in processes:
        _, stderr = process.communicate(timeout=120)
        ended.append((process.returncode, stderr))
    return ended


def assert_tidy(store: Path) -> None:
    """Check that nothing is left beside the store."""
    beside = {path.name for path in store.parent.iterdir()}
    assert beside == {store.name}, beside


def test_two_runs_share_the_work(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    """Both begin at once on a store that is not there yet, as two people might."""
    store = tmp_path / "out.zarr"
    runs = [start("create", *written, store, "--workers", "1") for _ in range(2)]
    for status, stderr in finish(runs):
        assert status == 0 or "The store already exists" in stderr, stderr
    assert snapshot(store) == whole
    assert tz.verify(store, quick=True).ok
    assert_tidy(store)


def test_runs_on_different_videos(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    """As the guide's nine tasks at a time are."""
    store = tmp_path / "out.zarr"
    runs = [
        start("create", *written, store, "--store-mode", "a", "--pattern", f"Video{number}*.csv")
        for number in range(N_VIDEOS)
    ]
    for status, stderr in finish(runs):
        assert status == 0, stderr
    assert snapshot(store) == whole
    assert tz.verify(store, quick=True).ok
    assert_tidy(store)


def test_store_is_not_replaced_under_a_run(written: tuple[Path, Path], tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*written), store, workers=1).ok
    before = snapshot(store)
    with Store.at(store).run_lock():
        done = run_cli("create", *written, store, "--store-mode", "w", "--yes")
    assert done.returncode == 1
    assert "Another run is working" in done.stderr
    assert snapshot(store) == before


def test_locked_video_is_waited_for(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*written, pattern="Video0*.csv"), store, workers=1).ok
    with Store.at(store).video_lock("Video1"):
        run = start("create", *written, store, "--store-mode", "a", "--workers", "1")
        deadline = time.monotonic() + 60
        while not (store / "Video8").exists() and time.monotonic() < deadline:
            time.sleep(0.05)
        time.sleep(1.5)
        assert run.poll() is None, "it must wait for the video that is locked"
        states = {video.video: video.state for video in tz.info(store).videos}
        assert states["Video1"] == "running"
        assert states["Video8"] == "done"
    assert finish([run])[0][0] == 0
    assert snapshot(store) == whole


def test_living_attempts_are_left_alone(written: tuple[Path, Path], tmp_path: Path) -> None:
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*written, pattern="Video0*.csv"), store, workers=1).ok
    living = tmp_path / "out.zarr.temp" / f"Video8.{'0' * 16}"
    dead = tmp_path / "out.zarr.temp" / f"Video7.{'0' * 16}"
    other = tmp_path / "out.zarr.temp" / "not-ours"
    for folder in (living, dead, other):
        folder.mkdir(parents=True)
        (folder / "file").write_text("x")
    with Store.at(store).video_lock("Video8"):
        plan = tz.plan(*written, pattern="Video[01]*.csv")
        assert tz.create(plan, store, store_mode="a", workers=1).ok
    assert (living / "file").exists()
    assert not dead.exists()
    assert (other / "file").exists()


@contextmanager
def dask_executor() -> Iterator[Executor]:
    from distributed import Client, LocalCluster

    with (
        LocalCluster(n_workers=2, threads_per_worker=1, dashboard_address=None) as cluster,
        Client(cluster) as client,
    ):
        yield client.get_executor()


EXECUTORS = {
    "threads": lambda: ThreadPoolExecutor(3),
    "processes": lambda: ProcessPoolExecutor(2, mp_context=get_context("spawn")),
    "dask": dask_executor,
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.parametrize("kind", EXECUTORS)
def test_any_executor(
    kind: str, written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    with EXECUTORS[kind]() as executor:  # type: ignore[attr-defined]
        assert tz.create(tz.plan(*written), tmp_path / "out.zarr", executor=executor).ok
    assert snapshot(tmp_path / "out.zarr") == whole
    assert_tidy(tmp_path / "out.zarr")


def test_clips_of_one_video_side_by_side(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    plan = tz.plan(*written, pattern="Video3*.csv")
    assert tz.create(plan, tmp_path / "out.zarr", workers=2).ok
    found = snapshot(tmp_path / "out.zarr")
    assert {k: v for k, v in found.items() if k != "zarr.json"} == {
        k: v for k, v in whole.items() if k.startswith("Video3/")
    }


# ---- disks


@contextmanager
def small_disk(path: Path, size: str) -> Iterator[Path]:
    """Mount a small file system in memory; that takes root, or a user namespace."""
    path.mkdir()
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", f"size={size}", "tmpfs", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert mounted.returncode == 0, f"a small disk is needed for this test: {mounted.stderr}"
    try:
        yield path
    finally:
        subprocess.run(["umount", path], check=True)


@pytest.mark.system
@pytest.mark.parametrize("workers", [1, 2])
def test_full_disk(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path, workers: int
) -> None:
    """What is finished stays, the error says what to do, and the next run completes."""
    with small_disk(tmp_path / "disk", "4m") as disk:
        store = disk / "out.zarr"
        args = ("create", *written, store, "--workers", str(workers))
        first = run_cli(*args, "--pattern", "Video0*.csv")
        assert first.returncode == 0, first.stderr
        finished = snapshot(store / "Video0")
        filler = disk / "filler"
        free = shutil.disk_usage(disk).free
        filler.write_bytes(b"x" * (free - 60_000))
        done = run_cli(*args, "--store-mode", "a")
        assert done.returncode == 1
        assert "The disk is full" in done.stderr
        assert "Make room" in done.stderr
        assert "Traceback" not in done.stderr, done.stderr
        assert snapshot(store / "Video0") == finished
        assert not list(disk.glob("out.zarr.temp/Video*"))
        filler.unlink()
        states = {video.video: video.state for video in tz.info(store).videos}
        assert states["Video0"] == "done"
        again = run_cli(*args, "--store-mode", "a")
        assert again.returncode == 0, again.stderr
        assert not (disk / "out.zarr.temp").exists()
        assert snapshot(store) == whole


@pytest.mark.system
def test_temporary_folder_on_another_disk(
    written: tuple[Path, Path], whole: dict[str, str], tmp_path: Path
) -> None:
    with small_disk(tmp_path / "disk", "100m") as disk:
        summary = tz.create(
            tz.plan(*written), tmp_path / "o" / "out.zarr", temp=disk / "work", workers=1
        )
        assert summary.ok
        assert list(disk.iterdir()) == []
    assert snapshot(tmp_path / "o" / "out.zarr") == whole
    assert_tidy(tmp_path / "o" / "out.zarr")


# ---- locks


def test_lock_excludes_and_is_released(tmp_path: Path) -> None:
    path = tmp_path / "locks" / "one"
    with locked(path):
        assert is_locked(path)
        with pytest.raises(LockedError), locked(path, wait=False):
            pass
    assert not is_locked(path)
    assert not is_locked(tmp_path / "none")


def test_shared_lock(tmp_path: Path) -> None:
    path = tmp_path / "one"
    with locked(path, shared=True), locked(path, shared=True):
        assert not is_locked(path)
        with pytest.raises(LockedError), locked(path, wait=False):
            pass


def test_lock_of_a_killed_process_is_free(tmp_path: Path) -> None:
    path = tmp_path / "one"
    code = (
        "import sys, time; from pathlib import Path; from tracks2zarr.common.locks import locked\n"
        "with locked(Path(sys.argv[1])): print('locked', flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, path], stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "locked\n"
        assert is_locked(path)
        os.kill(process.pid, 9)
    assert not is_locked(path)


def test_a_group_that_goes_while_it_is_looked_at(
    written: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As where it is merged into another store at that moment; nobody has it then, or all of it."""
    assert tz.create(tz.plan(*written), tmp_path / "out.zarr", workers=1).ok
    store = Store.at(tmp_path / "out.zarr")
    plan = store.read_plan().videos[0]
    scandir = os.scandir
    seen: list[object] = []

    def and_gone(path: object) -> object:
        seen.append(path)
        if len(seen) == 3:
            shutil.rmtree(store.group(plan.video))
        return scandir(path)  # type: ignore[call-overload]

    monkeypatch.setattr(os, "scandir", and_gone)
    assert state_of(store, plan) == "missing"
    assert len(seen) >= 3


def test_a_group_that_is_moved_away_while_the_root_is_written(
    written: tuple[Path, Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It was done when the states were looked at, and is not listed."""
    assert tz.create(tz.plan(*written), tmp_path / "out.zarr", workers=1).ok
    store = Store.at(tmp_path / "out.zarr")
    first, *others = (plan.video for plan in store.read_plan().videos)
    groups = Store.groups

    def moved(self: Store, **but: Any) -> list[str]:
        names = groups(self, **but)
        if store.group(first).exists():
            store.group(first).rename(tmp_path / "moved")
        return names

    monkeypatch.setattr(Store, "groups", moved)
    finalised = tz.finalise(store.path)
    assert finalised.done == tuple(others)
    assert dict(finalised.missing) == {first: "missing"}


def make_and_remove(folder: Path) -> bool:
    for _ in range(1000):
        make_folder(folder)
        remove_if_empty(folder)
    return True


def test_a_folder_for_work_that_others_remove(tmp_path: Path) -> None:
    """Whoever ends an attempt removes the folder beside the store, while others make it."""
    folder = tmp_path / "out.zarr.temp"
    with ProcessPoolExecutor(4, mp_context=get_context("spawn")) as pool:
        assert all(pool.map(make_and_remove, [folder] * 4))


@pytest.mark.parametrize("what", ["file", "dangling link"])
def test_a_folder_whose_name_something_else_has(tmp_path: Path, what: str) -> None:
    path = tmp_path / "one"
    if what == "file":
        path.touch()
    else:
        path.symlink_to(tmp_path / "nowhere")
    with pytest.raises(FileExistsError):
        make_folder(path)


def test_runs_in_threads_report_to_their_own(written: tuple[Path, Path], tmp_path: Path) -> None:
    """One that begins and ends within another leaves nothing behind that a third would meet."""
    mine, other = ProgressTable(1), ProgressTable(1)
    with ThreadPoolExecutor(1) as thread, reporting_to(mine):

        def report() -> None:
            with reporting_to(other):
                inside.wait(10)
                report_bytes(0, 5)

        inside = threading.Event()
        running = thread.submit(report)
        report_bytes(0, 7)
        inside.set()
        running.result(10)
    assert (mine.bytes_of([0]), other.bytes_of([0])) == (7, 5)
    report_bytes(99, 1)  # nobody wants to know: no run goes on
    assert tz.create(tz.plan(*written), tmp_path / "out.zarr", workers=1).ok
