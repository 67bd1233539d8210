"""``draft_metadata``: a metadata CSV with one row per tracks file, to be filled in."""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tracks2zarr.common import posix
from tracks2zarr.common.arguments import check_path, check_texts, check_type
from tracks2zarr.common.display import Shown, Table
from tracks2zarr.common.files import write_atomically
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of, one_line
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.common.words import count_text
from tracks2zarr.drafting.columns import LAYOUTS, LayoutName, csv_text, extent_columns, left_to_fill
from tracks2zarr.parallel.cores import is_little_to_read, worker_count
from tracks2zarr.parallel.processes import end_if_importing_a_script, report_bytes
from tracks2zarr.parallel.workers import start_workers
from tracks2zarr.planning.clip_extent import ClipExtent, ClipFile, extent_of
from tracks2zarr.planning.other_formats import files_of_other_formats
from tracks2zarr.planning.plan import CountsFrom, Settings
from tracks2zarr.planning.settings_problems import regexp_without_frames, settings_problems
from tracks2zarr.tracks.files import list_tracks
from tracks2zarr.tracks.formats import format_named, format_names, unknown_format
from tracks2zarr.tracks.recognise import recognised_format
from tracks2zarr.tracks.source_folder import stamp_of

#: Where the draft is written by default.
DEFAULT_OUTPUT = "metadata.csv"
#: What file systems answer that have no hard links.
_NO_LINKS = {errno.EPERM, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP, errno.EMLINK}


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class DraftedMetadata(Shown):
    """A metadata CSV that was drafted.

    Parameters
    ----------
    metadata_csv
        The file.
    clips
        The contents of its rows, sorted by clip.
    to_fill
        The columns to fill in.
    to_check
        The columns of the first and the last frame, which are only those of the boxes.
    problems
        Warnings.
    """

    metadata_csv: Path
    clips: tuple[ClipExtent, ...]
    to_fill: tuple[str, ...]
    to_check: tuple[str, str]
    problems: tuple[Problem, ...] = ()

    def __str__(self) -> str:
        return one_line(f"{self.metadata_csv}: {count_text(len(self.clips), 'clip')}")

    def _shown_table(self) -> Table:
        """Return the clips."""
        rows = [(clip.clip, clip.first_frame, clip.last_frame) for clip in self.clips]
        return Table(("clip", "first frame", "last frame"), rows)

    def _shown_problems(self) -> tuple[Problem, ...]:
        """Return the warnings."""
        return self.problems


def draft_metadata(
    tracks_dir: str | os.PathLike[str],
    output: str | os.PathLike[str] = DEFAULT_OUTPUT,
    *,
    fps: float | None = None,
    layout: LayoutName = "plain",
    pattern: str | Sequence[str] | None = None,
    format: str | None = None,
    frames: CountsFrom = "clip",
    frame_regexp: str | None = None,
    workers: int | None = None,
    progress: bool | Progress = False,
) -> DraftedMetadata:
    """Write a metadata CSV with one row per tracks file, as far as it can be filled in.

    The clip's name and the frames in its tracks file are filled in. The name of the video and
    everything else are left empty. Correct the frames: every clip starts at the first frame of its
    video, because the tracks files do not tell its place there. All rows of all files are read and
    checked.

    Parameters
    ----------
    tracks_dir
        Folder with one tracks file per clip.
    output
        The file to write, which must not exist.
    fps
        Frames per second, if it is the same for all videos; None to leave it empty.
    layout
        ``plain`` for the columns ``video_name,clip_name,fps,first_frame,last_frame``, whose frames
        count from 0; ``guide`` for those of an experiment with escapes, which count from 1.
    pattern
        Glob pattern of the tracks files, relative to `tracks_dir`; or several. By default those of
        the format.
    format
        The format of the tracks files; by default it is recognised.
    frames, frame_regexp
        How frames are found, as for `plan`. With ``frames="video"``, a clip's first frame is the
        first one in its file.
    workers
        Number of worker processes; by default one per core, or none if there is little to do.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.

    Returns
    -------
    DraftedMetadata
        It names the columns that you need to fill in.

    Raises
    ------
    Tracks2ZarrError
        If files cannot be read, all of which are reported, or the output exists or cannot be
        written. Nothing is written then.
    """
    check_path("tracks_dir", tracks_dir)
    check_path("output", output)
    check_texts("pattern", () if pattern is None else pattern)
    check_type("fps", fps, (int, float, type(None)), "a number, or None")
    end_if_importing_a_script()
    target = Path(output).absolute()
    problems = [
        *_unknown_layout(layout),
        *settings_problems(Settings(frames=frames, frame_regexp=frame_regexp, fps=fps)),
        *_in_the_way(target),
    ]
    if format is not None and format not in format_names():
        problems.append(unknown_format(format))
    if problems:
        raise Tracks2ZarrError(problems)
    folder = Path(tracks_dir).absolute()
    patterns = (pattern,) if isinstance(pattern, str) else pattern
    name = format or recognised_format(folder, patterns, target)
    settings = Settings(frames=frames, frame_regexp=frame_regexp)
    files, problems = _listed(folder, patterns, target, settings, name)
    with showing(progress) as shown:
        shown.begin([file.clip for file in files], None)
        extents = []
        for extent in _extents(files, workers):
            shown.ended(extent.clip, extent)
            extents.append(extent)
    if format is None and patterns is None:
        drafted = {file.clip for file in files}
        problems += files_of_other_formats(folder, target, name, lambda stem: stem not in drafted)
    problems += [replace(one, clip=e.clip) for e in extents for one in e.problems]
    if errors_of(problems):
        raise Tracks2ZarrError(problems)
    clips = tuple(sorted(extents, key=lambda extent: extent.clip))
    _write_new(target, csv_text(clips, layout, fps))
    return DraftedMetadata(
        metadata_csv=target,
        clips=clips,
        to_fill=tuple(left_to_fill(clips, layout, fps)),
        to_check=extent_columns(layout),
        problems=tuple(problems),
    )


def _unknown_layout(layout: str) -> Iterator[Problem]:
    if layout not in LAYOUTS:
        yield Problem(
            kind="setting",
            what="The layout setting is unknown.",
            found=repr(layout),
            expected="'plain' or 'guide'",
            remedy="Correct the setting.",
        )


def _in_the_way(target: Path) -> Iterator[Problem]:
    """Yield why a new file cannot be written."""
    if os.path.lexists(target):
        yield _exists(target)
    elif not target.parent.is_dir():
        yield Problem(
            kind="output",
            what="The file cannot be written there.",
            file=str(target),
            found=f"no folder {target.parent}",
            expected="a new file in a folder that is there",
            remedy="Make the folder, or choose another one with -o.",
        )


def _exists(target: Path) -> Problem:
    return Problem(
        kind="draft-exists",
        what="The file exists, and a draft never replaces a file.",
        file=str(target),
        found="a folder" if target.is_dir() else "a file",
        expected="no file of this name",
        remedy="Choose another name with -o. To check the file, run 'tracks2zarr metadata check'.",
    )


def _listed(
    folder: Path,
    patterns: Sequence[str] | None,
    target: Path,
    settings: Settings,
    format_name: str,
) -> tuple[list[ClipFile], list[Problem]]:
    """Return the files to read, and the problems of the others.

    A metadata CSV that lies among the tracks files is one of the others.
    """
    files, problems = list_tracks(folder, patterns, target, format_named(format_name))
    no_frames = regexp_without_frames(settings.frame_regexp, files)
    if no_frames is not None:
        raise Tracks2ZarrError([no_frames, *problems])
    bad = {problem.clip for problem in errors_of(problems)}
    listed = [ClipFile(folder / file.path, file.clip_stem, settings, format_name) for file in files]
    return [file for file in listed if file.clip not in bad], problems


def _extents(files: Sequence[ClipFile], workers: int | None) -> Iterator[ClipExtent]:
    """Yield the extent of each clip."""
    is_little = is_little_to_read([stamp_of(file.path).size for file in files])
    count = worker_count(workers, len(files), is_little=is_little)
    with start_workers(count, end_at_once=True) as pool:
        yield from pool.map(_extent_in_worker, files)


def _extent_in_worker(file: ClipFile) -> ClipExtent:
    return extent_of(file, lambda count: report_bytes(0, count))


def _write_new(target: Path, text: str) -> None:
    """Write a file whole, or not at all; one that has appeared meanwhile is not replaced."""
    whole = target.with_name(f".{target.name}.{os.getpid()}.draft")
    try:
        write_atomically(whole, text.encode(), sync=posix.fcntl is not None)  # not on Windows
        _give_name(whole, target)
    except FileExistsError:
        raise Tracks2ZarrError(_exists(target)) from None
    except OSError as error:
        raise Tracks2ZarrError(os_problem(error, target)) from error
    finally:
        whole.unlink(missing_ok=True)


def _give_name(whole: Path, target: Path) -> None:
    """Give a file its name, unless the name is taken.

    Raises
    ------
    FileExistsError
        If it is.
    """
    try:
        os.link(whole, target)
    except OSError as error:
        if error.errno not in _NO_LINKS:
            raise
        target.open("x").close()  # nobody else takes the name from now on
        whole.replace(target)
