"""What the metadata say: a row per clip, the names of all rows, and what is wrong with them."""

from __future__ import annotations

from collections.abc import Set
from dataclasses import dataclass, field

from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.schema import ClipColumn
from tracks2zarr.planning.metadata_layouts import GUIDE, MetadataLayout


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipRow:
    """One row of the metadata CSV. Frames are 0-based frames of the video.

    `escape_frame` is -1 and `escape_type` is ``none`` for a clip without an escape. `values` are
    the cells of the further columns that were asked for.
    """

    row: int
    video: str
    clip: str
    clip_stem: str
    fps: float
    first_frame: int
    last_frame: int
    escape_frame: int
    escape_type: str
    values: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Named:
    """The names in a row, sound or not: enough to tell which video a problem concerns."""

    video: str
    clip_stem: str


@dataclass(slots=True)
class Metadata:
    """What a metadata CSV says: its sound rows, the names of all rows, and its problems.

    `layout` tells which columns it has, and `columns` are further ones that were asked for, which
    the header calls `further`.
    """

    layout: MetadataLayout = GUIDE
    columns: tuple[ClipColumn, ...] = ()
    further: tuple[str, ...] = ()
    rows: list[ClipRow] = field(default_factory=list)
    names: dict[int, Named] = field(default_factory=dict)
    problems: list[Problem] = field(default_factory=list)

    def videos_of(self, clip_stems: set[str]) -> set[str]:
        """Return the ids of the videos that have a row for any of these clips."""
        return {name.video for name in self.names.values() if name.clip_stem in clip_stems}


def concerns(problem: Problem, videos: Set[str], clip_stems: Set[str]) -> bool:
    """Tell whether a problem of a metadata CSV concerns these videos, or the clips of these files.

    A problem of the file as a whole concerns all.
    """
    if problem.video is None and problem.clip is None:
        return True
    return problem.video in videos or problem.clip in clip_stems
