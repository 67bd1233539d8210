"""A group gives back the boxes that zarr-python finds in it, block by block."""

from __future__ import annotations

import shutil
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest
import zarr

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group import reader
from tracks2zarr.group.geometry import shard_path
from tracks2zarr.group.reader import StoredBoxes, read_boxes, stored_boxes
from tracks2zarr.group.shard import ShardReader

N_FRAMES, N_TRACKS = 40, 9
SMALL = Layout(chunk_frames=7, chunk_individuals=3)


def some_boxes() -> tuple[Box, ...]:
    """Return boxes of tracks with gaps; some have no confidence, and none is in frames 7 to 13."""
    random = np.random.default_rng(1)
    places = np.argwhere(random.random((N_FRAMES, N_TRACKS)) < 0.4).tolist()
    return tuple(
        Box(frame, 10 * track, frame * track, frame, 4 + track, 3, None if frame % 3 else 0.5)
        for frame, track in places
        if not 7 <= frame < 14
    )


@pytest.fixture(scope="module", params=[Layout(), SMALL], ids=["one chunk", "many chunks"])
def group(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("group")
    clips = (
        Clip("Loop00", 1, 10, boxes=()),
        Clip("Loop01", 101, 100 + N_FRAMES, boxes=some_boxes()),
        Clip("Loop02", 301, 302, boxes=(Box(1, 7, 5, 6, 3, 2, 0.5),)),
    )
    plan = tz.plan(*Experiment((Video("A", clips),)).write(folder / "input"))
    videos = tuple(replace(video, layout=request.param) for video in plan.videos)
    assert tz.create(replace(plan, videos=videos), folder / "A.zarr", workers=1).ok
    return folder / "A.zarr" / "A"


def dense(group: Path, number: int) -> dict[str, Any]:
    """Return the arrays of one clip, as zarr-python reads them."""
    arrays = zarr.open_group(group, mode="r")
    names = ("position", "shape", "confidence", "track_id")
    return {name: np.asarray(cast("zarr.Array[Any]", arrays[name])[number]) for name in names}


@pytest.mark.parametrize("number", [0, 1, 2])
def test_all_boxes_and_nothing_else(group: Path, number: int) -> None:
    expected = dense(group, number)
    blocks = list(stored_boxes(group, number))
    boxes = StoredBoxes.concatenate(blocks).by_frame()
    frame, individual = np.nonzero(~np.isnan(expected["position"][:, 0]))
    np.testing.assert_array_equal(boxes.frame, frame)
    np.testing.assert_array_equal(boxes.individual, individual)
    np.testing.assert_array_equal(boxes.track, expected["track_id"][individual])
    np.testing.assert_array_equal(boxes.position, expected["position"][frame, :, individual])
    np.testing.assert_array_equal(boxes.shape, expected["shape"][frame, :, individual])
    np.testing.assert_array_equal(boxes.confidence, expected["confidence"][frame, individual])


def test_blocks_are_of_some_frames_each_in_order(group: Path) -> None:
    blocks = list(stored_boxes(group, 1))
    for block in blocks:
        order = np.lexsort((block.frame, block.individual))
        assert (np.diff(order) == 1).all()
    spans = [(block.frame.min(), block.frame.max()) for block in blocks]
    assert all(last < first for (_, last), (first, _) in pairwise(spans))
    assert len(blocks) in {1, 5}  # one of six rows of chunks has no boxes


def test_only_stored_chunks_are_read(group: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    places = []
    read = ShardReader.read

    def noted(shard: ShardReader, place: tuple[int, ...], into: Any = None) -> Any:
        assert shard.has(place)
        places.append(place)
        return read(shard, place, into)

    monkeypatch.setattr(ShardReader, "read", noted)
    assert list(stored_boxes(group, 0)) == []
    assert not places
    assert len(list(stored_boxes(group, 2))) == 1
    assert len(places) == 3


@pytest.mark.parametrize("number", [0, 1, 2])
def test_a_clip_to_keep(group: Path, number: int) -> None:
    boxes = read_boxes(group, number)
    assert [column.dtype for column in (boxes.frame, boxes.track, boxes.box)] == ["i4", "i8", "f4"]
    np.testing.assert_array_equal(boxes.track_ids, np.unique(boxes.track))
    assert boxes.first_duplicate() is None
    assert len(boxes) == [0, len(some_boxes()), 1][number]


@pytest.mark.parametrize(("name", "value"), [("clip_n_frames", 2), ("clip_n_individuals", 1)])
def test_a_box_outside_of_its_clip_is_an_error(
    group: Path, name: str, value: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    row = reader._row
    monkeypatch.setattr(reader, "_row", lambda *key: value if key[1] == name else row(*key))
    with pytest.raises(ValueError, match="a box"):
        list(stored_boxes(group, 1))


def test_a_damaged_chunk_is_an_error(group: Path, tmp_path: Path) -> None:
    copy = tmp_path / "A"
    shutil.copytree(group, copy)
    shard = shard_path(copy, "shape", 2)
    shard.write_bytes(b"none" + shard.read_bytes()[4:])
    with pytest.raises(ValueError, match="decoded"):
        list(stored_boxes(copy, 2))
