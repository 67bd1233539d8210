"""Lists the tracks files in a folder, and checks whether each can be read.

What holds of a tracks file holds of a folder where the format has a folder per clip.
"""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tracks2zarr.common.files import is_same_file
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.tracks.formats import (
    DEFAULT_FORMAT,
    FormatOfFolders,
    FormatOfImages,
    TracksFormat,
)
from tracks2zarr.tracks.source_file import FileStamp, read_start
from tracks2zarr.tracks.source_folder import files_of, stamp_of


@dataclass(frozen=True, slots=True)
class TracksFile:
    """A tracks file.

    Parameters
    ----------
    path
        Its path below the folder (POSIX).
    size, mtime_ns
        Its size in bytes, and its time of modification in nanoseconds.
    clip_stem
        The stem of its clip.
    content_size
        The size of its content in bytes: of a compressed file, about that when it is expanded.
    first_image
        The name of the image in its first row; None where it has no such row, or no images.
    """

    path: str
    size: int
    mtime_ns: int
    clip_stem: str
    content_size: int
    first_image: str | None


def list_tracks(
    tracks_dir: Path,
    patterns: Sequence[str] | None,
    metadata_csv: Path | None,
    tracks_format: TracksFormat,
    *,
    is_wanted: Callable[[str], bool] | None = None,
) -> tuple[list[TracksFile], list[Problem]]:
    """List the tracks files that match any of some glob patterns, sorted by path, and check each.

    The metadata CSV is left out where it matches too, and so are hidden files, as a shell would.

    Parameters
    ----------
    tracks_dir
        The folder.
    patterns
        Glob patterns relative to the folder; ``**`` matches folders at any depth, and ``.csv`` at
        the end ``.CSV``, too. None for those of the format.
    metadata_csv
        The metadata CSV; None where there is none.
    tracks_format
        The format that the files must have.
    is_wanted
        Tells by a clip's stem whether its file is looked at; by default, all are.

    Returns
    -------
    files, problems
        Files with a problem are listed, too; the problems name their clip's stem.
    """
    problem = folder_problem(tracks_dir)
    problems = [problem] if problem else _pattern_problems(patterns)
    if problems:
        return [], problems
    matching = {
        pattern: list(candidates(tracks_dir, pattern, metadata_csv, tracks_format))
        for pattern in patterns or tracks_format.PATTERNS
    }
    names = sorted({name for found in matching.values() for name in found})
    if not names:
        return [], [
            _nothing_matches(tracks_dir, list(matching), _names_of(tracks_format, patterns))
        ]
    if patterns is not None:
        idle = [pattern for pattern, found in matching.items() if not found]
        problems += [_nothing_matches(tracks_dir, [one]).as_warning() for one in idle]
    if is_wanted is not None:
        names = [name for name in names if is_wanted(tracks_format.clip_stem_of(tracks_dir / name))]
    files, of_files = check_tracks(tracks_dir, names, tracks_format)
    return files, [*problems, *of_files, *_twice(tracks_dir, files)]


def check_tracks(
    tracks_dir: Path, names: Iterable[str], tracks_format: TracksFormat
) -> tuple[list[TracksFile], list[Problem]]:
    """Look at tracks files by name, and check each.

    Parameters
    ----------
    tracks_dir
        The folder.
    names
        Their paths below the folder.
    tracks_format
        The format that they must have.

    Returns
    -------
    files, problems
        As those of `list_tracks`; a file that is not there is among the problems alone.
    """
    files, problems = [], []
    for name in names:
        path = tracks_dir / name
        clip_stem = tracks_format.clip_stem_of(path)
        looked = _look_at(path, tracks_format)
        if isinstance(looked, Problem):
            problems.append(replace(looked, clip=clip_stem))
        if os.path.lexists(path):
            stamp = _stamp_of(path)
            relative = PurePosixPath(*Path(name).parts).as_posix()
            size, image = (stamp.size, None) if isinstance(looked, Problem) else looked
            files.append(TracksFile(relative, stamp.size, stamp.mtime_ns, clip_stem, size, image))
    return files, problems


def candidates(
    tracks_dir: Path, pattern: str, metadata_csv: Path | None, tracks_format: TracksFormat
) -> Iterator[str]:
    """Yield the paths below a folder that match a pattern, and may be tracks files of a format.

    They are sorted, so that the first ones are the same at each call.
    """
    is_folders = isinstance(tracks_format, FormatOfFolders)
    for name in sorted(matching_names(tracks_dir, pattern, folders=is_folders)):
        path = tracks_dir / name
        if isinstance(tracks_format, FormatOfFolders):
            if tracks_format.is_clip_folder(path):
                yield name
        elif metadata_csv is None or not is_same_file(path, metadata_csv):
            yield name


#: Ends the name of what `correct` writes beside a tracks file; see `corrected_name`.
_CORRECTED = re.compile(r"_tracks\.corrected-[0-9]+\.csv$")


def corrected_name(clip_stem: str, number: int) -> str:
    """Return the name of a corrected tracks file, which no listing of tracks files has.

    >>> corrected_name("04.09.2023-01-Right-Loop05", 1)
    '04.09.2023-01-Right-Loop05_tracks.corrected-1.csv'
    """
    return f"{clip_stem}_tracks.corrected-{number}.csv"


def is_recognised(path: Path, tracks_format: TracksFormat) -> bool:
    """Tell whether a file has a format, as far as its start shows; an empty file has none.

    A folder is known by the names of its files.
    """
    if isinstance(tracks_format, FormatOfFolders):
        return tracks_format.is_clip_folder(path)
    looked = _look_at(path, tracks_format)
    return not isinstance(looked, Problem) and looked[0] > 0


_SUFFIX = re.compile(r"\.[a-z]+(\.gz|\.zst)?$", re.IGNORECASE)


def matching_names(tracks_dir: Path, pattern: str, *, folders: bool = False) -> list[str]:
    """Return the paths below a folder that match a glob pattern, without hidden files.

    Corrected tracks files are left out, which lie beside the originals. A folder is no tracks
    file, though it is one by mistake where its name is that of one.

    Parameters
    ----------
    tracks_dir
        The folder.
    pattern
        The pattern; letters of a suffix at its end match capitals, too.
    folders
        Whether folders are looked for, and not files.
    """
    if suffix := _SUFFIX.search(pattern):  # some systems write it in capitals
        letters = (f"[{c}{c.upper()}]" if c.islower() else c for c in suffix[0])
        pattern = pattern[: suffix.start()] + "".join(letters)
    # not Path.glob, which matches hidden files, too; './' stands for nothing, so that each
    # file has one name
    found = glob.glob(pattern, root_dir=tracks_dir, recursive=True)  # noqa: PTH207
    names = {os.path.normpath(name) for name in found if not _CORRECTED.search(name)}
    if folders:
        return [name for name in names if (tracks_dir / name).is_dir()]
    return [name for name in names if suffix or not (tracks_dir / name).is_dir()]


def folder_problem(tracks_dir: Path) -> Problem | None:
    """Return why a folder of tracks files cannot be read, or None where it can."""
    if not tracks_dir.is_dir():
        return Problem(
            kind="tracks-dir",
            what="The folder of tracks files cannot be read.",
            file=str(tracks_dir),
            found="a file" if tracks_dir.exists() else "nothing there",
            expected="a folder with one tracks file per clip",
            remedy="Check the path.",
        )
    if not os.access(tracks_dir, os.R_OK | os.X_OK):
        return Problem(
            kind="tracks-dir",
            what="The folder of tracks files cannot be read.",
            file=str(tracks_dir),
            found="no permission",
            expected="a folder that you may read",
            remedy="Ask its owner for permission.",
        )
    return None


def _pattern_problems(patterns: Sequence[str] | None) -> list[Problem]:
    return [
        Problem(
            kind="pattern",
            what="The pattern leaves the folder of tracks files.",
            found=f"'{one_line(pattern)}'",
            expected="a glob pattern relative to the folder, such as '*.csv' or '**/*.csv'",
            remedy="Correct --pattern.",
        )
        for pattern in ([] if patterns is None else patterns or [""])
        if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts
    ]


def _stamp_of(path: Path) -> FileStamp:
    """Return the stamp of a file, or of the link to one that is not there."""
    try:
        return stamp_of(path)
    except OSError:
        return FileStamp.of(path.lstat())


def _nothing_matches(tracks_dir: Path, patterns: Sequence[str], of: str = "files") -> Problem:
    held = sorted(entry.name for entry in tracks_dir.iterdir())
    return Problem(
        kind="no-tracks",
        what="No tracks file matches the pattern.",
        file=str(tracks_dir),
        found=f"a folder that holds {comma_list(held)}" if held else "an empty folder",
        expected=f"{of} that match {' or '.join(f"'{one_line(one)}'" for one in patterns)}",
        remedy="Check the folder, or pass another --pattern (quoted, so that the shell leaves it).",
    )


def _names_of(tracks_format: TracksFormat, patterns: Sequence[str] | None) -> str:
    """Return what files are called that patterns match."""
    is_default = patterns is None and tracks_format.NAME == DEFAULT_FORMAT
    return "tracks files of one of the formats; for VIA, files" if is_default else "files"


def _look_at(path: Path, tracks_format: TracksFormat) -> Problem | tuple[int, str | None]:
    """Return what is wrong with a file, or with one in a folder, as far as its start shows.

    Where nothing is wrong, return the size of the content, and the name of the first image.
    """
    if not isinstance(tracks_format, FormatOfFolders):
        return _look_at_file(path, tracks_format)
    size = 0
    try:
        for file in files_of(path):
            looked = _look_at_file(file, tracks_format)
            if isinstance(looked, Problem):
                return looked
            size += looked[0]
        return tracks_format.folder_problem(path) or (size, None)
    except OSError as error:
        return _unreadable(path, error, tracks_format)


def _look_at_file(path: Path, tracks_format: TracksFormat) -> Problem | tuple[int, str | None]:
    """Return the same of one file."""
    try:
        if problem := annex_problem(path):
            return problem
        _check_is_text(path.name)
        start = read_start(path)
    except Tracks2ZarrError as error:
        return error.problems[0]
    except OSError as error:
        return _unreadable(path, error, tracks_format)
    image = None
    problem = tracks_format.start_problem(path, start)
    if problem is None and isinstance(tracks_format, FormatOfImages):
        image = tracks_format.first_image(start)
    return problem or (start.content_size, image)


def _unreadable(path: Path, error: OSError, tracks_format: TracksFormat) -> Problem:
    """Return the problem of what cannot be read as a file, such as a folder."""
    other = _other_than_a_file(path)
    return Problem(
        kind="tracks-no-file" if other else "tracks-unreadable",
        what=f"There is {other} in the place of a tracks file."
        if other
        else "A tracks file cannot be read.",
        file=str(path),
        found=other or found_instead(error),
        expected=tracks_format.EXPECTED,
        remedy=_out_of_the_way(tracks_format) if other else "Check the file and its permissions.",
    )


def _out_of_the_way(tracks_format: TracksFormat) -> str:
    if isinstance(tracks_format, FormatOfFolders):  # a pattern chooses folders
        return "Rename or move it."
    return "Rename or move it, or leave it out with --pattern."


def _other_than_a_file(path: Path) -> str | None:
    """Return what has the name of a file and is none; None for a file, or where nobody knows."""
    names = {stat.S_IFDIR: "a folder", stat.S_IFIFO: "a named pipe", stat.S_IFSOCK: "a socket"}
    try:
        mode = path.stat().st_mode
    except OSError:
        return None
    return None if stat.S_ISREG(mode) else names.get(stat.S_IFMT(mode), "a device")


def _check_is_text(name: str) -> None:
    """Check that a file's name is text: it stands in the metadata and in the group."""
    try:
        name.encode()
    except UnicodeEncodeError:
        raise OSError("a name that is not UTF-8") from None


def _twice(tracks_dir: Path, files: list[TracksFile]) -> list[Problem]:
    files_of: dict[str, list[TracksFile]] = defaultdict(list)
    for file in files:
        files_of[file.clip_stem].append(file)
    return [
        Problem(
            kind="two-files",
            what="A clip has two tracks files.",
            file=str(tracks_dir / second.path),
            found=_beside(second.path, several[0].path),
            expected="one tracks file per clip",
            remedy="Remove one, or pass a --pattern that matches one of them.",
            clip=clip_stem,
        )
        for clip_stem, several in files_of.items()
        for second in several[1:]
    ]


def _beside(second: str, first: str) -> str:
    """Return the names of two files, and what their difference is where it does not show."""
    found = f"'{one_line(second)}' beside '{one_line(first)}'"
    if composed(second) == composed(first):
        return f"{found}: one name, with its accents composed (NFC) and decomposed (NFD)"
    return found
