"""What `export` returns: the files of each video."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.common.words import count_text, size_text


class ExportResult(StrEnum):
    """What became of a file."""

    WRITTEN = "written"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedFile:
    """One file of an export.

    Parameters
    ----------
    path
        The file.
    video, clip
        The clip in it.
    result
        Whether it was written, or already there from the same clip.
    size
        Its size in bytes.
    n_rounded
        The number of boxes whose centroid differs in the last digit when it is computed from the
        corner in the file. This happens only in a dataset made from centroids.
    """

    path: Path
    video: str
    clip: str
    result: ExportResult
    size: int
    n_rounded: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportedVideo:
    """The exported files of one video.

    Parameters
    ----------
    video
        The video's id.
    files
        One per clip, sorted by clip.
    problems
        Warnings; the first video has those of the whole export.
    """

    video: str
    files: tuple[ExportedFile, ...]
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        size = size_text(sum(file.size for file in self.files))
        n_same = sum(file.result is ExportResult.SAME for file in self.files)
        same = f"; {n_same} of the files were there already" if n_same else ""
        n_rounded = sum(file.n_rounded for file in self.files)
        rounded = f"; {count_text(n_rounded, 'box', 'boxes')} rounded" if n_rounded else ""
        files = count_text(len(self.files), "file")
        return one_line(f"{self.video}: {files}, {size}{same}{rounded}")
