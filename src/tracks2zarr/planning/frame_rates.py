"""Compares the frame rates that tracks files have with those that the plan gives their clips."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.planning.metadata import ClipRow
from tracks2zarr.planning.metadata_cells import FPS
from tracks2zarr.tracks.formats import FormatWithFps, TracksFormat

#: Rates that differ by less are one: 59.94 is short for 60000 / 1001.
_RELATIVE = 1e-4


def other_frame_rates(
    tracks_format: TracksFormat, files: Iterable[tuple[Path, ClipRow]], metadata_csv: Path | None
) -> Iterator[Problem]:
    """Yield the problem of each tracks file that has another frame rate than its clip.

    Seconds in such a file are turned into frames by its own rate. If that is wrong, frames may be
    integers all the same, such as every second one.

    Parameters
    ----------
    tracks_format
        The format of the files.
    files
        Each file with the row of its clip.
    metadata_csv
        The file that the rows stand in; None where `fps` is given in its place.
    """
    if not isinstance(tracks_format, FormatWithFps):
        return
    for path, row in files:
        try:
            fps = tracks_format.fps_of(path)
        except Tracks2ZarrError as error:
            yield from error.problems
            return
        if isinstance(fps, str):
            yield _no_frame_rate(path, fps, row)
        elif fps is not None and not math.isclose(fps, row.fps, rel_tol=_RELATIVE):
            yield _other_frame_rate(path, fps, row, metadata_csv)


def _no_frame_rate(path: Path, found: str, row: ClipRow) -> Problem:
    return Problem(
        kind="fps-not-compared",
        what="The frame rate in a tracks file is not a number, so it is not compared.",
        file=str(path),
        column=FPS,
        found=found,
        expected=f"{row.fps!r}, as for the clip, or no frame rate",
        remedy="Check the frame rate of the clip.",
        severity="warning",
        video=row.video,
        clip=row.clip_stem,
    )


def _other_frame_rate(path: Path, fps: float, row: ClipRow, metadata_csv: Path | None) -> Problem:
    said = "given by --fps" if metadata_csv is None else f"in row {row.row} of {metadata_csv}"
    wrong = "--fps" if metadata_csv is None else "the metadata CSV"
    return Problem(
        kind="fps-differs",
        what="The frame rate in a tracks file differs from that of its clip.",
        file=str(path),
        column=FPS,
        found=f"{fps!r}",
        expected=f"{row.fps!r}, as {said}",
        remedy=f"Correct {wrong}; or, if the file is wrong, load the tracks in movement with the"
        " right fps, and save them again.",
        video=row.video,
        clip=row.clip_stem,
    )
