"""Measures shapes of chunks, over writing and all kinds of reading, and prints a table.

``python -m benchmarks.layouts FOLDER``, where FOLDER holds an experiment of one video as
`benchmarks.generate` writes it. The reasons for the layout are in ``docs/performance.md``.
"""

from __future__ import annotations

import argparse
import shutil
import statistics
import tempfile
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
from zarr.storage import LocalStore

import tracks2zarr as tz
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group import writer
from tracks2zarr.group.video_arrays import VideoArrays
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.tracks.formats import format_named
from tracks2zarr.tracks.reading import read_clip

#: Frames and individuals of a chunk, and the level of compression.
CANDIDATES = (
    *((500, 128, 0), (500, 256, 0), (1000, 64, 0), (1000, 128, 0), (1000, 256, 0)),
    *((1000, 512, 0), (2000, 128, 0), (2000, 256, 0), (4000, 64, 0)),
    *((1000, 256, 1), (1000, 256, 5)),
)
_MINUTE = 3596
_HEAD = (
    *("frames", "individuals", "level", "write s", "MB", "chunks stored", "tasks of dask"),
    *("one individual ms", "one minute ms", "one clip ms", "mean confidence s"),
)


def main() -> None:
    """Measure all candidates on one experiment."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    (video,) = tz.plan(given.folder / "tracks", given.folder / "loop-frames-ffmpeg.csv").videos
    print("| " + " | ".join(_HEAD) + " |\n|" + "---:|" * len(_HEAD))
    with tempfile.TemporaryDirectory(dir=given.folder) as folder:
        boxes = [_boxes(video, number, Path(folder)) for number in range(len(video.clips))]
        for frames, individuals, level in CANDIDATES:
            plan = replace(video, layout=Layout(frames, individuals, level))
            cells = _measure(plan, boxes, Path(folder, "group"), given.rounds)
            print("| " + " | ".join([f"{frames}", f"{individuals}", f"{level}", *cells]) + " |")


def _boxes(video: VideoPlan, number: int, folder: Path) -> ClipBoxes:
    clip = video.clips[number]
    columns = folder / str(number)
    columns.mkdir()
    rule = video.frame_rule(clip)
    return read_clip(format_named("via"), clip.source_path, rule, columns).boxes


def _measure(plan: VideoPlan, boxes: list[ClipBoxes], path: Path, rounds: int) -> list[str]:
    arrays = VideoArrays(plan, [clip.tracks() for clip in boxes])

    def write() -> None:
        shutil.rmtree(path, ignore_errors=True)
        writer.create_group(path, arrays)
        for number, clip in enumerate(boxes):
            writer.write_boxes(path, number, clip, arrays)

    written = _seconds(write, rounds)
    size = sum(file.stat().st_size for file in path.rglob("*") if file.is_file())
    shape = plan.layout.chunks(plan.longest_clip_frames, arrays.n_individuals)
    stored = sum(_n_stored(clip, shape) for clip in boxes)
    lazy = xr.open_zarr(LocalStore(path, read_only=True), chunks={}, zarr_format=3)
    eager = xr.open_zarr(LocalStore(path, read_only=True), chunks=None, zarr_format=3)
    middle = arrays.n_individuals // 2, plan.longest_clip_frames // 2
    reads: list[Callable[[], Any]] = [
        eager.position[0, :, :, middle[0]].compute,
        eager.position[0, middle[1] : middle[1] + _MINUTE].compute,
        eager.position[0].compute,
        lambda: lazy.confidence.mean().compute(),
    ]
    if eager.position[0].nbytes > 4 * 10**9:  # nobody reads that at once
        reads[2] = lambda: None
    seconds = [_seconds(read, rounds) for read in reads]
    graph = len(lazy.position.mean().__dask_graph__())
    return [
        *(f"{written:.2f}", f"{size / 1e6:.1f}", f"{stored}", f"{graph}"),
        *(f"{1000 * one:.1f}" for one in seconds[:3]),
        f"{seconds[3]:.2f}",
    ]


def _n_stored(boxes: ClipBoxes, shape: tuple[int, int]) -> int:
    """Return the number of chunks of one array that hold a box of a clip."""
    individual = boxes.individual(slice(None)) // shape[1]
    return len(np.unique(boxes.frame // shape[0] * np.int64(10**6) + individual))


def _seconds(action: Callable[[], Any], rounds: int) -> float:
    """Return the median time of an action."""
    times = []
    for _ in range(rounds):
        start = time.perf_counter()
        action()
        times.append(time.perf_counter() - start)
    return statistics.median(times)


if __name__ == "__main__":
    main()
