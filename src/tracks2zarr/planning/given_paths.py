"""What is wrong with the paths of an experiment: swapped, misspelt, or some folders too high."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path

from tracks2zarr.common.near_names import nearest_file
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
    same_command_with,
)
from tracks2zarr.tracks.files import matching_names
from tracks2zarr.tracks.formats import DEFAULT_FORMAT, format_named
from tracks2zarr.tracks.recognise import format_found

#: So many folders below are looked into, for tracks files.
_FOLDERS = 1000
#: Tells by a path whether it is that of a tracks file.
type IsTracks = Callable[[Path], bool]
_ROLES = "the folder of tracks files", "the metadata CSV", "the store"


def swapped(tracks_dir: Path, metadata_csv: Path, *, metadata_first: bool = False) -> Problem:
    """Return the problem of a file where the folder is expected, and the other way round.

    Parameters
    ----------
    tracks_dir
        What was given as the folder, and is a file.
    metadata_csv
        What was given as the metadata CSV, and is a folder.
    metadata_first
        Whether the command takes the metadata CSV before the folder.
    """
    given, found = [tracks_dir, metadata_csv], ["a file", "a folder"]
    roles = list(_ROLES[:2])
    if metadata_first:
        for one in (given, found, roles):
            one.reverse()
    return Problem(
        kind="arguments-swapped",
        what="The folder of tracks files and the metadata CSV are swapped.",
        file=str(given[0]),
        found=f"{found[0]}, before {found[1]}",
        expected=f"{roles[0]}, then {roles[1]}",
        remedy=f"To swap them, run {same_command_with(given[::-1], instead_of=given)}",
    )


def check_order(
    tracks_dir: Path, metadata_csv: Path | None, store: Path, patterns: Sequence[str] | None
) -> None:
    """Check that three paths are given in their order, where it can be told what each is.

    Raises
    ------
    Tracks2ZarrError
        If they are in another order; it has the command with the right one.
    """
    if metadata_csv is None:
        return
    given = [path.absolute() for path in (tracks_dir, metadata_csv, store)]
    files = [path for path in given if path.is_file()]
    folders = [path for path in given if _is_folder_of_tracks(path, patterns)]
    rest = [path for path in given if path not in {*files, *folders}]
    right = [*folders, *files, *rest]
    if not len(folders) == len(files) == len(rest) == 1 or right == given:
        return
    first = given[0]
    if (
        first in rest
        and not _is_store(first)
        and format_found(first, patterns, metadata_csv) is not None
    ):
        return  # tracks files of another format; only the store is somewhere else
    raise Tracks2ZarrError(
        Problem(
            kind="arguments-swapped",
            what="The paths are in the wrong order.",
            file=str(given[0]),
            found=", ".join(_ROLES[right.index(path)] for path in given),
            expected=", ".join(_ROLES),
            remedy=f"To swap them, run {same_command_with(right, instead_of=given)}",
        )
    )


def _is_folder_of_tracks(path: Path, asked: Sequence[str] | None) -> bool:
    if not path.is_dir() or _is_store(path):
        return False
    patterns = asked or format_named(DEFAULT_FORMAT).PATTERNS
    return _holds(path, patterns, _any_name) or bool(_with_tracks_below(path, patterns, _any_name))


def _is_store(folder: Path) -> bool:
    return (folder / "zarr.json").exists()


def _any_name(_path: Path) -> bool:
    return True


def tracks_below(
    folder: Path,
    metadata_csv: Path,
    files: Sequence[str],
    patterns: Sequence[str],
    is_tracks: IsTracks,
) -> Problem | None:
    """Return the problem of a folder without tracks files that folders below it hold, or None.

    Parameters
    ----------
    folder
        The folder.
    metadata_csv
        The metadata CSV.
    files
        What it holds that matches a pattern, and belongs to no clip.
    patterns
        The glob patterns of the tracks files.
    is_tracks
        Tells by a path whether it is that of a tracks file.
    """
    if not _with_tracks_below(folder, patterns, is_tracks):
        return None
    problem = Problem(
        kind="no-tracks",
        what="No file of the folder is the tracks file of a clip in the metadata CSV.",
        file=str(folder),
        found=comma_list(files, 5) if files else "no such file",
        expected=f"<clip>_tracks.csv of a clip in {metadata_csv}",
    )
    return with_near_path(problem, patterns, is_tracks)


def with_near_path(
    problem: Problem, patterns: Sequence[str] = (), is_tracks: IsTracks = _any_name
) -> Problem:
    """Return the problem of a path where nothing is with the path that was perhaps meant.

    Parameters
    ----------
    problem
        A problem of the input.
    patterns
        The glob patterns of the tracks files.
    is_tracks
        Tells by a path whether it is that of a tracks file.
    """
    if problem.file is None:
        return problem
    given = Path(problem.file)
    if problem.kind in {"tracks-dir", "metadata-unreadable"} and not given.exists():
        near = _near(given, is_folder=problem.kind == "tracks-dir")
    elif problem.kind == "no-tracks":
        folders = _with_tracks_below(given, patterns, is_tracks)
        if len(folders) > 1:
            names = comma_list([str(folder.relative_to(given)) for folder in folders])
            return replace(problem, remedy=f"There are such files in its folders {names}: pass one")
        near = folders[0] if folders else None
    else:
        return problem
    return problem if near is None else _with_meant(problem, given, near)


def with_file_beside(problem: Problem, given: Path) -> Problem:
    """Return the problem of a file that is missing with the one that was perhaps meant."""
    near = None if given.exists() else _near(given, is_folder=False)
    return problem if near is None else _with_meant(problem, given, near)


def _with_meant(problem: Problem, given: Path, near: Path) -> Problem:
    again = same_command_with([near], instead_of=[given])
    where = near.relative_to(given) if near.is_relative_to(given) else near.name
    return replace(problem, remedy=f"Did you mean '{where}'? Then run {again}")


def _near(given: Path, *, is_folder: bool) -> Path | None:
    try:
        beside = [path for path in given.parent.iterdir() if path.is_dir() == is_folder]
    except OSError:
        return None
    name = nearest_file(given.name, (path.name for path in beside))
    return None if name is None else given.with_name(name)


def _with_tracks_below(folder: Path, patterns: Sequence[str], is_tracks: IsTracks) -> list[Path]:
    """Return the folders with tracks files one level below, or else two."""
    inside = list(islice(_folders_in(folder), _FOLDERS))
    found = [path for path in inside if _holds(path, patterns, is_tracks)]
    if found:
        return found
    deeper = (path for one in inside for path in _folders_in(one))
    return [path for path in islice(deeper, _FOLDERS) if _holds(path, patterns, is_tracks)]


def _folders_in(folder: Path) -> Iterator[Path]:
    """Yield the folders in a folder, without stores and hidden ones."""
    try:
        inside = sorted(folder.iterdir())
    except OSError:
        return
    for path in inside:
        if not path.name.startswith(".") and path.is_dir() and not _is_store(path):
            yield path


def _holds(folder: Path, patterns: Sequence[str], is_tracks: IsTracks) -> bool:
    names = (name for pattern in patterns for name in matching_names(folder, pattern))
    return any(is_tracks(folder / name) for name in names)
