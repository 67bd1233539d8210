"""Where each clip of a video is drawn along its frames; no I/O."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tracks2zarr.store.overview import ClipInfo

#: Steps between marks of an axis, in a decade.
_STEPS = (1, 2, 5, 10)
_MARKS = 6
#: No mark is further right, so that its text has room, per cent.
_LAST_MARK = 93.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """A clip on the timeline of its video; places are per cent of the timeline's length.

    Parameters
    ----------
    clip
        The clip.
    left, width
        Where its frames lie.
    escape
        Where its escape begins, from its own left end; None for a clip without one.
    lane
        From 0; clips that share frames lie in different lanes.
    """

    clip: ClipInfo
    left: float
    width: float
    escape: float | None
    lane: int


@dataclass(frozen=True, slots=True)
class Timeline:
    """All clips of a video on one axis of frames.

    Parameters
    ----------
    spans
        One a clip, by first frame.
    lanes
        How many there are.
    marks
        Frames to mark on the axis, with their place in per cent.
    """

    spans: tuple[Span, ...]
    lanes: int
    marks: tuple[tuple[int, float], ...]


def timeline(clips: Sequence[ClipInfo]) -> Timeline:
    """Lay the clips of a video out along its frames, from 0 to the last frame of any clip."""
    length = max(clip.last_frame for clip in clips) + 1
    ends: list[int] = []
    spans = []
    for clip in sorted(clips, key=lambda clip: (clip.first_frame, clip.clip)):
        lane = next((n for n, end in enumerate(ends) if end < clip.first_frame), len(ends))
        ends[lane : lane + 1] = [clip.last_frame]
        spans.append(
            Span(
                clip=clip,
                left=_percent(clip.first_frame, length),
                width=_percent(clip.n_frames, length),
                escape=None if clip.escape is None else _percent(clip.escape, clip.n_frames),
                lane=lane,
            )
        )
    places = ((frame, _percent(frame, length)) for frame in range(0, length, _step(length)))
    marks = tuple((frame, place) for frame, place in places if place <= _LAST_MARK)
    return Timeline(tuple(spans), len(ends), marks)


def _percent(part: int, whole: int) -> float:
    return round(100 * part / whole, 3)


def _step(length: int) -> int:
    """Return a round number of frames that gives a handful of marks."""
    decade: int = 10 ** math.floor(math.log10(max(length / _MARKS, 1)))
    return next(step * decade for step in _STEPS if step * decade * _MARKS >= length)
