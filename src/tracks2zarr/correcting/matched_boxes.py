"""Which boxes of some frames are the same before and after a correction."""

from __future__ import annotations

from collections import defaultdict
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.exporting.via_rows import RowBoxes


@dataclass(frozen=True, slots=True, kw_only=True)
class MatchedBoxes:
    """The places of boxes before and after, (n,) int64 each; those of a pair of fields are pairs.

    Parameters
    ----------
    same, same_now
        Of one place, size and track.
    renumbered, renumbered_now
        Of one place and size, and of two tracks.
    moved, moved_now
        Of one track, and of two places or sizes.
    removed, added
        Of boxes without a partner.
    """

    same: Int64s
    same_now: Int64s
    renumbered: Int64s
    renumbered_now: Int64s
    moved: Int64s
    moved_now: Int64s
    removed: Int64s
    added: Int64s

    @property
    def kept(self) -> Int64s:
        """The boxes that have a partner, before."""
        return np.concatenate([self.same, self.renumbered, self.moved])

    @property
    def kept_now(self) -> Int64s:
        """Their partners, in the same order."""
        return np.concatenate([self.same_now, self.renumbered_now, self.moved_now])

    def changed_frames(self, before: RowBoxes, after: RowBoxes) -> Int64s:
        """Return the frames in which a box has another place, size or track, or no partner."""
        places = np.concatenate([self.renumbered, self.moved, self.removed])
        return np.union1d(before.frame[places], after.frame[self.added])


def match_boxes(before: RowBoxes, after: RowBoxes) -> MatchedBoxes:
    """Match the boxes of some frames: first by place, size and track, then by less.

    Parameters
    ----------
    before, after
        The boxes of the same frames.
    """
    same, same_now = _unchanged(before, after)
    left, left_now = _left(before, same), _left(after, same_now)
    renumbered, renumbered_now = _in_place(before, after, left, left_now)
    left, left_now = _without(left, renumbered), _without(left_now, renumbered_now)
    moved, moved_now = _tracks_in_both(before, after, left, left_now)
    return MatchedBoxes(
        same=same,
        same_now=same_now,
        renumbered=renumbered,
        renumbered_now=renumbered_now,
        moved=moved,
        moved_now=moved_now,
        removed=_without(left, moved),
        added=_without(left_now, moved_now),
    )


def _keys(boxes: RowBoxes, *, with_track: bool) -> NDArray[Any]:
    """Return what makes a box the same as another, as one value per box."""
    # as readers compute it
    centroid = boxes.corner + boxes.size / np.float32(2)
    columns = [boxes.frame, *(centroid + np.float32(0)).T, *(boxes.size + np.float32(0)).T]
    columns += [boxes.track] if with_track else []
    names = [(f"f{n}", column.dtype) for n, column in enumerate(columns)]
    keys = np.empty(len(boxes), names)
    for (name, _), column in zip(names, columns, strict=True):
        keys[name] = column
    return keys.view(np.dtype((np.void, keys.dtype.itemsize)))


def _unchanged(before: RowBoxes, after: RowBoxes) -> tuple[Int64s, Int64s]:
    """Return the places of the boxes that have the same place, size and track on both sides."""
    keys, keys_now = _keys(before, with_track=True), _keys(after, with_track=True)
    _, places, places_now = np.intersect1d(keys, keys_now, assume_unique=True, return_indices=True)
    return places, places_now


def _in_place(
    before: RowBoxes, after: RowBoxes, left: Int64s, left_now: Int64s
) -> tuple[Int64s, Int64s]:
    """Return the places of boxes with one place and size among those left on both sides."""
    places: dict[bytes, list[int]] = defaultdict(list)
    keys = _keys(before.take(left), with_track=False).tolist()
    for place, key in zip(left.tolist(), keys, strict=True):
        places[key].append(place)
    keys = _keys(after.take(left_now), with_track=False).tolist()
    pairs = [
        (places[key].pop(0), place)
        for place, key in zip(left_now.tolist(), keys, strict=True)
        if places.get(key)
    ]
    found = np.array(pairs, np.int64).reshape(-1, 2)
    return found[:, 0], found[:, 1]


def _tracks_in_both(
    before: RowBoxes, after: RowBoxes, left: Int64s, left_now: Int64s
) -> tuple[Int64s, Int64s]:
    """Return the places of boxes of one frame and track that are left on both sides."""
    place_of = {(before.frame[place], before.track[place]): place for place in left.tolist()}
    now = [(place_of.get((after.frame[p], after.track[p])), p) for p in left_now.tolist()]
    pairs = np.array([pair for pair in now if pair[0] is not None], np.int64).reshape(-1, 2)
    return pairs[:, 0], pairs[:, 1]


def _left(boxes: RowBoxes, taken: Int64s) -> Int64s:
    return _without(np.arange(len(boxes)), taken)


def _without(places: Int64s, taken: Int64s) -> Int64s:
    return np.setdiff1d(places, taken)
