"""What a conversion costs, in numbers that no machine changes: a guard against regressions."""

from __future__ import annotations

import io
import tracemalloc
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import zarr
from benchmarks.generate import Experiment, write_experiment

import tracks2zarr as tz
from support.experiments import Box, Clip, Video
from support.experiments import Experiment as ManyVideos
from tracks2zarr.common import files
from tracks2zarr.converting import all_videos
from tracks2zarr.converting.one_video import Outcome, Result, VideoTask
from tracks2zarr.dataset import clip_boxes
from tracks2zarr.dataset.batches import Batch
from tracks2zarr.dataset.schema import BOX_VARIABLES
from tracks2zarr.group import shard, writer
from tracks2zarr.parallel.processes import ProgressTable, report_bytes
from tracks2zarr.tracks import reading


class CountingFile(io.FileIO):
    """A file that adds up the bytes that are read of it."""

    n_read = 0

    def readinto(self, buffer: Any) -> int:
        count = super().readinto(buffer)
        CountingFile.n_read += count
        return count

    def read(self, size: int | None = -1, /) -> bytes:
        data = super().read(-1 if size is None else size)
        CountingFile.n_read += len(data)
        return data


@pytest.fixture(scope="module")
def sparse(tmp_path_factory: pytest.TempPathFactory) -> Experiment:
    """Return a clip with many short tracks: 8 MB of CSV, 52 MB dense."""
    folder = tmp_path_factory.mktemp("sparse")
    return write_experiment(folder, clips=1, frames=5000, individuals_in_view=8, track_frames=30)


def create(experiment: Experiment, store: Path) -> zarr.Group:
    """Convert an experiment of one video, and return its group."""
    plan = tz.plan(experiment.tracks_dir, experiment.metadata_csv)
    assert tz.create(plan, store, workers=1).ok
    return zarr.open_group(store / plan.videos[0].video, mode="r")


def test_each_byte_of_a_tracks_file_is_read_once(
    sparse: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    read_clip = reading.read_clip

    def counted(*args: Any) -> reading.ReadClip:
        with monkeypatch.context() as patch:
            patch.setattr(files, "FileIO", CountingFile)
            return read_clip(*args)

    monkeypatch.setattr(reading, "read_clip", counted)
    monkeypatch.setattr(CountingFile, "n_read", 0)
    create(sparse, tmp_path / "s.zarr")
    assert CountingFile.n_read == sparse.n_bytes


def test_only_chunks_that_hold_a_box_are_encoded_and_each_once(
    sparse: Experiment, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    encoded: list[int] = []
    encode = shard.encoded_chunk

    def counted(chunk: Any, level: int) -> bytes:
        encoded.append(chunk.size)
        return encode(chunk, level)

    monkeypatch.setattr(writer, "encoded_chunk", counted)
    written = create(sparse, tmp_path / "s.zarr")
    n_chunks = 0
    for name in BOX_VARIABLES:
        array = written[name]
        assert isinstance(array, zarr.Array)
        values, (_, frames, *_, individuals) = np.asarray(array[0]), array.chunks
        n_chunks += sum(
            not np.isnan(values[top : top + frames, ..., left : left + individuals]).all()
            for top in range(0, values.shape[0], frames)
            for left in range(0, values.shape[-1], individuals)
        )
    assert len(encoded) == n_chunks


def test_no_array_is_in_memory_as_a_whole(tmp_path: Path) -> None:
    # 18 MB of CSV, 300 MB dense
    made = write_experiment(tmp_path, clips=1, frames=12000, individuals_in_view=8, track_frames=30)
    tracemalloc.start()
    try:
        written = create(made, tmp_path / "s.zarr")
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    dense = written["position"]
    assert isinstance(dense, zarr.Array)
    assert peak < dense.nbytes / 4


def test_rows_that_are_not_in_order_are_sorted_on_disk(tmp_path: Path) -> None:
    n, n_images = 2_000_000, 1000
    image = np.random.default_rng(1).permutation(np.arange(n, dtype=np.int32) % n_images)
    row = np.arange(n, dtype=np.float32)
    corner, track = np.stack([row, row], axis=1), np.arange(n) // n_images
    with clip_boxes.Spill(tmp_path) as spill:
        for start in range(0, n, 10**5):
            rows = slice(start, start + 10**5)
            spill.append(Batch(image[rows], track[rows], corner[rows], 0 * corner[rows], row[rows]))
    tracemalloc.start()
    try:
        found = spill.boxes(np.arange(n_images, dtype=np.int32)[::-1])
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    # the columns are 36 bytes a box
    assert peak < 24 * n
    expected = np.argsort(n_images - 1 - image, kind="stable")
    np.testing.assert_array_equal(found.track, track[expected])
    np.testing.assert_array_equal(found.frame, n_images - 1 - image[expected])
    np.testing.assert_array_equal(found.box[:, 1], corner[expected, 1])
    np.testing.assert_array_equal(found.confidence, row[expected])


def test_progress_of_many_videos_is_looked_at_now_and_then(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each look goes over all videos that are left: one per report would be 200 per video."""
    looks, has_begun = [], ProgressTable.has_begun

    def counted(self: ProgressTable, slot: int) -> bool:
        looks.append(slot)
        return has_begun(self, slot)

    def skipped(task: VideoTask) -> Outcome:
        report_bytes(task.slot, task.plan.size)
        return Outcome(task.plan.video, Result.SKIPPED)

    monkeypatch.setattr(ProgressTable, "has_begun", counted)
    monkeypatch.setattr(all_videos, "convert_video", skipped)
    clip = (Clip("Loop00", 1, 5, boxes=(Box(0, 3, 1, 1, 1, 1),)),)
    videos = tuple(Video(f"Video{number:03d}", clip) for number in range(400))
    plan = tz.plan(*ManyVideos(videos).write(tmp_path / "input"))
    assert tz.create(plan, tmp_path / "out.zarr", workers=1).ok
    assert len(looks) <= 40 * len(videos)
