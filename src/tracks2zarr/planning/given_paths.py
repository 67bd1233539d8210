"""What is wrong with the paths of an experiment: swapped, misspelt, or one folder too high."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list, nearest, same_command_with


def swapped(tracks_dir: Path, metadata_csv: Path) -> Problem:
    """Return the problem of a file where the folder is expected, and the other way round."""
    paths = metadata_csv, tracks_dir
    return Problem(
        kind="arguments-swapped",
        what="The folder of tracks files and the metadata CSV are swapped.",
        file=str(tracks_dir),
        found="a file, before a folder",
        expected="the folder of tracks files, then the metadata CSV",
        remedy=f"To swap them, run {same_command_with(paths, instead_of=paths[::-1])}",
    )


def with_near_path(problem: Problem, patterns: Sequence[str] = ()) -> Problem:
    """Return the problem of a path where nothing is with the path that was perhaps meant.

    Parameters
    ----------
    problem
        A problem of the input.
    patterns
        The glob patterns of the tracks files.
    """
    if problem.file is None:
        return problem
    given = Path(problem.file)
    if problem.kind in {"tracks-dir", "metadata-unreadable"} and not given.exists():
        near = _near(given, is_folder=problem.kind == "tracks-dir")
    elif problem.kind == "no-tracks":
        folders = _folders_with_tracks(given, patterns)
        if len(folders) > 1:
            names = comma_list([folder.name for folder in folders])
            return replace(problem, remedy=f"There are such files in its folders {names}: pass one")
        near = folders[0] if folders else None
    else:
        return problem
    if near is None:
        return problem
    again = same_command_with([near], instead_of=[given])
    where = near.relative_to(given) if near.is_relative_to(given) else near.name
    return replace(problem, remedy=f"Did you mean '{where}'? Then run {again}")


def _near(given: Path, *, is_folder: bool) -> Path | None:
    try:
        beside = [path for path in given.parent.iterdir() if path.is_dir() == is_folder]
    except OSError:
        return None
    name = nearest(given.name, (path.name for path in beside))
    return None if name is None else given.with_name(name)


def _folders_with_tracks(folder: Path, patterns: Sequence[str]) -> list[Path]:
    inside = sorted(path for path in folder.iterdir() if path.is_dir())
    return [path for path in inside if any(any(path.glob(pattern)) for pattern in patterns)]
