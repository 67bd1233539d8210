"""Matches the tracks files of an experiment with its metadata, and names what does not fit."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Container, Iterable
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path

from tracks2zarr.common.names import clip_id_of
from tracks2zarr.common.near_names import closest
from tracks2zarr.common.problems import (
    Problem,
    comma_list,
    errors_of,
    one_line,
    same_command,
)
from tracks2zarr.dataset.layout import Layout
from tracks2zarr.dataset.schema import SCHEMA_VERSION
from tracks2zarr.planning.escape_types import misspelt_escape_types
from tracks2zarr.planning.frame_rates import other_frame_rates
from tracks2zarr.planning.metadata import ClipRow, Metadata, concerns
from tracks2zarr.planning.odd_rows import overlapping_clips, video_names_alike
from tracks2zarr.planning.plan import ClipPlan, Settings, VideoPlan
from tracks2zarr.planning.selection import Selection, without_file
from tracks2zarr.tracks.files import TracksFile
from tracks2zarr.tracks.formats import DEFAULT_FORMAT, format_named


@dataclass(frozen=True)
class Match:
    """The metadata and the files of an experiment, before they are known to fit.

    Parameters
    ----------
    folder, metadata_csv
        Where the tracks files and the metadata CSV lie; None for tracks files of whole videos.
    settings
        What was asked for.
    metadata, files
        What was found of both.
    named
        The ids of the videos that were asked for; empty for all.
    no_files
        The stems of the clips in whose file's place something else lies.
    format
        The name of the format of the files.
    """

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
