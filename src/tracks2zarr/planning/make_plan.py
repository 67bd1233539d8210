"""``plan``: reads the metadata CSV, looks at the tracks files, and makes the plan of both."""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path

from tracks2zarr.common.arguments import check_path, check_texts, check_type
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of, one_line
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.planning.given_paths import IsTracks, swapped, tracks_below, with_near_path
from tracks2zarr.planning.matching import Match
from tracks2zarr.planning.metadata import Metadata
from tracks2zarr.planning.metadata_csv import read_metadata
from tracks2zarr.planning.other_formats import clip_folder_given, files_of_other_formats
from tracks2zarr.planning.plan import CountsFrom, Plan, Settings, VideoPlan
from tracks2zarr.planning.selection import Selection
from tracks2zarr.planning.settings_problems import regexp_without_frames, settings_problems
from tracks2zarr.planning.whole_videos import whole_videos
from tracks2zarr.tracks.files import check_tracks, list_tracks
from tracks2zarr.tracks.formats import TracksFormat, format_named, format_names, unknown_format
from tracks2zarr.tracks.recognise import recognised_format


def plan(
    tracks_dir: str | Path,
    metadata_csv: str | Path | None = None,
    *,
    pattern: str | Sequence[str] | None = None,
    format: str | None = None,
    videos: str | Iterable[str] | None = None,
    frames: CountsFrom = "clip",
    frame_regexp: str | None = None,
    columns: str | Iterable[str] | None = None,
    fps: float | None = None,
    require_all: bool = False,
    individual_dim: IndividualDim = "individual",
    keep_going: bool = False,
) -> Plan:
    """Match the tracks files of an experiment with its metadata, and check both.

    No tracks file is read further than its first 64 KiB, unless `fps` is given.

    Parameters
    ----------
    tracks_dir
        Folder with one tracks file per clip.
    metadata_csv
        CSV with one row per clip; None if `fps` is given.
    pattern
        Glob pattern of the tracks files, relative to `tracks_dir`, or several patterns, one of
        which a file must match. By default, those of the format; for VIA, ``*.csv``,
        ``*.csv.gz`` and ``*.csv.zst``.
    format
        The format of the tracks files: ``via``, ``mot``, ``octron``, ``coco``, ``movement``, or one
        that another package adds. By default, the first one that recognises a file in the folder.
    videos
        Ids of the videos to plan; by default all that have tracks files.
    frames
        ``clip`` if the files count frames from the start of the clip, ``video`` if they count
        from the start of the video.
    frame_regexp
        Regular expression that is searched for in the file name of an image; its group 1 is the
        frame.
    columns
        Names of further columns of the metadata CSV that become coordinates along `clip_id`. By
        default, all of those in a CSV without escapes, and none in a CSV with the columns of the
        guide.
    fps
        Frames per second, if there is no metadata CSV. Each tracks file then covers a whole video,
        which ends at the last frame in the file; all files are read to find it.
    require_all
        Whether a clip in the metadata without a tracks file is an error.
    individual_dim
        Name of the dimension of individuals: ``individual``, or ``individuals`` for
        `movement` before 0.17.
    keep_going
        Whether to plan the videos that have no errors even if others do.

    Returns
    -------
    Plan
        Its `problems` are the warnings, and with `keep_going` also the errors.

    Raises
    ------
    Tracks2ZarrError
        If there is any error; it carries all of them. With `keep_going`, only if no
        video is left.
    """
    check_path("tracks_dir", tracks_dir)
    if metadata_csv is not None:
        check_path("metadata_csv", metadata_csv)
    check_texts("pattern", () if pattern is None else pattern)
    check_texts("videos", () if videos is None else videos)
    check_texts("columns", () if columns is None else columns)
    check_type("fps", fps, (int, float, type(None)), "a number, or None")
    drafted = draft(
        tracks_dir,
        metadata_csv,
        pattern=pattern,
        format=format,
        videos=videos,
        settings=Settings(
            frames=frames,
            frame_regexp=frame_regexp,
            individual_dim=individual_dim,
            columns=None if columns is None else _each(columns),
            fps=fps,
        ),
        require_all=require_all,
    )
    problems = list(drafted.problems)
    if keep_going and not drafted.videos:
        problems.append(_no_video_left(tracks_dir))
    if errors_of(problems) and not (keep_going and drafted.videos):
        raise Tracks2ZarrError(problems)
    return drafted


def _no_video_left(tracks_dir: str | Path) -> Problem:
    return Problem(
        kind="no-video-left",
        what="There is no video without problems, so nothing is converted.",
        file=str(tracks_dir),
        found="problems in every video, or in the input as a whole",
        expected="a video without problems",
        remedy="Fix the problems above.",
    )


def draft(
    tracks_dir: str | Path,
    metadata_csv: str | Path | None,
    *,
    pattern: str | Sequence[str] | None,
    format: str | None = None,
    videos: str | Iterable[str] | None = None,
    settings: Settings,
    require_all: bool,
) -> Plan:
    """Return the plan of the videos without problems, with all problems of all others.

    The parameters are those of `plan`. Nothing is raised for bad input.
    """
    problems = [*settings_problems(settings), *_one_of_both(metadata_csv, settings)]
    if format is not None and format not in format_names():
        problems.append(unknown_format(format))
    if problems:
        return Plan((), tuple(problems))
    folder = Path(tracks_dir).absolute()
    metadata_path = None if metadata_csv is None else Path(metadata_csv).absolute()
    if metadata_path is not None and folder.is_file() and metadata_path.is_dir():
        return Plan((), (swapped(folder, metadata_path),))
    if (problem := clip_folder_given(folder)) is not None:
        return Plan((), (problem,))
    asked = None if pattern is None else _each(pattern)
    name = format or recognised_format(folder, asked, metadata_path)
    tracks_format = format_named(name)
    metadata = _metadata(metadata_path, folder, asked, tracks_format, settings)
    selection = None if videos is None else Selection(_each(videos), metadata)
    patterns = asked or tracks_format.PATTERNS
    is_tracks = _is_tracks(tracks_format, metadata, metadata_path, selection)
    files, problems = list_tracks(
        folder,
        asked,
        metadata_path,
        tracks_format,
        is_wanted=selection.has_clip if selection else None,
    )
    problems = [with_near_path(problem, patterns, is_tracks) for problem in problems]
    names = [file.path for file in files]
    is_listed = not any(problem.kind in _NONE_LISTED for problem in problems)
    is_of_none = metadata.names and not any(is_tracks(folder / one) for one in names)
    if is_listed and is_of_none and metadata_path is not None:
        below = tracks_below(folder, metadata_path, names, patterns, is_tracks)
        if below:
            files, problems = [], [below]
    named = selection.videos if selection else frozenset()
    match = Match(
        folder, metadata_path, settings, metadata, files, named, _no_files(problems), name
    )
    if files or not problems:  # else it is said already why there is no file
        problems += match.videos_without_file(selection, require_all=require_all)
    if selection:
        problems += selection.unknown(metadata_path or folder)
    may_miss_some = metadata_path is None or match.missing_clips
    if format is None and asked is None and may_miss_some:
        is_missing = _is_missing(match, selection)
        problems += files_of_other_formats(folder, metadata_path, name, is_missing)
    drafted = _drafted(match, problems, require_all=require_all)
    no_frames = regexp_without_frames(settings.frame_regexp, files)
    return Plan((), (no_frames, *drafted.problems)) if no_frames else drafted


#: The problems of a folder or a pattern, for which no file is listed.
_NONE_LISTED = frozenset({"no-tracks", "tracks-dir", "pattern"})


def _one_of_both(metadata_csv: str | Path | None, settings: Settings) -> Iterable[Problem]:
    """Yield the problem of a metadata CSV and a frame rate, or of neither."""
    if (metadata_csv is None) == (settings.fps is None):
        yield Problem(
            kind="metadata-or-fps",
            what="The metadata CSV is missing."
            if metadata_csv is None
            else "A frame rate was given, but the metadata CSV has its own.",
            found="no metadata CSV, and no --fps"
            if metadata_csv is None
            else f"{one_line(metadata_csv)} and --fps {settings.fps:g}",
            expected="a metadata CSV; or, for tracks files of whole videos, --fps",
            remedy="Pass the metadata CSV. 'tracks2zarr metadata draft' makes one to fill in."
            if metadata_csv is None
            else "Leave out one of them.",
        )


def _metadata(
    path: Path | None,
    folder: Path,
    patterns: Sequence[str] | None,
    tracks_format: TracksFormat,
    settings: Settings,
) -> Metadata:
    """Return what the metadata CSV says, or else the tracks files of whole videos."""
    if path is None:
        return whole_videos(folder, patterns, tracks_format, settings)
    metadata = read_metadata(path, settings.columns)
    metadata.problems[:] = [with_near_path(problem) for problem in metadata.problems]
    return metadata


def _is_tracks(
    tracks_format: TracksFormat,
    metadata: Metadata,
    metadata_csv: Path | None,
    selection: Selection | None,
) -> IsTracks:
    """Return what tells whether a path is that of the tracks file of a clip that is asked for.

    Where the metadata CSV names no clip, all other files count.
    """
    known = {name.clip_stem for name in metadata.names.values()}
    wanted = {stem for stem in known if selection is None or selection.has_clip(stem)}
    if not known:
        return lambda path: metadata_csv is None or path.name != metadata_csv.name
    return lambda path: tracks_format.clip_stem_of(path) in wanted


def _is_missing(match: Match, selection: Selection | None) -> Callable[[str], bool]:
    """Return what tells whether a clip that is asked for has no tracks file.

    Without a metadata CSV, each file of another format may be that of a clip.
    """
    have, missing = {file.clip_stem for file in match.files}, match.missing_clips
    is_any = match.metadata_csv is None

    def is_missing(stem: str) -> bool:
        is_wanted = selection is None or selection.has_clip(stem)
        return is_wanted and (stem not in have if is_any else stem in missing)

    return is_missing


def _no_files(problems: Iterable[Problem]) -> frozenset[str]:
    """Return the stems of the clips in whose file's place something else lies."""
    return frozenset(p.clip for p in problems if p.kind == "tracks-no-file" and p.clip)


def _each(given: str | Iterable[str]) -> tuple[str, ...]:
    """Return texts of which one may be given alone."""
    return (given,) if isinstance(given, str) else tuple(given)


def drafted_again(videos: Iterable[VideoPlan]) -> Plan:
    """Return the plan of videos that were planned before, as their input is now.

    The same tracks files are looked at again, and the metadata CSV is read again, so that what
    was mended meanwhile counts.

    Parameters
    ----------
    videos
        Their plans.

    Returns
    -------
    Plan
        Of the videos without problems, with the problems of all; nothing is raised.
    """
    inputs: dict[tuple[str, str, Settings, str], list[str]] = defaultdict(list)
    for video in videos:
        for clip in video.clips:
            place = clip.tracks_dir, video.metadata_of(clip)
            inputs[*place, video.settings, video.format].append(clip.source)
    plans = []
    for (tracks_dir, metadata_csv, settings, name), sources in inputs.items():
        tracks_format = format_named(name)
        files, problems = check_tracks(Path(tracks_dir), sources, tracks_format)
        path = Path(metadata_csv) if metadata_csv else None
        match = Match(
            Path(tracks_dir),
            path,
            settings,
            _metadata(path, Path(tracks_dir), _as_patterns(sources), tracks_format, settings),
            files,
            no_files=_no_files(problems),
            format=name,
        )
        plans.append(_drafted(match, problems, require_all=False))
    found: dict[str, VideoPlan] = {}
    for video in (video for plan in plans for video in plan.videos):
        other = found.setdefault(video.video, video)
        found[video.video] = other.with_clips_of(video, video.clips)
    return Plan(
        tuple(found[video] for video in sorted(found)),
        tuple(problem for plan in plans for problem in plan.problems),
    )


def _as_patterns(names: Iterable[str]) -> list[str]:
    """Return glob patterns, each of which matches one name."""
    return [glob.escape(name) for name in names]


def _drafted(match: Match, of_files: list[Problem], *, require_all: bool) -> Plan:
    problems = match.problems(of_files, require_all=require_all)
    bad_videos = match.videos_with(errors_of(problems))
    videos = [video for video in match.videos() if video.video not in bad_videos]
    return Plan(tuple(videos), tuple(problems))
