"""Which frames a tracks file has: all that it says about the extent of its clip."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.planning.metadata_cells import MAX_FRAMES
from tracks2zarr.planning.plan import CountsFrom
from tracks2zarr.tracks.formats import format_named
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.reading import read_frames


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A tracks file whose frames are looked at.

    Parameters
    ----------
    path
        The file.
    clip
        The stem of its clip.
    frames
        What its frames count from.
    frame_regexp
        What finds the frame in an image's name; None for the format's own rule.
    format
        The name of its format.
    """

    path: Path
    clip: str
    frames: CountsFrom
    frame_regexp: str | None
    format: str


@dataclass(frozen=True, slots=True)
class ClipExtent:
    """The extent of a clip, as far as its tracks file shows it; frames as they count there.

    Parameters
    ----------
    clip
        The stem of the clip.
    first_frame, last_frame
        The first and the last frame, 0-based and both included; None in a file without frames.
        In a file that counts from the clip's start, the first is 0.
    problems
        Why the file cannot be read, and what was noticed.
    """

    clip: str
    first_frame: int | None = None
    last_frame: int | None = None
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        if self.last_frame is None:
            return one_line(f"{self.clip}: no frames")
        return one_line(f"{self.clip}: frames {self.first_frame} to {self.last_frame}")


def extent_of(file: ClipFile) -> ClipExtent:
    """Return the extent of a clip from its tracks file; nothing is raised for a bad file."""
    rule = FrameRule(MAX_FRAMES, 0, "clip", file.frame_regexp)
    try:
        if unfetched := annex_problem(file.path):
            return ClipExtent(file.clip, problems=(unfetched,))
        tracks_format = format_named(file.format)
        read = read_frames(tracks_format, file.path, rule, lambda count: report_bytes(0, count))
    except Tracks2ZarrError as error:
        return ClipExtent(file.clip, problems=error.problems)
    except OSError as error:
        return ClipExtent(file.clip, problems=(os_problem(error, file.path),))
    frames = read.frame_of_image
    if not len(frames):
        return ClipExtent(file.clip, problems=read.warnings)
    first = int(frames.min()) if file.frames == "video" else 0
    return ClipExtent(file.clip, first, int(frames.max()), read.warnings)
