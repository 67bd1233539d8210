"""Which frames a tracks file has: all that it says about the extent of its clip."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.planning.metadata_cells import MAX_FRAMES
from tracks2zarr.planning.plan import Settings
from tracks2zarr.tracks.formats import format_named
from tracks2zarr.tracks.frames import FrameRule


@dataclass(frozen=True, slots=True)
class ClipFile:
    """A tracks file whose frames are looked at.

    Parameters
    ----------
    path
        The file.
    clip
        The stem of its clip.
    settings
        What its frames count from, and what finds the frame in an image's name.
    format
        The name of its format.
    """

    path: Path
    clip: str
    settings: Settings
    format: str


@dataclass(frozen=True, slots=True)
class ClipExtent:
    """The extent of a clip, as far as its tracks file shows it; frames count as in the file.

    Parameters
    ----------
    clip
        The stem of the clip.
    first_frame, last_frame
        The first and the last frame, 0-based and both included; None for a file without frames.
        For a file that counts from the clip's start, the first is 0.
    problems
        Why the file cannot be read, and warnings.
    """

    clip: str
    first_frame: int | None = None
    last_frame: int | None = None
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        if self.last_frame is None:
            return one_line(f"{self.clip}: no frames")
        return one_line(f"{self.clip}: frames {self.first_frame} to {self.last_frame}")


def extent_of(file: ClipFile, on_bytes: Callable[[int], None] = lambda _: None) -> ClipExtent:
    """Return the extent of a clip from its tracks file; nothing is raised for a bad file.

    Parameters
    ----------
    file
        The file.
    on_bytes
        Called with the number of bytes that were read since the last call.
    """
    from tracks2zarr.tracks.reading import read_frames  # numpy takes a while to import

    rule = FrameRule(MAX_FRAMES, 0, "clip", file.settings.frame_regexp, extent=None)
    try:
        read = read_frames(format_named(file.format), file.path, rule, on_bytes)
    except Tracks2ZarrError as error:
        return ClipExtent(file.clip, problems=error.problems)
    except OSError as error:
        return ClipExtent(file.clip, problems=(os_problem(error, file.path),))
    frames = read.frame_of_image
    if not len(frames):
        return ClipExtent(file.clip, problems=read.warnings)
    first = int(frames.min()) if file.settings.frames == "video" else 0
    return ClipExtent(file.clip, first, int(frames.max()), read.warnings)
