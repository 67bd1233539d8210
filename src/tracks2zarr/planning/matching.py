"""``plan``: matches tracks files with the metadata CSV, and checks both."""

from __future__ import annotations

import glob
from collections import defaultdict
from collections.abc import Container, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tracks2zarr.common.arguments import check_path, check_texts, check_type
from tracks2zarr.common.names import clip_id_of
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    closest,
    comma_list,
    errors_of,
    one_line,
    same_command,
)
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.dataset.schema import SCHEMA_VERSION, IndividualDim
from tracks2zarr.planning.escape_types import misspelt_escape_types
from tracks2zarr.planning.frame_rates import other_frame_rates
from tracks2zarr.planning.given_paths import IsTracks, swapped, tracks_below, with_near_path
from tracks2zarr.planning.metadata import ClipRow, Metadata, concerns
from tracks2zarr.planning.metadata_csv import read_metadata
from tracks2zarr.planning.odd_rows import overlapping_clips, video_names_alike
from tracks2zarr.planning.other_formats import clip_folder_given, files_of_other_formats
from tracks2zarr.planning.plan import ClipPlan, CountsFrom, Plan, Settings, VideoPlan
from tracks2zarr.planning.selection import Selection, without_file
from tracks2zarr.planning.settings_problems import regexp_without_frames, settings_problems
from tracks2zarr.planning.whole_videos import whole_videos
from tracks2zarr.tracks.files import TracksFile, check_tracks, list_tracks
from tracks2zarr.tracks.formats import (
    DEFAULT_FORMAT,
    TracksFormat,
    format_named,
    format_names,
    unknown_format,
)
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
    match = _Match(
        folder, metadata_path, settings, metadata, files, named, _no_files(problems), name
    )
    if files or not problems:  # else it is said already why there is no file
        problems += match.videos_without_file(selection, require_all=require_all)
    if selection:
        problems += selection.unknown(metadata_path or folder)
    if format is None and asked is None:
        missing = {
            stem for stem in match.missing_clips if selection is None or selection.has_clip(stem)
        }
        problems += files_of_other_formats(folder, metadata_path, name, missing)
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
        match = _Match(
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


def _drafted(match: _Match, of_files: list[Problem], *, require_all: bool) -> Plan:
    problems = match.problems(of_files, require_all=require_all)
    bad_videos = match.videos_with(errors_of(problems))
    videos = [video for video in match.videos() if video.video not in bad_videos]
    return Plan(tuple(videos), tuple(problems))


@dataclass(frozen=True)
class _Match:
    """The metadata and the files of an experiment, before they are known to fit."""

    folder: Path
    metadata_csv: Path | None
    settings: Settings
    metadata: Metadata
    files: list[TracksFile]
    named: frozenset[str] = frozenset()
    no_files: frozenset[str] = frozenset()
    format: str = DEFAULT_FORMAT

    def problems(self, of_files: list[Problem], *, require_all: bool) -> list[Problem]:
        """Return all problems: errors that concern selected videos, and warnings."""
        video_of = {name.clip_stem: name.video for name in self.metadata.names.values()}
        # a file's problem knows its clip's stem; the metadata know the video of that clip
        of_files = [
            replace(problem, video=video_of.get(problem.clip)) if problem.clip else problem
            for problem in of_files
        ]
        stems = {file.clip_stem for file in self.files}
        with_files = self.metadata.videos_of(stems)
        of_rows = [
            problem if concerns(problem, with_files | self.named, stems) else problem.as_warning()
            for problem in self.metadata.problems
        ]
        tracked = [row for row in self.metadata.rows if row.clip_stem in stems]
        of_files += self._other_frame_rates({problem.clip for problem in errors_of(of_files)})
        if self.metadata_csv is None:
            return [*of_rows, *of_files]
        return [
            *of_rows,
            *of_files,
            *self._unmatched(),
            *self._rows_without_file(with_files, require_all=require_all),
            *overlapping_clips(tracked, self.metadata_csv, self.metadata.layout.extent),
            *video_names_alike(with_files, self.metadata_csv),
            *misspelt_escape_types(self.metadata.rows, self.metadata_csv, with_files),
        ]

    def _other_frame_rates(self, bad: Container[str | None]) -> Iterable[Problem]:
        """Return the problems of files, but for the bad ones, with other rates than their clips."""
        row_of = {row.clip_stem: row for row in self.metadata.rows}
        files = [
            (self.folder / file.path, row_of[file.clip_stem])
            for file in self.files
            if file.clip_stem in row_of and file.clip_stem not in bad
        ]
        return other_frame_rates(format_named(self.format), files, self.metadata_csv)

    def videos_with(self, errors: list[Problem]) -> set[str]:
        """Return the videos that errors concern; two where a clip may be of either."""
        clips = {problem.clip for problem in errors}
        videos = {problem.video for problem in errors if problem.video}
        videos |= self._videos_of_files_without_row
        return videos | {n.video for n in self.metadata.names.values() if n.clip_stem in clips}

    def videos_without_file(
        self, selection: Selection | None, *, require_all: bool
    ) -> Iterable[Problem]:
        """Return the problems of videos without a tracks file: of those named, or else of all."""
        stems = {file.clip_stem for file in self.files}
        if selection:
            return selection.without_file(stems, self.folder)
        if self.metadata_csv is None:
            return ()
        named = set() if require_all else self._renamed.keys()
        rows = (row for row in self.metadata.rows if row.row not in named)
        missing = {row.video for row in rows} - self.metadata.videos_of(stems)
        return without_file(
            missing, self.metadata, self.metadata_csv, self.folder, require_all=require_all
        )

    @property
    def missing_clips(self) -> set[str]:
        """The stems of the clips that have no tracks file."""
        have = {file.clip_stem for file in self.files}
        return {row.clip_stem for row in self.metadata.rows} - have

    def _files_without_row(self) -> list[TracksFile]:
        if not self.metadata.names:  # then the metadata's own problem says why
            return []
        known = {name.clip_stem for name in self.metadata.names.values()}
        return [file for file in self.files if file.clip_stem not in known | self.no_files]

    @cached_property
    def _renamed(self) -> dict[int, str]:
        """Return the rows without a tracks file that files without a row may belong to."""
        have = {file.clip_stem for file in self.files}
        rows = {
            row: name
            for row, name in self.metadata.names.items()
            if name.clip_stem not in have and (name.video in self.named or not self.named)
        }
        near = set()
        for file in self._files_without_row():
            video = self._video_by_name(file.clip_stem)
            stems = [name.clip_stem for name in rows.values() if video in {None, name.video}]
            near.add(closest(file.clip_stem, stems, cutoff=0.6))
        return {row: name.clip_stem for row, name in rows.items() if name.clip_stem in near}

    def _video_by_name(self, clip_stem: str) -> str | None:
        """Return the video with whose id the name of a clip begins; None if there is none."""
        known = {name.video for name in self.metadata.names.values()}
        ids = [video for video in known if clip_id_of(clip_stem, video)]
        return max(ids, key=len, default=None)

    @cached_property
    def _videos_of_files_without_row(self) -> set[str]:
        """Return the videos that files without a row may belong to, by a near row or their name."""
        near = {self.metadata.names[row].video for row in self._renamed}
        by_name = {self._video_by_name(file.clip_stem) for file in self._files_without_row()}
        return near | {video for video in by_name if video is not None}

    def _unmatched(self) -> Iterable[Problem]:
        """Yield the problem of files without a row, with the rows without a file."""
        files, rows = self._files_without_row(), self._renamed
        if not files:
            return
        names = comma_list([f"'{one_line(file.clip_stem)}'" for file in files])
        one = len(files) == 1
        remedy = f"Add the {'row' if one else 'rows'}, or leave the files out with --pattern."
        if rows:
            listed = comma_list([f"'{one_line(stem)}' (row {row})" for row, stem in rows.items()])
            no_file = "which has no tracks file" if len(rows) == 1 else "which have no tracks file"
            remedy = f"Did you mean {listed}, {no_file}? Then correct the names. Else a{remedy[1:]}"
        videos = self._videos_of_files_without_row
        yield Problem(
            kind="file-without-row",
            what=f"{len(files)} tracks files have no row in the metadata CSV."
            if len(files) > 1
            else "A tracks file has no row in the metadata CSV.",
            file=str(self.folder / files[0].path if one else self.folder),
            found=f"no row with the clip {names}" if one else f"no rows with the clips {names}",
            expected=f"a row with this {self.metadata.layout.clip} and an extension, in"
            f" {self.metadata_csv}",
            remedy=remedy,
            video=min(videos) if len(videos) == 1 else None,
        )

    def _rows_without_file(self, videos: set[str], *, require_all: bool) -> Iterable[Problem]:
        have = {file.clip_stem for file in self.files}
        named = set() if require_all else self._renamed.keys()
        missing: dict[str, list[ClipRow]] = defaultdict(list)
        for row in self.metadata.rows:
            if row.clip_stem not in have and row.video in videos and row.row not in named:
                missing[row.video].append(row)
        for video, rows in missing.items():
            yield Problem(
                kind="row-without-file",
                what=f"{len(rows)} of the video's clips have no tracks file."
                if len(rows) > 1
                else "One of the video's clips has no tracks file.",
                file=str(self.metadata_csv),
                row=rows[0].row,
                column=self.metadata.layout.clip,
                found=f"no file for {comma_list([row.clip_stem for row in rows])}",
                expected=f"<clip>_tracks.csv in {self.folder}",
                remedy="Fetch or make the missing files; or, to convert the others, run"
                f" {same_command(without='--require-all')}"
                if require_all
                else "Nothing, if these clips were not tracked.",
                severity="error" if require_all else "warning",
                video=video,
            )

    def videos(self) -> Iterable[VideoPlan]:
        """Yield the plan of each video with at least one tracks file, sorted by id."""
        file_of = {file.clip_stem: file for file in self.files}
        rows_of: dict[str, dict[str, ClipRow]] = defaultdict(dict)
        for row in self.metadata.rows:
            if row.clip_stem in file_of:
                rows_of[row.video].setdefault(row.clip, row)
        for video in sorted(rows_of):
            rows = rows_of[video]
            clips = [self._clip(rows[clip], file_of[rows[clip].clip_stem]) for clip in sorted(rows)]
            yield VideoPlan(
                video=video,
                fps=rows[clips[0].clip].fps,
                clips=tuple(clips),
                settings=self.settings,
                layout=Layout(),
                metadata_csv=str(self.metadata_csv or ""),
                format=self.format,
                schema=SCHEMA_VERSION,
                columns=self.metadata.columns,
                has_escapes=self.metadata.layout.has_escapes,
            )

    def _clip(self, row: ClipRow, file: TracksFile) -> ClipPlan:
        return ClipPlan(
            clip=row.clip,
            source=file.path,
            size=file.size,
            mtime_ns=file.mtime_ns,
            first_frame=row.first_frame,
            last_frame=row.last_frame,
            escape_frame=row.escape_frame,
            escape_type=row.escape_type,
            tracks_dir=str(self.folder),
            expanded_size=None if file.content_size == file.size else file.content_size,
            values=row.values,
        )
