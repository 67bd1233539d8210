"""What programs read from exported files otherwise than it is in the store."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem
from tracks2zarr.exporting import problems
from tracks2zarr.exporting.formats import FormatName
from tracks2zarr.exporting.stored_clip import StoredClip
from tracks2zarr.tracks.mot import NAME as MOT

#: The formats with track numbers that programs may read as float64: MOTChallenge text as a table
#: of one type, JSON as JavaScript does.
_WITH_FLOAT_TRACKS = frozenset({"mot", "coco"})
#: A float64 holds all integers up to this one.
LARGEST_EXACT = 2**53
#: The confidence in MOTChallenge text that is none.
NO_CONFIDENCE = np.float32(-1)


def losses(clips: Sequence[StoredClip], format: FormatName, out: Path) -> Iterator[Problem]:
    """Yield the warnings that values of a video are read otherwise than they are.

    Parameters
    ----------
    clips
        The exported clips of the video.
    format
        The format of the files.
    out
        Their folder.
    """
    video = clips[0].video
    if format == "mot" and (boxes := _counted(clips, _n_without_confidence)):
        yield problems.confidence_read_as_absent(out, video, boxes)
    if format in _WITH_FLOAT_TRACKS and (tracks := _counted(clips, _n_large_tracks)):
        yield problems.large_tracks(out, video, tracks)


def _counted(clips: Sequence[StoredClip], count: Callable[[StoredClip], int]) -> dict[str, int]:
    """Return a count of each clip for which it is not 0, by its id."""
    return {clip.clip: number for clip in clips if (number := count(clip))}


def _n_without_confidence(clip: StoredClip) -> int:
    """Return how many boxes have a confidence that readers of MOTChallenge text take for none."""
    if clip.video_plan.format == MOT:
        return 0  # it was read so, too
    return sum(int((boxes.confidence == NO_CONFIDENCE).sum()) for boxes in clip.boxes())


def _n_large_tracks(clip: StoredClip) -> int:
    return int((clip.track_numbers() >= LARGEST_EXACT).sum())
