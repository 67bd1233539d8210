"""What is drawn of a clip is what is in it: all boxes counted, trajectories thinned honestly."""

import math
import random
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import tracks2zarr as tz
from support.experiments import ABSENT, Box, Clip, Experiment, Video
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group.geometry import shard_path
from tracks2zarr.reporting import sample
from tracks2zarr.reporting.panels import _breaks, _lines
from tracks2zarr.reporting.sample import ClipSample, sample_clip
from tracks2zarr.store.store import Store

N_FRAMES, ESCAPE = 60, 31


def boxes(seed: int, n_tracks: int) -> tuple[Box, ...]:
    """Return boxes of tracks with gaps, on paths that tell track and frame."""
    chance = random.Random(seed)
    found = []
    for track in range(n_tracks):
        first = chance.randrange(5, N_FRAMES - 5)
        for frame in range(first, min(first + chance.randrange(1, 40), N_FRAMES - 3)):
            if chance.random() < 0.15 or frame in {40, 41}:
                continue
            confidence = chance.choice([ABSENT, None, 0.0, 1.0, 1.5, -0.25, chance.random()])
            found.append(
                Box(frame, track, track * 100, frame, 4 + track, chance.randrange(30), confidence)
            )
    return tuple(found)


def written(folder: Path, *, layout: Layout, n_tracks: int = 11) -> Store:
    clips = (
        Clip("Loop00", 101, 100 + N_FRAMES, 100 + ESCAPE, "triggered", boxes(1, n_tracks)),
        Clip("Loop01", 201, 210, boxes=()),
        Clip("Loop02", 301, 302, boxes=(Box(1, 7, 5, 6, 3, 2, 0.5),)),
    )
    plan = tz.plan(*Experiment((Video("A", clips),)).write(folder / "input"))
    videos = tuple(replace(video, layout=layout) for video in plan.videos)
    store = folder / "A.zarr"
    assert tz.create(replace(plan, videos=videos), store, workers=1).ok
    return Store.at(store)


@pytest.fixture(scope="module", params=[Layout(), Layout(chunk_frames=7, chunk_individuals=3)])
def store(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Store:
    return written(tmp_path_factory.mktemp("sample"), layout=request.param)


def sampled(store: Store, clip: str) -> ClipSample:
    receipt = store.read_receipt("A")
    assert receipt is not None
    return sample_clip(store, receipt, clip)


@pytest.mark.parametrize("clip", ["Loop00", "Loop01", "Loop02"])
def test_all_boxes_are_counted(store: Store, clip: str) -> None:
    seen, dataset = sampled(store, clip), tz.load_clip(store.path, "A", clip)
    there = dataset.position.notnull().all("space")
    assert seen.in_view.tolist() == there.sum("individual").values.tolist()
    assert seen.track_frames.tolist() == there.sum("time").values.tolist()
    confidence = dataset.confidence.values[there.values]
    inside = confidence[(confidence >= 0) & (confidence <= 1)]
    assert seen.confidence.sum() == len(inside)
    assert seen.confidence_absent == np.isnan(confidence).sum()
    assert seen.confidence_outside == len(confidence) - len(inside) - seen.confidence_absent
    expected = np.histogram(inside, np.linspace(0, 1, len(seen.confidence) + 1))[0]
    assert np.abs(seen.confidence.cumsum() - expected.cumsum()).max(initial=0) <= 1  # at an edge
    sizes = dataset["shape"].transpose("time", "individual", "space").values[there.values]
    for counts, side in ((seen.width, sizes[:, 0]), (seen.height, sizes[:, 1])):
        assert np.repeat(np.arange(len(counts)), counts).tolist() == sorted(side.astype(int))


def test_what_is_known_of_a_clip(store: Store) -> None:
    seen = sampled(store, "Loop00")
    assert (seen.plan.escape, seen.plan.n_frames, seen.fps) == (ESCAPE, N_FRAMES, 59.94)
    assert seen.empty_frames == (seen.in_view == 0).sum() > 7  # at the start, at 40 and 41, the end
    assert sampled(store, "Loop01").plan.escape is None
    assert sampled(store, "Loop01").empty_frames == 10


def lines_of(seen: ClipSample) -> list[list[tuple[float, float]]]:
    """Return the points of each line that is drawn."""
    chosen = np.ones(len(seen.trajectories.frame), np.bool_)
    x, y = _lines(seen.trajectories.position, _breaks(seen, chosen))
    lines: list[list[tuple[float, float]]] = []
    for point in zip(x.tolist(), y.tolist(), strict=True):
        if math.isnan(point[0]):
            lines.append([])
        else:
            lines[-1].append(point)
    return lines


def runs_of(store: Store, clip: str) -> list[list[tuple[float, float]]]:
    """Return the positions of each stretch of frames in which an individual is in view."""
    dataset = tz.load_clip(store.path, "A", clip)
    runs: list[list[tuple[float, float]]] = []
    for individual in dataset.position.transpose("individual", "time", "space").values.tolist():
        last = math.nan
        for x, y in individual:
            if not math.isnan(x):
                if math.isnan(last):
                    runs.append([])
                runs[-1].append((x, y))
            last = x
    return runs


@pytest.mark.parametrize("clip", ["Loop00", "Loop01", "Loop02"])
def test_lines_are_the_trajectories_and_bridge_no_gap(store: Store, clip: str) -> None:
    seen = sampled(store, clip)
    assert seen.trajectories.step == 1
    assert lines_of(seen) == runs_of(store, clip)


def test_thinned_lines_keep_their_ends_and_the_escape(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(sample, "POINTS_DRAWN", 20)
    seen = sampled(store, "Loop00")
    assert seen.trajectories.step > 3
    lines, runs = lines_of(seen), runs_of(store, "Loop00")
    assert len(lines) == len(runs)
    for line, run in zip(lines, runs, strict=True):
        assert (line[0], line[-1]) == (run[0], run[-1])
        assert set(line) <= set(run)
    assert sum(map(len, lines)) < seen.n_boxes
    kept = set(seen.trajectories.frame.tolist())
    assert {ESCAPE, ESCAPE - 1} <= kept


def test_a_group_that_is_not_what_its_receipt_says(tmp_path: Path) -> None:
    store = written(tmp_path, layout=Layout())
    shard = shard_path(store.group("A"), "position", 0)
    shard.write_bytes(shard.read_bytes()[:-1] + b"\0")
    with pytest.raises(ValueError, match="checksum"):
        sampled(store, "Loop00")
