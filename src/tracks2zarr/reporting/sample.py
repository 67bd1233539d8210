"""What is drawn of a clip: counts over all boxes, and a sample of its trajectories."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.group.reader import StoredBoxes, stored_boxes
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.planning.plan import ClipPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

#: How many points of trajectories are drawn at most, the ends of runs apart.
POINTS_DRAWN = 40_000
#: Bins of confidence between 0 and 1.
_CONFIDENCE_BINS = 50

type Int64s = NDArray[np.int64]
type Float32s = NDArray[np.float32]


@dataclass(frozen=True, slots=True, kw_only=True)
class Trajectories:
    """Points of a clip's trajectories, sorted by individual, then by frame.

    Parameters
    ----------
    individual, frame
        (n_points,) int64; the frame is 0-based within the clip.
    position
        (n_points, 2) float32: x and y of the centroid, in pixels.
    begins
        (n_points,) bool: whether the individual was not in view in the frame before.
    step
        Every how many frames a point was kept. The first and the last box before and after
        each gap are always kept, and those around the escape's first frame.
    """

    individual: Int64s
    frame: Int64s
    position: Float32s
    begins: NDArray[np.bool_]
    step: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipSample:
    """What is drawn of a clip. All counts are over every box; only trajectories are thinned.

    Parameters
    ----------
    plan
        The clip's place in its video, and its escape.
    fps
        Frames per second.
    in_view
        (n_frames,) int64: individuals in view, by frame within the clip.
    track_frames
        (n_individuals,) int64: frames in which each individual is in view.
    confidence
        (50,) int64: boxes by confidence, in equal bins from 0 to 1.
    confidence_outside, confidence_absent
        Boxes with a confidence below 0 or above 1, and without one.
    width, height
        (n,) int64: boxes by size, in bins of one pixel from 0.
    trajectories
        A sample of them.
    """

    plan: ClipPlan
    fps: float
    in_view: Int64s
    track_frames: Int64s
    confidence: Int64s
    confidence_outside: int
    confidence_absent: int
    width: Int64s
    height: Int64s
    trajectories: Trajectories

    @property
    def n_boxes(self) -> int:
        """The number of boxes."""
        return int(self.in_view.sum())

    @property
    def empty_frames(self) -> int:
        """The number of frames without any individual."""
        return int(np.count_nonzero(self.in_view == 0))


@dataclass(slots=True)
class _Counts:
    """What is counted while a clip's chunks are read."""

    in_view: Int64s
    track_frames: Int64s
    confidence: Int64s = field(default_factory=lambda: np.zeros(_CONFIDENCE_BINS, np.int64))
    outside: int = 0
    absent: int = 0
    width: Int64s = field(default_factory=lambda: np.zeros(1, np.int64))
    height: Int64s = field(default_factory=lambda: np.zeros(1, np.int64))

    def add_confidences(self, values: Float32s) -> None:
        """Count the confidences of some boxes."""
        known = values[~np.isnan(values)]
        inside = known[(known >= 0) & (known <= 1)]
        self.absent += len(values) - len(known)
        self.outside += len(known) - len(inside)
        bins = np.minimum((inside * _CONFIDENCE_BINS).astype(np.int64), _CONFIDENCE_BINS - 1)
        self.confidence += np.bincount(bins, minlength=_CONFIDENCE_BINS)

    def add_sizes(self, sizes: Float32s) -> None:
        """Count the (n, 2) widths and heights of some boxes."""
        self.width = _added(self.width, sizes[:, 0])
        self.height = _added(self.height, sizes[:, 1])


#: The largest box side that has a bin of its own; larger ones share the last.
_LARGEST_SIDE = 20_000


def _added(counts: Int64s, sides: Float32s) -> Int64s:
    more = np.bincount(np.minimum(sides, _LARGEST_SIDE).astype(np.int64), minlength=len(counts))
    more[: len(counts)] += counts
    return more


def sample_clip(store: Store, receipt: Receipt, clip: str) -> ClipSample:
    """Read one clip of a finished video, and return what is drawn of it.

    Parameters
    ----------
    store
        The store.
    receipt
        The video's receipt.
    clip
        The clip's id; one of the receipt's.

    Returns
    -------
    ClipSample

    Raises
    ------
    OSError, ValueError
        If the group is not what the receipt says.
    """
    ids = [one.clip for one in receipt.plan.clips]
    number = ids.index(clip)
    plan, done = receipt.plan.clips[number], receipt.clips[number]
    counts = _Counts(np.zeros(plan.n_frames, np.int64), np.zeros(done.n_individuals, np.int64))
    step = max(1, -(-done.n_boxes // POINTS_DRAWN))
    none = np.zeros(0, np.int64)
    kept: list[tuple[Any, ...]] = [(none, none, np.zeros((0, 2), np.float32), none.astype(bool))]
    for boxes in stored_boxes(store.group(receipt.video), number):
        report_bytes(0, 0)  # raises where the run is to stop
        counts.in_view += np.bincount(boxes.frame, minlength=plan.n_frames)
        counts.track_frames += np.bincount(boxes.individual, minlength=done.n_individuals)
        counts.add_confidences(boxes.confidence)
        counts.add_sizes(boxes.shape)
        kept.append(_thinned(boxes, step, plan.escape))
    return ClipSample(
        plan=plan,
        fps=receipt.plan.fps,
        in_view=counts.in_view,
        track_frames=counts.track_frames,
        confidence=counts.confidence,
        confidence_outside=counts.outside,
        confidence_absent=counts.absent,
        width=counts.width,
        height=counts.height,
        trajectories=_joined(kept, step),
    )


def _thinned(boxes: StoredBoxes, step: int, escape: int | None) -> tuple[Any, ...]:
    """Return individual, frame, position and `begins` of the points that are kept."""
    follows = np.zeros(len(boxes.frame), np.bool_)
    follows[1:] = (np.diff(boxes.frame) == 1) & (np.diff(boxes.individual) == 0)
    is_last = ~np.append(follows[1:], False)
    keep = (boxes.frame % step == 0) | ~follows | is_last
    if escape is not None:
        keep |= (boxes.frame == escape) | (boxes.frame == escape - 1)
    runs = np.cumsum(~follows)[keep]
    begins = np.append(True, np.diff(runs) > 0) if len(runs) else np.zeros(0, np.bool_)
    return boxes.individual[keep], boxes.frame[keep], boxes.position[keep], begins


def _joined(kept: list[tuple[Any, ...]], step: int) -> Trajectories:
    """Join the points of all chunks; a run that goes on in the next chunk does not begin there."""
    individual, frame, position, begins = (np.concatenate(part) for part in zip(*kept, strict=True))
    order = np.lexsort((frame, individual))
    individual, frame, begins = individual[order], frame[order], begins[order]
    goes_on = np.zeros(len(frame), np.bool_)
    goes_on[1:] = (np.diff(individual) == 0) & (np.diff(frame) == 1)
    return Trajectories(
        individual=individual,
        frame=frame,
        position=position[order],
        begins=begins & ~goes_on,
        step=step,
    )
