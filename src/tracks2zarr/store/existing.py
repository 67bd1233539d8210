"""Finding the store at a path, and telling it from a part of one."""

from __future__ import annotations

import os
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, did_you_mean
from tracks2zarr.store.paths import OURS
from tracks2zarr.store.store import Store, is_group, node_type


def enclosing_group(path: Path) -> Path | None:
    """Return the Zarr group, such as a store, in whose folder a path lies; None for none."""
    return next((above for above in path.parents if is_group(above / "zarr.json")), None)


def inside_problem(store: Store) -> Problem | None:
    """Return the problem of a path within a store, or to the group of a video; None for none."""
    outer = enclosing_group(store.path)
    is_ours = (store.path / OURS).is_dir()  # then it is a store: its groups need no look
    nodes = [] if is_ours or store.groups() else sorted(store.path.glob("*/zarr.json"))
    arrays = [node.parent.name for node in nodes if node_type(node) == "array"]
    if outer is None and not arrays:
        return None
    found, remedy = f"a folder within {outer}", f"Pass the store: {outer or store.path.parent}"
    if arrays:
        found = f"the arrays {comma_list(arrays, 4)}"
    elif is_ours:
        found, remedy = f"a store within {outer}", "Move it out."
    return Problem(
        kind="inside-store",
        what="This is a part of a store, such as the group of a video, and not a store.",
        file=str(store.path),
        found=found,
        expected="a store, which holds one group a video, outside all others",
        remedy=remedy,
    )


def existing_store(path: str | os.PathLike[str]) -> Store:
    """Return the store at a path.

    Raises
    ------
    Tracks2ZarrError
        If there is none, or it is a part of one only.
    """
    store = Store.at(path)
    if store.exists():
        if problem := inside_problem(store):
            raise Tracks2ZarrError(problem)
        return store
    given = Path(path).absolute()
    found = "nothing there"
    if given.is_dir():
        inside = sorted(entry.name for entry in given.iterdir())
        found = f"a folder that holds {comma_list(inside, 5)}" if inside else "an empty folder"
    elif given.exists():
        found = "a file"
    nearby = sorted(entry.name for entry in given.parent.glob("*.zarr"))
    raise Tracks2ZarrError(
        Problem(
            kind="no-store",
            what="There is no Zarr store.",
            file=str(given),
            found=found,
            expected="a store that 'tracks2zarr create' made",
            remedy=did_you_mean(given.name, nearby)
            or "Check the path."
            + (f" Beside it there is {comma_list(nearby, 5)}." if nearby else ""),
        )
    )
