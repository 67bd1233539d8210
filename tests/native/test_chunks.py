"""Boxes are put into chunks, and chunks held against boxes, alike by compiled code and by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s
from tracks2zarr.dataset.clip_boxes import ClipBoxes
from tracks2zarr.native import library
from tracks2zarr.native.chunks import ChunkRow

#: The wheel is tested without the compiled one; test_build.py says that the checkout has it.
WAYS = ["compiled", "numpy"] if library.compiled() else ["numpy"]
SHAPE = FRAMES, INDIVIDUALS = 5, 3
N_FRAMES, N_TRACKS = 12, 8
#: All that a float32 may be taken for another by.
VALUES = [0.0, -0.0, 1.0, np.nextafter(np.float32(1), np.float32(2)), 1e-45, 3e38, float("nan")]


@pytest.fixture(params=WAYS)
def way(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if request.param == "numpy":
        monkeypatch.setattr(library, "compiled", lambda: None)


def some_boxes(seed: int = 0, share: float = 0.6) -> ClipBoxes:
    """Return boxes of some tracks in some frames; each third has no confidence."""
    random = np.random.default_rng(seed)
    frame, track = np.nonzero(random.random((N_FRAMES, N_TRACKS)) < share)
    confidence = random.random(len(frame)).astype(np.float32)
    confidence[::3] = np.nan
    box = random.normal(size=(len(frame), 4)).astype(np.float32)
    tracks = 10 * track
    return ClipBoxes(frame.astype(np.int32), tracks, box, confidence, np.unique(tracks))


def dense(boxes: ClipBoxes, name: str) -> Float32s:
    """Return (n_frames, n_sides, n_individuals), NaN where there is no box, box by box."""
    values = {
        schema.POSITION: boxes.box[:, :2],
        schema.SHAPE: boxes.box[:, 2:],
        schema.CONFIDENCE: boxes.confidence[:, None],
    }[name]
    full = np.full((15, values.shape[1], 9), np.nan, np.float32)
    for frame, track, value in zip(boxes.frame, boxes.track, values, strict=True):
        full[frame, :, list(boxes.track_ids).index(track)] = value
    return full


def nothing(n_sides: int) -> Float32s:
    return np.full((FRAMES, n_sides, INDIVIDUALS), np.nan, np.float32)


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", schema.BOX_VARIABLES)
@pytest.mark.parametrize("share", [0.05, 0.6, 1])
def test_chunks_are_those_of_the_dense_array(name: str, share: float) -> None:
    boxes = some_boxes(share=share)
    full, n_rows = dense(boxes, name), 0
    for number in range(3):
        row = ChunkRow.from_boxes(boxes, SHAPE, number)
        n_sides = row.values[name].shape[1]
        for column, rows in row.rows.items():
            chunk = nothing(n_sides)
            has_numbers = row.put(name, rows, chunk)
            left, first = column * INDIVIDUALS, number * FRAMES
            expected = full[first : first + FRAMES, :, left : left + INDIVIDUALS]
            np.testing.assert_array_equal(chunk, expected)
            assert has_numbers == (not np.isnan(expected).all())
            assert row.matches(name, rows, chunk)
            row.clear(rows, chunk)
            assert np.isnan(chunk).all()
            n_rows += len(rows)
    assert n_rows == len(boxes)


@pytest.mark.usefixtures("way")
def test_boxes_without_a_number_say_so() -> None:
    boxes = some_boxes()
    boxes.confidence[:] = np.nan
    row = ChunkRow.from_boxes(boxes, SHAPE, 0)
    chunk = nothing(1)
    assert not any(row.put(schema.CONFIDENCE, rows, chunk) for rows in row.rows.values())


@pytest.mark.usefixtures("way")
@pytest.mark.parametrize("name", schema.BOX_VARIABLES)
@pytest.mark.parametrize("other", VALUES)
@pytest.mark.parametrize("value", VALUES)
def test_every_other_value_is_seen(name: str, value: float, other: float) -> None:
    """In each place of a chunk, of a box or not."""
    boxes = some_boxes()
    for column in (boxes.box, boxes.confidence):
        column[...] = value
    row = ChunkRow.from_boxes(boxes, SHAPE, 1)
    same = np.float32(value).tobytes() == np.float32(other).tobytes()
    for rows in row.rows.values():
        chunk = nothing(row.values[name].shape[1])
        row.put(name, rows, chunk)
        assert row.matches(name, rows, chunk)
        is_box = np.zeros(chunk.shape, bool)
        is_box[row.frame[rows], :, row.individual[rows]] = True
        for place in np.ndindex(*chunk.shape):
            before = chunk[place]
            chunk[place] = other
            expected = same if is_box[place] else np.isnan(other)
            assert row.matches(name, rows, chunk) == expected
            chunk[place] = before


@pytest.mark.usefixtures("way")
def test_a_chunk_without_boxes_holds_nothing() -> None:
    row = ChunkRow.from_boxes(some_boxes(), SHAPE, 0)
    no_rows, chunk = np.empty(0, np.int64), nothing(2)
    assert row.matches(schema.POSITION, no_rows, chunk)
    chunk[0, 1, 2] = 0
    assert not row.matches(schema.POSITION, no_rows, chunk)


@pytest.mark.usefixtures("way")
def test_a_number_too_many_does_not_make_up_for_one_that_is_not_there() -> None:
    row = ChunkRow.from_boxes(some_boxes(), SHAPE, 0)
    (rows, *_) = row.rows.values()
    chunk = nothing(2)
    row.put(schema.POSITION, rows, chunk)
    free = np.argwhere(np.isnan(chunk))[0]
    chunk[tuple(free)] = 1
    chunk[row.frame[rows[0]], 0, row.individual[rows[0]]] = np.nan
    assert not row.matches(schema.POSITION, rows, chunk)


@given(seed=st.integers(0, 2**32), share=st.floats(0, 1), number=st.integers(0, 3))
def test_both_ways_are_alike(seed: int, share: float, number: int) -> None:
    row = ChunkRow.from_boxes(some_boxes(seed, share), SHAPE, number)
    for rows in row.rows.values():
        for name, values in row.values.items():
            chunks = []
            for found in (library.compiled(), None):
                with pytest.MonkeyPatch.context() as patch:
                    patch.setattr(library, "compiled", lambda found=found: found)
                    chunk = nothing(values.shape[1])
                    chunks.append((row.put(name, rows, chunk), chunk.tobytes()))
            assert chunks[0] == chunks[1]


def test_a_large_chunk_is_counted_whole() -> None:
    """The last number of many is seen."""
    row = ChunkRow.from_boxes(some_boxes(), SHAPE, 0)
    no_rows = np.empty(0, np.int64)
    for size in (4095, 4096, 4097, 3 * 4096 + 5):
        chunk = np.full((1, 1, size), np.nan, np.float32)
        assert row.matches(schema.CONFIDENCE, no_rows, chunk)
        chunk[0, 0, -1] = 0
        assert not row.matches(schema.CONFIDENCE, no_rows, chunk)
