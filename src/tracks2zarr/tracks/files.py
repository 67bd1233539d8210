"""Lists the tracks files in a folder, and checks whether each can be read."""

from __future__ import annotations

import glob
import hashlib
import os
from collections import defaultdict
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path, PurePosixPath

from tracks2zarr.common.names import DEFAULT_PATTERNS
from tracks2zarr.common.problems import Problem, comma_list, one_line
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.tracks.formats import TracksFormat
from tracks2zarr.tracks.source_file import FileStamp, open_source

_HASH_BLOCK = 1 << 20


@dataclass(frozen=True, slots=True)
class TracksFile:
    """A tracks file: its path below the folder (POSIX), size in bytes, mtime in ns, clip's stem."""

    path: str
    size: int
    mtime_ns: int
    clip_stem: str


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
    matching = {pattern: _matches(tracks_dir, pattern, metadata_csv) for pattern in patterns}
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
        problem = _file_problem(path, clip_stem, tracks_format)
        if problem:
            problems.append(problem)
        if os.path.lexists(path):
            stat = path.lstat() if path.is_symlink() and not path.exists() else path.stat()
            relative = PurePosixPath(*Path(name).parts).as_posix()
            files.append(TracksFile(relative, stat.st_size, stat.st_mtime_ns, clip_stem))
    return files, problems


def _matches(tracks_dir: Path, pattern: str, metadata_csv: Path) -> list[str]:
    """Return the files that match a pattern, but for the metadata CSV."""
    if pattern.endswith(".csv"):  # some systems write it in capitals
        pattern = pattern.removesuffix("csv") + "[cC][sS][vV]"
    # not Path.glob, which matches hidden files, too; './' stands for nothing, so that each
    # file has one name
    found = glob.glob(pattern, root_dir=tracks_dir, recursive=True)  # noqa: PTH207
    return [
        name
        for name in {os.path.normpath(name) for name in found}
        if not (tracks_dir / name).is_dir() and not _same_file(tracks_dir / name, metadata_csv)
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


def _same_file(path: Path, other: Path) -> bool:
    try:
        return path.samefile(other)
    except OSError:
        return False


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


def _file_problem(path: Path, clip_stem: str, tracks_format: TracksFormat) -> Problem | None:
    """Return what is wrong with a file that can be known from its first bytes."""
    try:
        problem = annex_problem(path) or _header_problem(path, tracks_format)
    except OSError as error:
        problem = Problem(
            kind="tracks-unreadable",
            what="A tracks file cannot be read.",
            file=str(path),
            found=error.strerror or str(error),
            expected=tracks_format.HEADER_TEXT,
            remedy="Check the file and its permissions.",
        )
    return None if problem is None else replace(problem, clip=clip_stem)


def _header_problem(path: Path, tracks_format: TracksFormat) -> Problem | None:
    if not path.is_file():  # a pipe would be waited for
        raise OSError("no file")
    _check_is_text(path.name)
    return tracks_format.header_problem(path)


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
            found=f"'{one_line(second.path)}' beside '{one_line(several[0].path)}'",
            expected="one tracks file a clip",
            remedy="Remove one, or pass a --pattern that matches one of them.",
            clip=clip_stem,
        )
        for clip_stem, several in files_of.items()
        for second in several[1:]
    ]


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
    hasher = hashlib.sha256()
    with open_source(path) as source:
        while block := source.file.read(_HASH_BLOCK):
            hasher.update(block)
        source.check_end()
    return named_digest(hasher), source.stamp


def named_digest(hasher: hashlib._Hash) -> str:
    """Return a digest with the name of its algorithm."""
    return f"{hasher.name}:{hasher.hexdigest()}"
