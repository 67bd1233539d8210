"""Holds on to the folder of a store, so that a run notices when it is moved or removed."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracks2zarr.common.problems import Problem, StateError

#: The device and the inode of a folder.
type FolderId = tuple[int, int]


class StoreMovedError(StateError):
    """The folder of the store is not the one that the run began with; the run ends."""


@contextmanager
def held_folder(path: Path) -> Iterator[FolderId]:
    """Keep a folder open while a block runs, and yield what identifies it.

    No other folder can get the same inode while it is open, even if it is removed.

    Raises
    ------
    StoreMovedError
        If it is not there.
    """
    try:
        handle = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    except (FileNotFoundError, NotADirectoryError):
        raise _moved(path) from None
    try:
        found = os.fstat(handle)
        yield found.st_dev, found.st_ino
    finally:
        os.close(handle)


def is_at(path: Path, folder: FolderId) -> bool:
    """Tell whether a path leads to a certain folder."""
    try:
        found = path.stat()
    except (FileNotFoundError, NotADirectoryError):
        return False
    return (found.st_dev, found.st_ino) == folder


def check_is_at(path: Path, folder: FolderId) -> None:
    """Check that a path leads to the folder that a run began with.

    Raises
    ------
    StoreMovedError
        If it does not.
    """
    if not is_at(path, folder):
        raise _moved(path)


def _moved(path: Path) -> StoreMovedError:
    return StoreMovedError(
        Problem(
            kind="store-moved",
            what="The store was moved or removed during the run, which ends here.",
            file=str(path),
            found="another folder" if path.exists() else "nothing there",
            expected="the store that the run began with",
            remedy="Run the same command again, with --store-mode a, where the store is now:"
            " what is finished is kept.",
        )
    )
