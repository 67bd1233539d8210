"""Which boxes are the same, moved, renumbered; which tracks are joined and split."""

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from tracks2zarr.correcting.changes import Changes, changes_between
from tracks2zarr.exporting.via_rows import RowBoxes

#: A box: frame, track, x, width and confidence.
type Drawn = tuple[int, int, float, float, float]


def boxes(*drawn: Drawn) -> RowBoxes:
    frame, track, x, width, confidence = (
        np.array([one[n] for one in sorted(drawn)]) for n in range(5)
    )
    return RowBoxes(
        frame=frame.astype(np.int64),
        track=track.astype(np.int64),
        corner=np.array([x, x], np.float32).reshape(2, -1).T,
        size=np.array([width, width], np.float32).reshape(2, -1).T,
        confidence=confidence.astype(np.float32),
    )


def compared(before: list[Drawn], after: list[Drawn], others: tuple[int, ...] = ()) -> Changes:
    stretch = np.arange(10)
    return changes_between(boxes(*before), boxes(*after), stretch, np.array(others, np.int64))


def test_two_tracks_that_were_swapped_are_renumbered_not_moved() -> None:
    found = compared([(1, 7, 1, 2, 1), (1, 9, 5, 2, 1)], [(1, 9, 1, 2, 1), (1, 7, 5, 2, 1)])
    assert found.counts == {"moved": 0, "added": 0, "removed": 0, "renumbered": 2, "confidence": 0}
    assert [str(one) for one in found.renumbered] == ["7 → 9 in frame 1", "9 → 7 in frame 1"]
    assert not found.joined
    assert not found.split
    assert not found.new_tracks


def test_two_boxes_in_one_place_are_two() -> None:
    before: list[Drawn] = [(1, 7, 1, 2, 1), (1, 9, 1, 2, 1)]
    found = compared(before, [(1, 9, 1, 2, 1), (1, 12, 1, 2, 1)])
    assert [str(one) for one in found.renumbered] == ["7 → 12 in frame 1"]
    assert compared(before, before[:1]).counts["removed"] == 1


def test_a_box_that_moved_and_got_another_track_is_another_box() -> None:
    found = compared([(1, 7, 1, 2, 1)], [(1, 8, 2, 2, 1)])
    assert (found.removed, found.added, found.n_renumbered) == (1, 1, 0)
    assert (found.new_tracks, found.removed_tracks) == ((8,), (7,))


def test_a_renumbered_box_may_have_another_confidence() -> None:
    found = compared([(1, 7, 1, 2, 1)], [(1, 8, 1, 2, np.nan)])
    assert (found.n_renumbered, found.confidence) == (1, 1)
    assert found.n_changed_frames == 1


def test_tracks_outside_the_stretch_count_for_joined_and_split() -> None:
    before: list[Drawn] = [(1, 7, 1, 2, 1)]
    after: list[Drawn] = [(1, 9, 1, 2, 1)]
    alone, both = compared(before, after), compared(before, after, others=(7, 9))
    assert (alone.joined, alone.split) == ((), ())
    assert (alone.new_tracks, alone.removed_tracks) == ((9,), (7,))
    assert [str(one) for one in both.joined] == ["7 and 9 → 9"]
    assert [str(one) for one in both.split] == ["7 → 7 and 9"]
    assert (both.new_tracks, both.removed_tracks) == ((), ())


def test_corners_that_give_the_same_centroid_are_the_same() -> None:
    """`export` writes one of them, and the file of the tracker may have another."""
    x = np.float32(1061.0085)
    near = np.nextafter(x, np.float32(0))
    width = np.float32(100_000)
    assert x + width / 2 == near + width / 2
    assert not compared([(1, 7, float(x), 1e5, 1)], [(1, 7, float(near), 1e5, 1)])


drawn = st.dictionaries(
    st.tuples(st.integers(0, 3), st.integers(0, 3)),
    st.tuples(st.integers(0, 2), st.just(2), st.sampled_from([0.5, 1.0, np.nan])),
)


@given(drawn, drawn)
def test_every_box_is_counted_once(
    before: dict[tuple[int, int], Drawn], after: dict[tuple[int, int], Drawn]
) -> None:
    was, now = ([(*key, *rest) for key, rest in some.items()] for some in (before, after))
    found = compared(was, now)  # type: ignore[arg-type]
    assert len(was) - found.removed == len(now) - found.added
    assert found.moved + found.n_renumbered <= len(was) - found.removed
    same = {key: tuple(map(str, rest)) for key, rest in before.items()}
    assert bool(found) == (same != {key: tuple(map(str, rest)) for key, rest in after.items()})
    assert sum(compared(was, was).counts.values()) == 0  # type: ignore[arg-type]
