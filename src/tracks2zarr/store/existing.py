"""Finds the store at a path."""

from __future__ import annotations

import os
import shlex
from pathlib import Path

from tracks2zarr.common.archive import is_archive
from tracks2zarr.common.near_names import did_you_mean, nearest_file
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
)
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.repair import root_problem, unfetched_root
from tracks2zarr.store.store import Store, node_type


def enclosing_group(path: Path) -> Path | None:
    """Return the Zarr group, such as a store, in whose folder a path lies; None for none."""
    return next((above for above in path.parents if Store(above).exists()), None)


def inside_problem(store: Store) -> Problem | None:
    """Return the problem of a path within a store, or to the group of a video; None for none."""
    outer = enclosing_group(store.path)
    # where it has that folder it is a store, and its groups need no look
    has_own_folder = (store.path / OWN_FOLDER).is_dir()
    nodes = [] if has_own_folder or store.groups() else sorted(store.path.glob("*/zarr.json"))
    arrays = [node.parent.name for node in nodes if node_type(node) == "array"]
    if outer is None and not arrays:
        return None
    found, remedy = f"a folder within {outer}", f"Pass the store: {outer or store.path.parent}"
    if arrays:
        found = f"the arrays {comma_list(arrays, 4)}"
    elif has_own_folder:
        found, remedy = f"a store within {outer}", "Move it out."
    return Problem(
        kind="inside-store",
        what="This is part of a store, such as the group of a video, not a store.",
        file=str(store.path),
        found=found,
        expected="a store, which holds one group per video, outside all others",
        remedy=remedy,
    )


def existing_store(path: str | os.PathLike[str], *, may_be_broken: bool = False) -> Store:
    """Return the store at a path.

    Parameters
    ----------
    path
        The folder of the store.
    may_be_broken
        Whether the caller repairs the root.

    Raises
    ------
    Tracks2ZarrError
        If there is none, it is a part of one only, or its root is broken or was not fetched.
    """
    store = Store.at(path)
    if store.exists():
        problem = inside_problem(store) or unfetched_root(store)
        if problem is None and not may_be_broken:
            problem = root_problem(store)
        if problem is not None:
            raise Tracks2ZarrError(problem)
        return store
    given = Path(path).absolute()
    if is_archive(given) and given.is_file():
        raise Tracks2ZarrError(_archive_not_folder(given))
    near = did_you_mean(given.name, _stores_beside(given), near_to=nearest_file)
    raise Tracks2ZarrError(
        Problem(
            kind="no-store",
            what="There is no Zarr store.",
            file=str(given),
            found=what_lies_at(given),
            expected="a store that 'tracks2zarr create' made",
            remedy=near or f"Check the path.{stores_beside_text(given)}",
        )
    )


def _archive_not_folder(path: Path) -> Problem:
    unpacked = path.with_suffix("")
    command = shlex.join(["python3", "-m", "zipfile", "-e", str(path), str(unpacked)])
    return Problem(
        kind="no-store",
        what="There is no Zarr store in a folder.",
        file=str(path),
        found="a file, such as an archive",
        expected="a folder; 'info', 'verify --quick' and open_store take archives, too",
        remedy="Pass the folder of the store"
        + ("." if unpacked.exists() else f", or unpack the archive: {command}"),
    )


def why_no_file_at(path: Path) -> str | None:
    """Return why no file can be written at a path, or replaced there; None where one can."""
    if path.is_dir():
        return "a folder"
    if not path.parent.is_dir():
        return f"no folder {path.parent}"
    if enclosing_group(path.resolve()) is not None:
        return "a file inside the store"
    return None if os.access(path.parent, os.W_OK) else "a folder that cannot be written to"


def what_lies_at(path: Path) -> str:
    """Return in words what lies at a path, where it is no store."""
    if path.is_dir():
        inside = sorted(entry.name for entry in path.iterdir())
        return f"a folder that holds {comma_list(inside, 5)}" if inside else "an empty folder"
    return "a file" if path.exists() else "nothing there"


def stores_beside_text(path: Path) -> str:
    """Return a sentence that names the stores beside a path; empty where there is none."""
    nearby = _stores_beside(path)
    return f" Beside it there is {comma_list(nearby, 5)}." if nearby else ""


def _stores_beside(path: Path) -> list[str]:
    return sorted(entry.name for entry in path.parent.glob("*.zarr"))
