"""The metadata of tracks files of whole videos, for which there is no metadata CSV."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.names import why_unsafe
from tracks2zarr.common.problems import Problem, errors_of, one_line
from tracks2zarr.planning.clip_extent import ClipFile, extent_of
from tracks2zarr.planning.metadata import ClipRow, Metadata, Named
from tracks2zarr.planning.metadata_cells import NO_ESCAPE
from tracks2zarr.planning.metadata_layouts import PLAIN, WHOLE_VIDEO
from tracks2zarr.planning.plan import Settings
from tracks2zarr.tracks.files import TracksFile, list_tracks
from tracks2zarr.tracks.formats import TracksFormat


def whole_videos(
    folder: Path,
    patterns: Sequence[str] | None,
    tracks_format: TracksFormat,
    settings: Settings,
) -> Metadata:
    """Return the metadata of videos, each of one clip, whose frames its tracks file tells.

    The clip has the frames up to the last one that the file names. Each file is read for that;
    nothing is raised for a bad one.

    Parameters
    ----------
    folder
        The folder of tracks files.
    patterns
        The glob patterns of the files; None for those of the format.
    tracks_format
        Their format.
    settings
        What was asked for, with the frames per second.
    """
    metadata = Metadata(layout=PLAIN)
    # what is wrong with the start of a file, the caller finds too
    files, problems = list_tracks(folder, patterns, None, tracks_format)
    bad = {problem.clip for problem in problems if problem.is_error}
    for number, file in enumerate(files, start=1):
        name = Named(file.clip_stem, file.clip_stem)
        metadata.names[number] = name
        if file.clip_stem in bad:
            continue
        if reason := why_unsafe(file.clip_stem):
            metadata.problems.append(_unsafe(folder / file.path, name, reason))
            continue
        given = ClipFile(folder / file.path, file.clip_stem, settings, tracks_format.NAME)
        extent = extent_of(given)
        if extent.last_frame is not None:
            metadata.rows.append(_row(number, file, extent.last_frame, settings))
            continue
        found = errors_of(extent.problems) or [_no_frames(given.path)]
        metadata.problems += [replace(p, video=name.video, clip=name.video) for p in found]
    return metadata


def _row(number: int, file: TracksFile, last_frame: int, settings: Settings) -> ClipRow:
    assert settings.fps is not None
    return ClipRow(
        row=number,
        video=file.clip_stem,
        clip=WHOLE_VIDEO,
        clip_stem=file.clip_stem,
        fps=float(settings.fps),
        first_frame=0,
        last_frame=last_frame,
        escape_frame=NO_ESCAPE,
        escape_type="none",
    )


def _no_frames(path: Path) -> Problem:
    return Problem(
        kind="no-frames",
        what="A tracks file contains no frame number, so the length of its video is unknown.",
        file=str(path),
        found="no rows",
        expected="at least one frame",
        remedy="Leave the file out with --pattern, or pass a metadata CSV that has its frames.",
    )


def _unsafe(path: Path, name: Named, reason: str) -> Problem:
    return Problem(
        kind="unsafe-name",
        what=f"The video's name cannot be the name of a group: {reason}.",
        file=str(path),
        found=f"'{one_line(name.video)}'",
        expected="a file with the name of its video",
        remedy="Rename the file.",
        video=name.video,
        clip=name.video,
    )
