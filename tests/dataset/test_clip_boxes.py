"""The boxes of a clip: from when to when its tracks last; the names of its individuals."""

from unittest import mock

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracks2zarr.dataset import clip_boxes, schema
from tracks2zarr.dataset.clip_boxes import ClipBoxes

#: Track numbers that are looked up in a table, and others.
TRACKS = [0, 3, 2**40, 2**63 - 1]


def boxes_of(pairs: list[tuple[int, int]]) -> ClipBoxes:
    """Return boxes of some frames and track numbers."""
    frame = np.array([frame for frame, _ in pairs], np.int32)
    track = np.array([track for _, track in pairs], np.int64)
    nothing = np.zeros((len(pairs), 4), np.float32)
    return ClipBoxes(frame, track, nothing, nothing[:, 0], np.unique(track))


PAIRS = st.tuples(st.integers(0, 9), st.sampled_from(TRACKS))


@given(st.lists(PAIRS, max_size=30, unique=True), st.integers(1, 40))
def test_tracks(pairs: list[tuple[int, int]], rows_at_once: int) -> None:
    """Boxes of a frame come in any order, and are read in blocks of any length."""
    in_order = sorted(pairs, key=lambda pair: pair[0])
    with mock.patch.object(clip_boxes, "_ROWS_AT_ONCE", rows_at_once):
        tracks = boxes_of(in_order).tracks()
    assert len(tracks) == len({track for _, track in pairs})
    for number, track in enumerate(tracks.track_ids.tolist()):
        frames = [frame for frame, of in pairs if of == track]
        found = [tracks.first_frame[number], tracks.last_frame[number], tracks.n_boxes[number]]
        assert found == [min(frames), max(frames), len(frames)]


@pytest.mark.parametrize(
    ("count", "last"),
    [(1, "id_00000"), (100_000, "id_99999"), (100_001, "id_100000")],
)
def test_names_of_individuals(count: int, last: str) -> None:
    names = schema.individual_names(count)
    assert len(names) == count
    assert names[-1] == last
    assert {len(name) for name in names} == {len(last)}
    assert schema.individual_names(0) == []
