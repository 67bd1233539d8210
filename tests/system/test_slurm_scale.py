"""Array jobs of many videos: work is counted, and compared with that for few, not timed."""

import os
import resource
import shutil
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import tracks2zarr as tz
from support.array_jobs import Commands
from support.experiments import Box, Clip, Experiment, Video
from support.slurm_cluster import Cluster
from tracks2zarr.slurm.client import Slurm
from tracks2zarr.slurm.status import status

pytestmark = [pytest.mark.system, pytest.mark.slow]


def write(folder: Path, n_videos: int) -> tuple[Path, Path]:
    clip = (Clip("Loop00", 1, 5, boxes=(Box(0, 3, 1, 1, 1, 1),)),)
    videos = tuple(Video(f"Video{number:04d}", clip) for number in range(n_videos))
    return Experiment(videos).write(folder / f"input{n_videos}")


def seconds_of(command: Callable[[], object]) -> float:
    """Return the time of the processor that a command took, which other work does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def counting(folder: Path) -> tuple[str, Path]:
    """Return a PATH on which the programs of SLURM note that they are called, and the note."""
    note, programs = folder / "called", folder / "counting"
    programs.mkdir()
    for name in ("sbatch", "scontrol", "squeue", "sacct", "sacctmgr", "scancel", "sinfo"):
        path = programs / name
        path.write_text(f'#!/bin/sh\necho {name} >>"{note}"\nexec {shutil.which(name)} "$@"\n')
        path.chmod(0o755)
    return f"{programs}:/usr/bin:/bin", note


def test_a_thousand_videos_in_the_queue(slurm: Cluster, tmp_path: Path) -> None:
    """SLURM is asked as often as for ten videos, and nothing takes longer than its share."""
    path, note = counting(tmp_path)
    commands = Commands({**slurm.env, "PATH": path}, tmp_path)
    calls, seconds = [], []
    for n_videos in (10, 1000):
        inputs, store = write(tmp_path, n_videos), tmp_path / f"out{n_videos}.zarr"
        submit = ("submit", *inputs, store, "--sbatch=--begin=now+1hour")
        look = ("status", store, "--json")
        times = [seconds_of(lambda c=c: commands.run(*c, status=None)) for c in (submit, look)]  # type: ignore[misc]
        seconds.append(times)
        calls.append(note.read_text().split())
        note.unlink()
        assert list(commands.states(store).values()) == ["pending"] * n_videos
        commands.run("cancel", store)
        assert list(commands.states(store).values()) == ["cancelled"] * n_videos
        note.unlink()
    few, many = seconds
    assert calls[1] == calls[0]
    assert calls[1].count("sbatch") == 2
    assert all(more < 20 * less for less, more in zip(few, many, strict=True)), seconds


def opened_by(work: Callable[[], object]) -> list[str]:
    """Return the paths of all files that this process opens while it does some work."""
    opened, is_watching = [], True

    def note(event: str, args: tuple[Any, ...]) -> None:
        if is_watching and event == "open":
            opened.append(str(args[0]))

    sys.addaudithook(note)  # which cannot be removed
    work()
    is_watching = False
    return opened


def test_many_videos_that_are_done(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing is asked of SLURM, no array is read, and each video costs the same few files."""
    monkeypatch.setenv("PATH", "")
    counts = []
    for n_videos in (10, 60):
        inputs, store = write(tmp_path, n_videos), tmp_path / f"out{n_videos}.zarr"
        assert tz.create(tz.plan(*inputs), store).ok
        assert status(store, Slurm()).ok  # all is imported
        os.utime(store / "zarr.json")  # as if it was another root
        opened = opened_by(lambda store=store: status(store, Slurm()))  # type: ignore[misc]
        below = [Path(name).relative_to(store) for name in opened if name.startswith(str(store))]
        assert not [name for name in below if "c" in name.parts], "chunks"
        # that of 10,000 videos has 90 MB, and is parsed once; its one opening is noted twice
        assert below.count(Path("zarr.json")) == 2
        counts.append(len(set(below)))  # one opening may be noted twice
    few, many = counts
    assert many - few <= 3 * 50, counts
