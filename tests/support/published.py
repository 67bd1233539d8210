"""Videos that are published, and change meanwhile."""

import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import tracks2zarr as tz
from support.experiments import Clip, Experiment, Video, crowd
from support.object_store import BUCKET
from support.tree import cli_environment

#: Where the tests publish to on the server.
URL = f"s3://{BUCKET}/lab/a.zarr"


def video(name: str, n_clips: int = 1) -> Video:
    """Return a small video."""
    clips = (Clip(f"Loop{i:02}", 10 * i + 1, 10 * i + 9, boxes=crowd(3)) for i in range(n_clips))
    return Video(name, tuple(clips))


def moved_boxes(name: str) -> Video:
    """Return a video like `video(name)`, with its boxes elsewhere."""
    (clip,) = video(name).clips
    return Video(name, (replace(clip, boxes=tuple(replace(b, x=7) for b in clip.boxes)),))


def convert_again(store: Path, *videos: Video) -> None:
    """Convert other input into the store."""
    folder = store.with_name(f"input {len(list(store.parent.iterdir()))}")
    plan = tz.plan(*Experiment(videos).write(folder))
    assert tz.create(plan, store, workers=1, store_mode="a", group_mode="w").ok


def run_program(
    *args: str | Path, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run ``tracks2zarr`` in a process of its own."""
    return subprocess.run(
        [sys.executable, "-m", "tracks2zarr", *args],
        env=cli_environment() | (environment or {}),
        capture_output=True,
        text=True,
        check=False,
    )
