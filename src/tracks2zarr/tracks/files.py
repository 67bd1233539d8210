"""Lists the tracks files in a folder, and checks whether each can be read."""

from __future__ import annotations

import glob
import os
import re
import stat
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tracks2zarr.common.files import is_same_file
from tracks2zarr.common.names import DEFAULT_PATTERNS, composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.tracks.formats import TracksFormat
from tracks2zarr.tracks.source_file import FileStamp, open_source, read_start

_HASH_BLOCK = 1 << 20


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
        The name of the image in its first row; None where it has no such row.
    """

    path: str
    size: int
    mtime_ns: int
    clip_stem: str
    content_size: int
    first_image: str | None


def list_tracks(
    tracks_dir: Path,
    patterns: Sequence[str],
    metadata_csv: Path,
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
        the end ``.CSV``, too.
    metadata_csv
        The metadata CSV.
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
        pattern: [
            name
            for name in matching_names(tracks_dir, pattern)
            if not is_same_file(tracks_dir / name, metadata_csv)
        ]
        for pattern in patterns
    }
    names = sorted({name for found in matching.values() for name in found})
    if not names:
        return [], [_nothing_matches(tracks_dir, patterns)]
    if tuple(patterns) != DEFAULT_PATTERNS:
        idle = [pattern for pattern, found in matching.items() if not found]
        problems += [_nothing_matches(tracks_dir, [one]).as_warning() for one in idle]
    if is_wanted is not None:
        names = [name for name in names if is_wanted(tracks_format.clip_stem_of(Path(name).name))]
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
        clip_stem = tracks_format.clip_stem_of(path.name)
        looked = _look_at(path, tracks_format)
        if isinstance(looked, Problem):
            problems.append(replace(looked, clip=clip_stem))
        if os.path.lexists(path):
            found = path.lstat() if path.is_symlink() and not path.exists() else path.stat()
            relative = PurePosixPath(*Path(name).parts).as_posix()
            size, image = (found.st_size, None) if isinstance(looked, Problem) else looked
            stamp = found.st_size, found.st_mtime_ns
            files.append(TracksFile(relative, *stamp, clip_stem, size, image))
    return files, problems


_SUFFIX = re.compile(r"\.csv(\.gz|\.zst)?$", re.IGNORECASE)
#: Ends the name of what `correct` writes beside a tracks file; see `corrected_name`.
_CORRECTED = re.compile(r"_tracks\.corrected-[0-9]+\.csv$")


def corrected_name(clip_stem: str, number: int) -> str:
    """Return the name of a corrected tracks file, which no listing of tracks files has.

    >>> corrected_name("04.09.2023-01-Right-Loop05", 1)
    '04.09.2023-01-Right-Loop05_tracks.corrected-1.csv'
    """
    return f"{clip_stem}_tracks.corrected-{number}.csv"


def matching_names(tracks_dir: Path, pattern: str) -> list[str]:
    """Return the paths below a folder that match a glob pattern, without hidden files.

    Corrected tracks files are left out, which lie beside the originals. A folder is no tracks
    file, though it is one by mistake where its name is that of one.
    """
    if suffix := _SUFFIX.search(pattern):  # some systems write it in capitals
        letters = (f"[{c}{c.upper()}]" if c.islower() else c for c in suffix[0])
        pattern = pattern[: suffix.start()] + "".join(letters)
    # not Path.glob, which matches hidden files, too; './' stands for nothing, so that each
    # file has one name
    found = glob.glob(pattern, root_dir=tracks_dir, recursive=True)  # noqa: PTH207
    return [
        name
        for name in {os.path.normpath(name) for name in found}
        if not _CORRECTED.search(name)
        and (_SUFFIX.search(name) or not (tracks_dir / name).is_dir())
    ]


def folder_problem(tracks_dir: Path) -> Problem | None:
    """Return why a folder of tracks files cannot be read, or None where it can."""
    if not tracks_dir.is_dir():
        return Problem(
            kind="tracks-dir",
            what="The folder of tracks files cannot be read.",
            file=str(tracks_dir),
            found="a file" if tracks_dir.exists() else "nothing there",
            expected="a folder with one tracks CSV per clip",
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


def _pattern_problems(patterns: Sequence[str]) -> list[Problem]:
    return [
        Problem(
            kind="pattern",
            what="The pattern leaves the folder of tracks files.",
            found=f"'{one_line(pattern)}'",
            expected="a glob pattern relative to the folder, such as '*.csv' or '**/*.csv'",
            remedy="Correct --pattern.",
        )
        for pattern in patterns or [""]
        if not pattern or Path(pattern).is_absolute() or ".." in Path(pattern).parts
    ]


def _nothing_matches(tracks_dir: Path, patterns: Sequence[str]) -> Problem:
    held = sorted(entry.name for entry in tracks_dir.iterdir())
    return Problem(
        kind="no-tracks",
        what="No tracks file matches the pattern.",
        file=str(tracks_dir),
        found=f"a folder that holds {comma_list(held)}" if held else "an empty folder",
        expected=f"files that match {' or '.join(f"'{one_line(one)}'" for one in patterns)}",
        remedy="Check the folder, or pass another --pattern (quoted, so that the shell leaves it).",
    )


def _look_at(path: Path, tracks_format: TracksFormat) -> Problem | tuple[int, str | None]:
    """Return what is wrong with a file as far as its start shows.

    Of a file with nothing wrong, return the size of its content, and the name of its first image.
    """
    try:
        problem = annex_problem(path)
        if problem is None:
            _check_is_text(path.name)
            start = read_start(path)
            problem = tracks_format.header_problem(path, start)
    except Tracks2ZarrError as error:
        return error.problems[0]
    except OSError as error:
        return _unreadable(path, error, tracks_format)
    return problem or (start.content_size, tracks_format.first_image(start))


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
        expected=f"a file that begins with {tracks_format.HEADER_TEXT}",
        remedy="Rename or move it, or leave it out with --pattern."
        if other
        else "Check the file and its permissions.",
    )


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
            expected="one tracks file a clip",
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


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a tracks file's bytes as ``sha256:<hex>``."""
    digest, _ = digest_and_stamp(path)
    return digest


def digest_and_stamp(path: Path) -> tuple[str, FileStamp]:
    """Return the digest of a tracks file, and its stamp when it was read.

    Raises
    ------
    Tracks2ZarrError
        If it changed while it was read.
    OSError
        If it cannot be read.
    """
    block = bytearray(_HASH_BLOCK)
    with open_source(path) as source:
        while source.raw.readinto(block):
            pass
        source.check_end()
    return source.digest, source.stamp
