"""What a correction changes: boxes moved, added and removed, tracks renumbered and joined."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tracks2zarr.common.display import OneLine, Shown, Table
from tracks2zarr.common.documents import fields_of
from tracks2zarr.common.problems import comma_list
from tracks2zarr.common.words import count_text
from tracks2zarr.correcting.matched_boxes import match_boxes
from tracks2zarr.dataset.batches import Bools, Float32s, Int64s
from tracks2zarr.exporting.via_rows import RowBoxes

#: So many tracks, or changes of tracks, are named in one line.
_NAMED = 8


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Renumbered(OneLine):
    """Boxes that stay where they are but now belong to a different track.

    `first_frame` and `last_frame` are within the clip, and `n_boxes` counts the boxes.
    """

    before: int
    after: int
    first_frame: int
    last_frame: int
    n_boxes: int

    def __str__(self) -> str:
        where = f"in frames {self.first_frame} to {self.last_frame}"
        if self.first_frame == self.last_frame:
            where = f"in frame {self.first_frame}"
        return f"{self.before} → {self.after} {where}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class JoinedTracks(OneLine):
    """Tracks whose boxes now belong to one track."""

    before: tuple[int, ...]
    after: int

    def __str__(self) -> str:
        return f"{_and(self.before)} → {self.after}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class SplitTrack(OneLine):
    """A track whose boxes now belong to several tracks."""

    before: int
    after: tuple[int, ...]

    def __str__(self) -> str:
        return f"{self.before} → {_and(self.after)}"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Changes(Shown):
    """What a correction changes.

    Parameters
    ----------
    first_frame, last_frame
        The first and the last frame within the clip that are replaced.
    n_frames
        The number of frames that are replaced.
    n_changed_frames
        The number of frames in which anything changes.
    n_boxes_before, n_boxes_after
        The number of boxes in these frames, before and after.
    n_in_place
        The number of boxes that stay where they are.
    moved, added, removed
        The numbers of boxes with a new position or size, of new boxes, and of removed boxes.
    confidence
        The number of boxes with a new confidence.
    renumbered
        Boxes that stay where they are but belong to a different track.
    joined, split
        What happens to tracks of which only some boxes are renumbered, in the whole clip.
    new_tracks, removed_tracks
        The tracks that the clip did not have before, and those that it no longer has.
    """

    first_frame: int
    last_frame: int
    n_frames: int
    n_changed_frames: int
    n_boxes_before: int
    n_boxes_after: int
    n_in_place: int = 0
    moved: int = 0
    added: int = 0
    removed: int = 0
    confidence: int = 0
    renumbered: tuple[Renumbered, ...] = ()
    joined: tuple[JoinedTracks, ...] = ()
    split: tuple[SplitTrack, ...] = ()
    new_tracks: tuple[int, ...] = ()
    removed_tracks: tuple[int, ...] = ()

    @property
    def n_renumbered(self) -> int:
        """How many boxes are of another track."""
        return sum(one.n_boxes for one in self.renumbered)

    @property
    def counts(self) -> Mapping[str, int]:
        """How many boxes change, by kind of change."""
        return {
            "moved": self.moved,
            "added": self.added,
            "removed": self.removed,
            "renumbered": self.n_renumbered,
            "confidence": self.confidence,
        }

    def __bool__(self) -> bool:
        return any(self.counts.values())

    def as_dict(self) -> dict[str, Any]:
        """Return the fields, for JSON."""
        return fields_of(self) | {"n_renumbered": self.n_renumbered}

    def __str__(self) -> str:
        counts = [f"{count:,} {kind}" for kind, count in self.counts.items() if count]
        where = f"frames {self.first_frame} to {self.last_frame}"
        return f"{where}: {', '.join(counts) or 'nothing changes'}"

    def rows(self) -> Iterator[tuple[str, int, str]]:
        """Yield what changes, how many boxes or tracks, and which, for people."""
        yield "boxes moved or resized", self.moved, ""
        yield "boxes added", self.added, ""
        yield "boxes removed", self.removed, ""
        yield "boxes with another confidence", self.confidence, ""
        yield "boxes renumbered", self.n_renumbered, _some(self.renumbered)
        yield "tracks joined", len(self.joined), _some(self.joined)
        yield "tracks split", len(self.split), _some(self.split)
        yield "tracks new in the clip", len(self.new_tracks), _some(self.new_tracks)
        yield "tracks gone from the clip", len(self.removed_tracks), _some(self.removed_tracks)

    def _shown_table(self) -> Table:
        """Return what changes."""
        rows = [(what, which, count) for what, count, which in self.rows() if count]
        return Table(("change", "which", "number"), rows, left=2)


def _some(items: Iterable[object]) -> str:
    return comma_list(list(items), _NAMED)


def _and(tracks: tuple[int, ...]) -> str:
    *first, last = map(str, tracks)
    return f"{', '.join(first)} and {last}" if first else last


def frames_text(changes: Changes) -> str:
    """Return which frames are replaced, and in how many of them anything changes."""
    n = count_text(changes.n_frames, "frame")
    changed = f"changes in {changes.n_changed_frames:,} of them" if changes else "nothing changes"
    return f"{n} from {changes.first_frame} to {changes.last_frame}: {changed}"


def changes_between(before: RowBoxes, after: RowBoxes, stretch: Int64s, others: Int64s) -> Changes:
    """Compare the boxes of some frames with those that replace them.

    Boxes are compared by centroid and size, as the dataset has them. A box that stayed where it was
    is the same box, also where it has another track; one that moved is known by its track.

    Parameters
    ----------
    before, after
        The boxes of these frames.
    stretch
        (n,) int64, the frames, ascending, at least one.
    others
        The tracks that the clip has in other frames.
    """
    match = match_boxes(before, after)
    old, new = before.take(match.kept), after.take(match.kept_now)
    other = _differ(old.confidence, new.confidence)
    targets = _targets(old.track, new.track, others)
    renumbered = before.take(match.renumbered), after.take(match.renumbered_now)
    return Changes(
        first_frame=int(stretch[0]),
        last_frame=int(stretch[-1]),
        n_frames=len(stretch),
        n_changed_frames=len(np.unique([*match.changed_frames(before, after), *old.frame[other]])),
        n_boxes_before=len(before),
        n_boxes_after=len(after),
        n_in_place=len(match.same) + len(match.renumbered),
        moved=len(match.moved),
        added=len(match.added),
        removed=len(match.removed),
        confidence=int(other.sum()),
        renumbered=tuple(_renumbered(*renumbered)),
        joined=tuple(_joined(targets)),
        split=tuple(_split(targets)),
        new_tracks=_lacking(after.track, np.union1d(before.track, others)),
        removed_tracks=_lacking(before.track, np.union1d(after.track, others)),
    )


def _differ(one: Float32s, other: Float32s) -> Bools:
    differ: Bools = (one != other) & ~(np.isnan(one) & np.isnan(other))
    return differ


def _lacking(tracks: Int64s, known: Int64s) -> tuple[int, ...]:
    return tuple(np.setdiff1d(tracks, known).tolist())


def _renumbered(before: RowBoxes, after: RowBoxes) -> Iterator[Renumbered]:
    """Yield which boxes are of other tracks, by both tracks."""
    frames: dict[tuple[int, int], list[int]] = defaultdict(list)
    pairs = zip(before.track.tolist(), after.track.tolist(), strict=True)
    for pair, frame in zip(pairs, before.frame.tolist(), strict=True):
        frames[pair].append(frame)
    for (old, new), some in sorted(frames.items()):
        yield Renumbered(
            before=old, after=new, first_frame=min(some), last_frame=max(some), n_boxes=len(some)
        )


def _targets(before: Int64s, after: Int64s, others: Int64s) -> set[tuple[int, int]]:
    """Return which tracks have become which; a track stays itself in all other frames."""
    pairs = set(zip(before.tolist(), after.tolist(), strict=True))
    return pairs | {(track, track) for track in others.tolist()}


def _joined(targets: set[tuple[int, int]]) -> Iterator[JoinedTracks]:
    sources: dict[int, list[int]] = defaultdict(list)
    for before, after in sorted(targets):
        sources[after].append(before)
    for after, several in sorted(sources.items()):
        if len(several) > 1:
            yield JoinedTracks(before=tuple(several), after=after)


def _split(targets: set[tuple[int, int]]) -> Iterator[SplitTrack]:
    parts: dict[int, list[int]] = defaultdict(list)
    for before, after in sorted(targets):
        parts[before].append(after)
    for before, several in sorted(parts.items()):
        if len(several) > 1:
            yield SplitTrack(before=before, after=tuple(several))
