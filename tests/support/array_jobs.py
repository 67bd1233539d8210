"""What the tests of array jobs share: small experiments, and looking at jobs from outside."""

import json
import os
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

from support.experiments import Box, Clip, Experiment, Video
from support.tree import run_cli
from tracks2zarr.slurm.submission import read_submissions
from tracks2zarr.store.store import Store

#: Boxes in so many chunks that a task is met while it writes them: frames, of which each
#: some hold boxes, and tracks.
_LONG_FRAMES, _LONG_STEP, _LONG_TRACKS = 32_000, 200, 512


def experiment(n_videos: int, long: Sequence[int] = ()) -> Experiment:
    """Return videos of two clips each; those with a number in `long` take some seconds."""
    return Experiment(tuple(_video(number, number in long) for number in range(n_videos)))


def _video(number: int, is_long: bool) -> Video:
    n_frames, step, n_tracks = (_LONG_FRAMES, _LONG_STEP, _LONG_TRACKS) if is_long else (20, 1, 8)
    frames = range(0, n_frames, step)
    boxes = tuple(Box(f, t, f % 999, t, 3, 4) for f in frames for t in range(n_tracks))
    clips = (
        Clip("Loop00", 1, n_frames, 9, "triggered", boxes),
        Clip("Loop01", n_frames + 1, n_frames + 10, boxes=(Box(0, 3, number, 1, 1, 1),)),
    )
    return Video(name_of(number), clips)


def name_of(number: int) -> str:
    """Return the id of a video."""
    return f"Video{number:03d}"


@dataclass
class Commands:
    """Runs ``tracks2zarr slurm`` where a cluster can be reached, in a folder."""

    env: Mapping[str, str]
    folder: Path

    def run(self, *args: str | Path, status: int | None = 0) -> subprocess.CompletedProcess[str]:
        """Run a command below ``slurm``, and check its exit status."""
        done = run_cli("slurm", *args, cwd=self.folder, env=self.env, timeout=400)
        assert "Traceback" not in done.stderr, done.stderr
        if status is not None:
            assert done.returncode == status, f"{args}\n{done.stdout}\n{done.stderr}"
        return done

    def wait(self, store: Path, *options: str, status: int = 0) -> subprocess.CompletedProcess[str]:
        """Run ``wait`` when SLURM has ended all jobs of a store: it looks ever more rarely."""
        self.until_ended(store)
        return self.run("wait", store, *options, status=status)

    def until_ended(self, store: Path) -> None:
        """Wait until SLURM has ended all jobs of a store."""
        submissions = read_submissions(Store.at(store))
        jobs = {job for submission in submissions for job in submission.jobs}
        until(lambda: jobs.isdisjoint(self.slurm("squeue", "-ho", "%F").split()), pause=0.1)

    def slurm(self, *command: str, check: bool = True) -> str:
        """Run a client program of SLURM itself."""
        done = subprocess.run(
            command,
            cwd=self.folder,
            env={**os.environ, **self.env},
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
        )
        assert not check or done.returncode == 0, f"{command}: {done.stderr}"
        return done.stdout.strip()

    def status(self, store: Path) -> dict[str, dict[str, Any]]:
        """Return what ``slurm status --json`` says of each video."""
        done = self.run("status", store, "--json", status=None)
        return {video["video"]: video for video in json.loads(done.stdout)["videos"]}

    def states(self, store: Path) -> dict[str, str]:
        """Return the state of each video."""
        return {name: video["state"] for name, video in self.status(store).items()}


def job_of(store: Path) -> str:
    """Return the id of the first array job that was submitted for a store."""
    return min(store.joinpath(".tracks2zarr/submissions").glob("*.json")).stem


def until(what: Callable[[], Any], *, seconds: float = 180, pause: float = 0.01) -> Any:
    """Wait until a function returns something, and return that."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = what()
        if found:
            return found
        time.sleep(pause)
    raise AssertionError(f"it did not happen within {seconds} s")


def without_report(store: Path) -> None:
    """Keep the finalising job from drawing its report, which takes longer than all the tasks."""
    store.with_name(f"{store.name}-report.html").mkdir()


def last_attempt(store: Path, video: str) -> dict[str, Any] | None:
    """Return the latest attempt in a video's record."""
    try:
        record = json.loads((store / ".tracks2zarr/tasks" / f"{video}.json").read_bytes())
    except FileNotFoundError:
        return None
    attempt: dict[str, Any] = record["attempts"][-1]
    return attempt


def stop_in_mid_write(store: Path, number: int) -> int:
    """Stop a task when the group of its video is half written; return its process.

    The task is let go for moments only, so that it is met there however busy the machine is.
    """
    attempt = until(lambda: at_work(store, number), pause=0.002)
    process: int = attempt["process"]
    deadline = time.monotonic() + 120
    while time.monotonic() < deadline:
        os.kill(process, signal.SIGSTOP)
        if any(store.parent.glob(f"{store.name}.task{number}.temp/*/group/position/c")):
            assert not (store / name_of(number)).exists(), "it was too quick to be met at work"
            return process
        os.kill(process, signal.SIGCONT)
        time.sleep(0.01)
    raise AssertionError("no group was written")


@contextmanager
def stopping_in_mid_write(store: Path, *numbers: int) -> Iterator[dict[int, int]]:
    """Stop several tasks as `stop_in_mid_write` does, while the block runs.

    One after the other would not do: the second may be done while the first is brought to stop.
    The dictionary has the process of each when the block has ended.
    """
    processes: dict[int, int] = {}
    with ThreadPoolExecutor(len(numbers)) as pool:
        stopped = pool.map(partial(stop_in_mid_write, store), numbers)
        yield processes
        processes.update(zip(numbers, stopped, strict=True))


def at_work(store: Path, number: int) -> dict[str, Any] | None:
    """Return the attempt that a task has begun, and has not ended."""
    attempt = last_attempt(store, name_of(number))
    return attempt if attempt and attempt["process"] and attempt["end"] is None else None


def temporary(store: Path) -> list[str]:
    """Return what lies beside a store for work in progress."""
    return sorted(path.name for path in store.parent.glob(f"{store.name}.*"))
