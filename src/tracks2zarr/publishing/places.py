"""Tells whether a store can be published to a place on this machine, before anything is read."""

from __future__ import annotations

import os
from pathlib import Path

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.publishing.problems import no_folder_place, no_place
from tracks2zarr.store.existing import enclosing_group
from tracks2zarr.store.store import Store


def check_file(target: Path) -> None:
    """Check that an archive can lie at a path.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    found = "a folder" if target.is_dir() else _around(target, "a file inside the store")
    if found is not None:
        raise Tracks2ZarrError(no_place(str(target), found))


def check_folder(store: Store, path: Path) -> None:
    """Check that a store can be published to a folder, which only itself may be missing.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    target = Path(os.path.realpath(path))
    found: str | None
    if target == store.path:
        found = "the store itself"
    elif target.exists() and not target.is_dir():
        found = "a file"
    else:
        found = _around(target, "a folder inside a store")
    if found is not None:
        raise Tracks2ZarrError(no_folder_place(str(target), found))


def _around(target: Path, inside: str) -> str | None:
    if not target.parent.is_dir():
        return f"no folder {target.parent}"
    return None if enclosing_group(target) is None else inside
