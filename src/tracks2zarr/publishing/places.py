"""Tells whether a store can be published to a place on this machine, before anything is read."""

from __future__ import annotations

import os
from pathlib import Path

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.publishing.problems import no_folder_place, no_place
from tracks2zarr.store.existing import enclosing_group, why_no_file_at
from tracks2zarr.store.store import Store


def check_file(target: Path) -> None:
    """Check that an archive can lie at a path.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    if (found := why_no_file_at(target)) is not None:
        raise Tracks2ZarrError(no_place(str(target), found))


def check_folder(store: Store, path: Path) -> None:
    """Check that a store can be published to a folder, which only itself may be missing.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    target = Path(os.path.realpath(path))
    if target == store.path:
        found = "the store itself"
    elif target.exists() and not target.is_dir():
        found = "a file"
    elif not target.parent.is_dir():
        found = f"no folder {target.parent}"
    elif enclosing_group(target) is not None:
        found = "a folder inside a store"
    else:
        return
    raise Tracks2ZarrError(no_folder_place(str(target), found))
