"""Faults planted in what writes a group, and in the check of `create`: `verify` names each.

The check inside `create` places boxes with the code that wrote them, so that a fault there blinds
it, too; where a fault is in the writer alone, it is blinded by hand.
"""

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any
from unittest import mock

import numpy as np
import pytest

import tracks2zarr as tz
from support.experiments import Box, Clip, Experiment, Video
from tracks2zarr.dataset.clip_boxes import ClipBoxes, ClipTracks, Spill
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.group import box_comparison, shard, writer
from tracks2zarr.group.shard import ShardWriter
from tracks2zarr.native.chunks import ChunkRow

#: Small chunks, so that a clip has several along frames and individuals.
LAYOUT = Layout(chunk_frames=4, chunk_individuals=2)
#: Numbers whose centroid is another one if it is rounded once.
X, WIDTH = 125.734, 41.0


def boxes(shift: float) -> tuple[Box, ...]:
    return tuple(
        Box(frame, track, 10 * track + frame + shift, 7 * track, 4 + track, 6, 0.5 + track / 9)
        for frame in range(10)
        for track in range(5)
        if (frame + track) % 4
    )


FIRST = Clip("Loop00", 1, 10, 4, "triggered", boxes(0.25))
LAST = Clip("Loop01", 11, 20, boxes=boxes(0.75))
ROUNDED = Clip("Loop02", 21, 22, boxes=(Box(1, 3, X, 2, WIDTH, 4),))
EXPERIMENT = Experiment((Video("A", (FIRST, LAST, ROUNDED)),))


def changed_row(change: Callable[[ChunkRow], ChunkRow]) -> Any:
    """Change where boxes lie in chunks, or their values, in the writer as in its check."""
    place = ChunkRow.from_boxes

    def from_boxes(boxes: ClipBoxes, shape: tuple[int, int], number: int) -> ChunkRow:
        return change(place(boxes, shape, number))

    return mock.patch.object(ChunkRow, "from_boxes", from_boxes)


def swapped(row: ChunkRow) -> ChunkRow:
    position = np.ascontiguousarray(row.values["position"][:, ::-1])
    return replace(row, values=row.values | {"position": position})


def next_frame(row: ChunkRow) -> ChunkRow:
    return replace(row, frame=(row.frame + 1) % LAYOUT.chunk_frames)


def next_individual(row: ChunkRow) -> ChunkRow:
    return replace(row, individual=(row.individual + 1) % LAYOUT.chunk_individuals)


def without_the_last_chunk(row: ChunkRow) -> ChunkRow:
    return replace(row, rows={at: rows for at, rows in row.rows.items() if at < max(row.rows)})


def confidence_of_the_next_row(row: ChunkRow) -> ChunkRow:
    confidence = np.roll(row.values["confidence"], 1, axis=0)
    return replace(row, values=row.values | {"confidence": np.ascontiguousarray(confidence)})


@contextmanager
def blinded(target: object, name: str, planted: object) -> Iterator[None]:
    """Plant a fault in the writer alone, with a check that finds nothing."""
    with (
        mock.patch.object(target, name, planted),
        mock.patch.object(box_comparison, "clip_differences", return_value=[]),
    ):
        yield


def doubled() -> Any:
    encode = shard.encoded_chunk
    return blinded(writer, "encoded_chunk", lambda chunk, level: encode(2 * chunk, level))


def without_the_last_shard() -> Any:
    write = ShardWriter.write

    def kept(self: ShardWriter, position: tuple[int, ...], encoded: bytes) -> None:
        if "/c/1/" not in self._path.as_posix():
            write(self, position, encoded)

    return blinded(ShardWriter, "write", kept)


def rounded_once() -> Any:
    """The centroid of one box is computed in float64, and rounded then."""
    append = Spill.append

    def appended(self: Spill, batch: Any) -> None:
        exact = np.float32(X + WIDTH / 2)
        is_it = batch.size[:, 0] == np.float32(WIDTH)
        half = batch.size[:, 0] / np.float32(2)
        corner = batch.corner.copy()
        corner[is_it, 0] = exact - half[is_it]
        assert (corner[is_it, 0] + half[is_it] == exact).all()
        append(self, replace(batch, corner=corner))

    return mock.patch.object(Spill, "append", appended)


def tracks_of_others(change: Callable[[ClipTracks], ClipTracks]) -> Any:
    """Change what is written of the tracks of a clip, and what `create` compares it with."""
    of_clip = ClipBoxes.tracks
    return mock.patch.object(ClipBoxes, "tracks", lambda self: change(of_clip(self)))


FAULTS: dict[str, tuple[Callable[[], Any], str]] = {
    "x and y swapped": (lambda: changed_row(swapped), "position of track"),
    "a frame later": (lambda: changed_row(next_frame), "position of track"),
    "an individual on": (lambda: changed_row(next_individual), "position of track"),
    "the last chunk left out": (lambda: changed_row(without_the_last_chunk), "of clip Loop00"),
    "the last shard left out": (without_the_last_shard, "of clip Loop01"),
    "a chunk's values doubled": (doubled, "position of track"),
    "confidence in the wrong row": (
        lambda: changed_row(confidence_of_the_next_row),
        "confidence of track",
    ),
    "a track begins later": (
        lambda: tracks_of_others(lambda of: replace(of, first_frame=of.first_frame + 1)),
        "'track_first_frame'",
    ),
    "a track ends earlier": (
        lambda: tracks_of_others(lambda of: replace(of, last_frame=of.last_frame - 1)),
        "'track_last_frame'",
    ),
    "boxes miscounted": (
        lambda: tracks_of_others(lambda of: replace(of, n_boxes=of.n_boxes[::-1].copy())),
        "'track_n_boxes'",
    ),
    "rounded once instead of twice": (rounded_once, "position of track 3 in frame 1"),
}


@pytest.fixture
def planned(tmp_path: Path) -> tz.Plan:
    plan = tz.plan(*EXPERIMENT.write(tmp_path / "input"))
    return tz.Plan(tuple(replace(video, layout=LAYOUT) for video in plan.videos))


@pytest.mark.parametrize("name", FAULTS)
def test_verify_names_a_planted_fault(name: str, planned: tz.Plan, tmp_path: Path) -> None:
    plant, said = FAULTS[name]
    store = tmp_path / "out.zarr"
    with plant():
        assert tz.create(planned, store, workers=1).ok, "the check of create is to be blinded"
    (video,) = tz.verify(store, workers=1).videos
    assert {problem.kind for problem in video.problems} == {"store-differs"}
    assert any(said in problem.what for problem in video.problems), video.problems
    assert all(problem.clip or "in all" in problem.what for problem in video.problems)


def test_without_a_fault_all_is_verified(planned: tz.Plan, tmp_path: Path) -> None:
    assert tz.create(planned, tmp_path / "out.zarr", workers=1).ok
    assert tz.verify(tmp_path / "out.zarr", workers=1).ok


def test_one_box_shows_how_often_its_centroid_was_rounded() -> None:
    once = np.float32(X + WIDTH / 2)
    twice = np.float32(X) + np.float32(WIDTH) / np.float32(2)
    assert once != twice
