"""Array jobs of a thousand videos, on a real SLURM."""

import json
import resource
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import tracks2zarr as tz
from support.array_jobs import Commands
from support.experiments import Box, Clip, Experiment, Video
from support.slurm_cluster import Cluster

pytestmark = [pytest.mark.system, pytest.mark.slow, pytest.mark.xdist_group("slurm")]

N_VIDEOS = 1000


@pytest.fixture(scope="module")
def inputs(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Path]:
    clip = (Clip("Loop00", 1, 5, boxes=(Box(0, 3, 1, 1, 1, 1),)),)
    videos = tuple(Video(f"Video{number:04d}", clip) for number in range(N_VIDEOS))
    return Experiment(videos).write(tmp_path_factory.mktemp("scale"))


def seconds_of(command: Callable[[], object]) -> float:
    """Return the time of the processor that a command took, which other work does not change."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    command()
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def test_a_thousand_videos_in_the_queue(
    slurm: Cluster, inputs: tuple[Path, Path], tmp_path: Path
) -> None:
    """Submitting takes under 5 s, status under 2 s."""
    commands = Commands(slurm.env, tmp_path)
    store = tmp_path / "out.zarr"
    later = "--sbatch=--begin=now+1hour"
    assert seconds_of(lambda: commands.run("submit", *inputs, store, later)) < 5
    assert seconds_of(lambda: commands.run("status", store, "--json", status=1)) < 2
    assert set(commands.states(store).values()) == {"pending"}
    commands.run("cancel", store)
    assert set(commands.states(store).values()) == {"missing"}


@pytest.mark.timeout(600)
def test_a_thousand_videos_that_are_done(inputs: tuple[Path, Path], tmp_path: Path) -> None:
    """Status takes under 2 s; nothing is asked of SLURM, and no array is read."""
    commands = Commands({"PATH": ""}, tmp_path)
    store = tmp_path / "out.zarr"
    assert tz.create(tz.plan(*inputs), store).ok
    assert seconds_of(lambda: commands.run("status", store, "--json")) < 2
    began = time.monotonic()
    known = json.loads(commands.run("status", store, "--json").stdout)
    assert time.monotonic() - began < 10  # the machine may have other work
    assert len(known["videos"]) == N_VIDEOS
