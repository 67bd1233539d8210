"""``check_metadata``: a metadata CSV row by row, with all that is wrong with each."""

from __future__ import annotations

import os
import re
from collections import defaultdict
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tracks2zarr.common.arguments import check_optional_path, check_path, check_texts
from tracks2zarr.common.display import Shown, Table, problem_counts
from tracks2zarr.common.problems import Problem, errors_of
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.schema import ClipColumn
from tracks2zarr.planning.escape_types import misspelt_escape_types
from tracks2zarr.planning.given_paths import swapped, with_near_path
from tracks2zarr.planning.make_plan import draft
from tracks2zarr.planning.metadata import ClipRow, Metadata
from tracks2zarr.planning.metadata_csv import read_metadata
from tracks2zarr.planning.odd_rows import overlapping_clips, video_names_alike
from tracks2zarr.planning.plan import Settings
from tracks2zarr.tracks.files import candidates
from tracks2zarr.tracks.formats import format_named, format_names
from tracks2zarr.tracks.recognise import recognised_format


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckedRow:
    """One row of a metadata CSV, with or without errors.

    Parameters
    ----------
    row
        Its number; 1 is the header.
    video, clip
        The id of the video, and the stem of the clip's name; empty if they are missing.
    sound
        The contents of the row; None if it has errors.
    tracks_file
        The clip's tracks file, relative to the folder; None if there is none, or no folder was
        given.
    problems
        What is wrong with the row.
    """

    row: int
    video: str
    clip: str
    sound: ClipRow | None
    tracks_file: str | None = None
    problems: tuple[Problem, ...] = ()

    @property
    def state(self) -> str:
        """``ok``, ``warning`` or ``error``."""
        if errors_of(self.problems):
            return "error"
        return "warning" if self.problems else "ok"

    @property
    def n_frames(self) -> int | None:
        """The number of frames of the clip; None where it is unknown."""
        sound = self.sound
        return None if sound is None else sound.last_frame - sound.first_frame + 1

    @property
    def what(self) -> str:
        """What is wrong, in a few words; empty where nothing is."""
        return " ".join(dict.fromkeys(problem.what for problem in self.problems))

    def as_dict(self) -> dict[str, Any]:
        """Return the row for JSON; frames are 0-based frames of the video."""
        sound = self.sound
        return {
            "row": self.row,
            "state": self.state,
            "video": self.video,
            "clip": self.clip,
            "fps": sound and sound.fps,
            "first_frame": sound and sound.first_frame,
            "last_frame": sound and sound.last_frame,
            "escape_frame": sound and sound.escape_frame,
            "escape_type": sound and sound.escape_type,
            "tracks_file": self.tracks_file,
        }


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class CheckedMetadata(Shown):
    """A metadata CSV that was checked.

    Parameters
    ----------
    metadata_csv
        The file.
    tracks_dir
        The folder of the tracks files that it was matched with; None for none.
    rows
        Its rows, in their order.
    problems
        All problems, including those of the file as a whole and of tracks files.
    columns
        The further columns that become coordinates of clips.
    """

    metadata_csv: Path
    tracks_dir: Path | None
    rows: tuple[CheckedRow, ...]
    problems: tuple[Problem, ...]
    columns: tuple[ClipColumn, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether there is no error."""
        return not errors_of(self.problems)

    def summary(self) -> str:
        """Return how many videos and clips there are, and how many rows are wrong."""
        videos = count_text(len({row.video for row in self.rows if row.video}), "video")
        bad = sum(row.state == "error" for row in self.rows)
        counts = [videos, count_text(len(self.rows), "clip")]
        if bad:
            counts.append(f"{count_text(bad, 'row')} with errors")
        return ", ".join(counts)

    def as_dict(self) -> dict[str, Any]:
        """Return the rows and the problems for JSON."""
        return {
            "metadata_csv": str(self.metadata_csv),
            "tracks_dir": None if self.tracks_dir is None else str(self.tracks_dir),
            "columns": [{"name": one.name, "type": one.type} for one in self.columns],
            "clips": [row.as_dict() for row in self.rows],
            "problems": [problem.as_dict() for problem in self.problems],
        }

    def __str__(self) -> str:
        return ", ".join([self.summary(), *problem_counts(self.problems)])

    def _shown_table(self) -> Table:
        """Return the rows."""
        rows = [(r.row, r.clip, r.state, r.n_frames, r.what) for r in self.rows]
        return Table(("row", "clip", "state", "frames", "problem"), rows, left=3)

    def _shown_problems(self) -> tuple[Problem, ...]:
        """Return all problems."""
        return self.problems


def check_metadata(
    metadata_csv: str | os.PathLike[str],
    tracks_dir: str | os.PathLike[str] | None = None,
    *,
    pattern: str | Sequence[str] | None = None,
    format: str | None = None,
    settings: Settings | None = None,
    require_all: bool = False,
) -> CheckedMetadata:
    """Check a metadata CSV, and whether the tracks files of a folder match it.

    Parameters
    ----------
    metadata_csv
        CSV with one row per clip.
    tracks_dir
        Folder with one tracks file per clip; None to check the metadata alone.
    pattern
        Glob pattern of the tracks files, relative to `tracks_dir`; or several. By default those of
        the format.
    format
        The format of the tracks files; by default it is recognised.
    settings
        How frames are found, and which further columns are used, as for `plan`; None for its
        defaults.
    require_all
        Whether a clip without a tracks file is an error.

    Returns
    -------
    CheckedMetadata
        All rows and all problems; no problem is raised.
    """
    check_path("metadata_csv", metadata_csv)
    check_optional_path("tracks_dir", tracks_dir)
    check_texts("pattern", () if pattern is None else pattern)
    path = Path(metadata_csv).absolute()
    folder = None if tracks_dir is None else Path(tracks_dir).absolute()
    if path.is_dir():
        problems: tuple[Problem, ...] = (_folder_given(path, folder),)
        return CheckedMetadata(metadata_csv=path, tracks_dir=folder, rows=(), problems=problems)
    settings = settings or Settings()
    metadata = read_metadata(path, settings.columns)
    if folder is None:
        problems, files = tuple(_of_metadata_alone(metadata, path)), {}
    else:
        files = _files_by_clip(folder, path, pattern, format)
        problems = draft(
            folder,
            path,
            pattern=pattern,
            format=format,
            settings=settings,
            require_all=require_all,
        ).problems
    rows = tuple(_rows(metadata, files, path, problems))
    return CheckedMetadata(
        metadata_csv=path,
        tracks_dir=folder,
        rows=rows,
        problems=problems,
        columns=metadata.columns,
    )


def _folder_given(path: Path, tracks_dir: Path | None) -> Problem:
    """Return the problem of a folder in the place of the metadata CSV."""
    if tracks_dir is not None and tracks_dir.is_file():
        return swapped(tracks_dir, path, metadata_first=True)
    return Problem(
        kind="metadata-unreadable",
        what="A folder was given in place of the metadata CSV.",
        file=str(path),
        found="a folder",
        expected="a metadata CSV, followed by the folder of tracks files, if any",
        remedy="Pass the metadata CSV before the folder.",
    )


def _of_metadata_alone(metadata: Metadata, path: Path) -> Iterator[Problem]:
    """Yield the problems of a metadata CSV, as `plan` would if all clips had tracks files."""
    videos = {row.video for row in metadata.rows}
    yield from map(with_near_path, metadata.problems)
    yield from overlapping_clips(metadata.rows, path, metadata.layout.extent)
    yield from video_names_alike(videos, path)
    yield from misspelt_escape_types(metadata.rows, path, videos)


def _files_by_clip(
    folder: Path, metadata_csv: Path, pattern: str | Sequence[str] | None, format_name: str | None
) -> dict[str, str]:
    """Return the tracks files of a folder by the stem of their clip."""
    patterns = (pattern,) if isinstance(pattern, str) else pattern
    if format_name is not None and format_name not in format_names():
        return {}  # the plan says so
    tracks_format = format_named(format_name or recognised_format(folder, patterns, metadata_csv))
    found = (
        candidates(folder, one, metadata_csv, tracks_format)
        for one in patterns or tracks_format.PATTERNS
    )
    names = sorted({name for some in found for name in some})
    return {tracks_format.clip_stem_of(folder / name): name for name in names}


def _rows(
    metadata: Metadata, files: dict[str, str], path: Path, problems: Iterable[Problem]
) -> Iterator[CheckedRow]:
    """Yield the rows that name a clip, and those that are not even rows, in their order."""
    sound = {row.row: row for row in metadata.rows}
    by_row: dict[int, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.file == str(path):
            for number in _row_numbers(problem):
                by_row[number].append(problem)
    of_file: dict[str, list[Problem]] = defaultdict(list)
    for problem in problems:
        if problem.file != str(path) and problem.clip:
            of_file[problem.clip].append(problem)
    for number in sorted({*metadata.names, *by_row}):
        name = metadata.names.get(number)
        own = by_row[number]
        clip = name.clip_stem if name else next((p.clip for p in own if p.clip), "")
        yield CheckedRow(
            row=number,
            video=name.video if name else next((p.video for p in own if p.video), ""),
            clip=clip,
            sound=sound.get(number),
            tracks_file=files.get(clip),
            problems=(*own, *of_file[clip]),
        )


def _row_numbers(problem: Problem) -> Iterator[int]:
    """Yield the rows below the header that a problem names."""
    if problem.row is not None and problem.row > 1:
        yield problem.row
    for first, last in re.findall(r"(\d+)(?:-(\d+))?", problem.rows or ""):
        yield from range(int(first), int(last or first) + 1)
