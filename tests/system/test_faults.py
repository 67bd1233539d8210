"""Commands on a disk with faults, without locks, and with few files that may be open."""

import json
import os
import re
import resource
import shutil
import signal
import subprocess
import sys
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from support.faulty_system import compile_faults, faulty
from support.tree import cli_environment, run_cli, snapshot
from tracks2zarr.store.store import Store

pytestmark = pytest.mark.system

type Inputs = tuple[Path, Path]


def experiment(n_videos: int = 3, n_clips: int = 1) -> Experiment:
    """Return an experiment of small videos."""
    clips = tuple(
        Clip(f"Loop{n:04}", 1 + 3 * n, 3 + 3 * n, boxes=(Box(0, 3, 1, 1, 1, 1),))
        for n in range(n_clips)
    )
    return Experiment(tuple(Video(f"Video{number}", clips) for number in range(n_videos)))


@pytest.fixture(scope="module")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return the library with the faults."""
    return compile_faults(tmp_path_factory.mktemp("library"))


@pytest.fixture
def inputs(tmp_path: Path) -> Inputs:
    """Return the folder of tracks and the metadata CSV."""
    return experiment().write(tmp_path / "inputs")


@pytest.fixture
def store(inputs: Inputs, tmp_path: Path) -> Path:
    """Return a finished store."""
    store = tmp_path / "out" / "out.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    return store


UNREADABLE = {
    "receipt": ".tracks2zarr/receipts/Video1.json",
    "metadata of the group": "Video1/zarr.json",
    "metadata of an array": "Video1/position/zarr.json",
    "chunk": "Video1/position/c/0/0/0/0",
    "folder of the group": "Video1",
    "folder of an array": "Video1/position",
}


@pytest.mark.parametrize("name", UNREADABLE.values(), ids=list(UNREADABLE))
def test_what_cannot_be_read_concerns_one_video(
    store: Path, inputs: Inputs, library: Path, name: str
) -> None:
    """The others are listed and done, no matter how often it is tried; the named remedy works."""
    whole, path = snapshot(store), store / name
    env = faulty(library, FAULTY_INODE=path.stat().st_ino)
    done = run_cli("finalise", store, env=env)
    assert "3 of 3 videos listed" in done.stdout, done.stderr
    described = json.loads(run_cli("info", "--json", store, env=env).stdout)["videos"]
    states = {video["video"]: video["state"] for video in described}
    assert {states["Video0"], states["Video2"]} == {"done"}
    done = run_cli("verify", store, "--quick", env=env)
    assert "2 of 3 videos verified" in done.stdout
    assert str(path) in done.stderr
    assert done.stderr.count("A file of a video in the store cannot be read.") == 1
    for _ in range(2):
        done = run_cli("create", *inputs, store, "--store-mode", "a", env=env)
        assert done.returncode == 1
        assert f"in:       {path}\n" in done.stderr
        assert snapshot(store) == whole
    (remedy,) = set(re.findall(r"mkdir .+", done.stderr))
    found = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(remedy, shell=True, check=True, env=os.environ | env | {"PATH": found})
    done = run_cli("create", *inputs, store, "--store-mode", "a", env=env)
    assert done.returncode == 0, done.stderr
    assert "3 videos done before" in done.stdout
    assert snapshot(store) == whole
    assert run_cli("verify", store).returncode == 0


def test_the_folder_of_locks_cannot_be_read(store: Path, inputs: Inputs, library: Path) -> None:
    (store / ".tracks2zarr/receipts/Video1.json").unlink()
    env = faulty(library, FAULTY_PATH="/locks/videos/Video1")
    done = run_cli("create", *inputs, store, "--store-mode", "a", env=env)
    assert done.returncode == 1
    assert "A file could not be read or written." in done.stderr
    assert "/locks/videos/Video1" in done.stderr
    assert "unexpected error" not in done.stderr
    assert "Traceback" not in done.stderr


@pytest.mark.slow
def test_six_runs_on_a_file_system_without_locks(
    inputs: Inputs, library: Path, tmp_path: Path
) -> None:
    store = tmp_path / "out" / "out.zarr"
    store.parent.mkdir()
    env = cli_environment(faulty(library, NO_FLOCK=1))
    command = [sys.executable, "-m", "tracks2zarr", "create", *map(str, inputs), str(store)]
    runs = [
        subprocess.Popen(
            [*command, "--store-mode", "a", "--workers", "1"],
            env=env,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for _ in range(6)
    ]
    for run in runs:
        _, stderr = run.communicate(timeout=300)
        assert run.returncode == 0, stderr
        assert stderr.count("has no locks (flock)") == 1
    whole = tmp_path / "whole.zarr"
    assert tz.create(tz.plan(*inputs), whole, workers=1).ok
    assert snapshot(store) == snapshot(whole)
    assert tz.verify(store).ok
    assert [path.name for path in store.parent.iterdir()] == ["out.zarr"]
    assert not list(store.glob(".tracks2zarr/locks/**/*.holders"))


def test_a_killed_run_on_a_file_system_without_locks(
    inputs: Inputs, library: Path, tmp_path: Path
) -> None:
    store = tmp_path / "out" / "out.zarr"
    assert tz.create(tz.plan(*inputs), store, workers=1).ok
    whole = snapshot(store)
    shutil.rmtree(store / "Video1")
    env = faulty(library, NO_FLOCK=1)
    code = (
        "import sys, time; from tracks2zarr.store.store import Store\n"
        "with Store.at(sys.argv[1]).video_lock('Video1'): print(1, flush=True); time.sleep(60)"
    )
    with subprocess.Popen(
        [sys.executable, "-c", code, store],
        env=cli_environment(env),
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "1\n"
        assert "running" in run_cli("info", store, env=env).stdout
        os.kill(process.pid, signal.SIGKILL)
    done = run_cli("create", *inputs, store, "--store-mode", "a", env=env)
    assert done.returncode == 0, done.stderr
    assert snapshot(store) == whole


@pytest.mark.parametrize("kind", ["pipe", "device"])
def test_a_source_that_is_no_file_any_more(inputs: Inputs, tmp_path: Path, kind: str) -> None:
    store = tmp_path / "out.zarr"
    assert run_cli("plan", *inputs, "--into", store).returncode == 0
    source = Store.at(store).read_plan().videos[0].clips[0].source_path
    source.unlink()
    if kind == "pipe":
        os.mkfifo(source)
    else:
        source.symlink_to("/dev/zero")
    done = run_cli("slurm", "task", store, "0", timeout=60)
    assert done.returncode == 1
    assert "a pipe or a device, not a regular file" in done.stderr
    assert str(source) in done.stderr


def limited(n_files: int, *args: str | Path) -> subprocess.CompletedProcess[str]:
    """Run a command that may have so many files open, and no more."""
    return subprocess.run(
        [sys.executable, "-m", "tracks2zarr", *map(str, args)],
        env=cli_environment(),
        preexec_fn=lambda: resource.setrlimit(resource.RLIMIT_NOFILE, (n_files, n_files)),
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


@pytest.mark.slow
def test_open_files_do_not_grow_with_clips(tmp_path: Path) -> None:
    inputs, store = experiment(1, 200).write(tmp_path / "inputs"), tmp_path / "out.zarr"
    done = limited(100, "create", *inputs, store)
    assert done.returncode == 0, done.stderr
    assert limited(100, "verify", store).returncode == 0


@pytest.mark.parametrize("n_files", [6, 12, 16, 24])
def test_too_few_files_may_be_open(store: Path, inputs: Inputs, n_files: int) -> None:
    """The error names the limit; polars would panic, with pages of text."""
    for args in (("create", *inputs, store), ("verify", store), ("slurm", "task", store, "0")):
        done = limited(n_files, *args)
        assert done.returncode == 1
        assert "error: Too many files are open.\n" in done.stderr
        assert f"a limit of {n_files} open files" in done.stderr
        assert len(done.stderr.splitlines()) <= 5, done.stderr
    assert limited(64, "verify", store).returncode == 0


def test_the_limit_of_open_files_is_raised(inputs: Inputs, tmp_path: Path) -> None:
    """As most systems permit more than they give."""
    code = "import resource, sys; from tracks2zarr.cli import main\n" + (
        "resource.setrlimit(resource.RLIMIT_NOFILE, (16, 200))\nsys.argv[0] = 'tracks2zarr'; main()"
    )
    done = subprocess.run(
        [sys.executable, "-c", code, "create", *map(str, inputs), str(tmp_path / "out.zarr")],
        env=cli_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def test_a_metadata_csv_that_is_a_pipe(store: Path, inputs: Inputs) -> None:
    """`verify` reads it again, long after the plan."""
    inputs[1].unlink()
    os.mkfifo(inputs[1])
    for args in (("verify", store), ("plan", *inputs)):
        done = run_cli(*args, timeout=60)
        assert done.returncode == 1
        assert str(inputs[1]) in done.stdout + done.stderr


def test_merge_onto_a_full_disk(store: Path, tmp_path: Path) -> None:
    """The place is where there is no room, and not the file that was copied."""
    disk, whole = tmp_path / "disk", snapshot(store)
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "tmpfs", disk], check=True)
    try:
        target = disk / "target.zarr"
        target.mkdir()
        (disk / "filler").write_bytes(b"x" * (shutil.disk_usage(disk).free - 200_000))
        done = run_cli("merge", "--copy", target, store)
        assert done.returncode == 1
        assert "The disk is full." in done.stderr
        assert f"in:       {disk}" in done.stderr
        assert f"in:       {store}" not in done.stderr
        assert snapshot(store) == whole
    finally:
        subprocess.run(["umount", disk], check=True)
