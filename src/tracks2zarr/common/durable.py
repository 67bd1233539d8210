"""Waits until files and folders are on the disk, so that a power cut does not lose them."""

from __future__ import annotations

import ctypes
import errno
import functools
import os
import platform
import re
from collections.abc import Callable
from pathlib import Path

from tracks2zarr.common.posix import fcntl

#: Before this Linux, ``syncfs`` said nothing of data that could not be written.
_LINUX_WITH_ERRORS = (5, 8)
#: What file systems answer that cannot sync a folder; some network file systems have no need to.
_UNSUPPORTED = {errno.EINVAL, errno.ENOTSUP, errno.EOPNOTSUPP, errno.ENOSYS}


def make_durable(*paths: Path) -> None:
    """Wait until files, and folders with all below them, are on the disk under their names.

    Parameters
    ----------
    paths
        They are on one file system; the first must be there, the others, and their folders, need
        not.

    Raises
    ------
    OSError
        If they cannot be written, as where the disk is full or broken.
    """
    syncfs = _syncfs()
    if syncfs is not None:
        _with_open(paths[0], syncfs)
        return
    for path in paths:
        if path.is_dir():
            sync_tree(path)
        elif path.exists():
            sync(path)
        if path.parent.is_dir():
            sync(path.parent)


def sync_tree(folder: Path) -> None:
    """Wait until a folder is on the disk with all below it, file by file."""
    for parent, _, names in os.walk(folder, onerror=_raise):
        for name in names:
            if not Path(parent, name).is_symlink():
                sync(Path(parent, name))
        sync(Path(parent))


def sync(path: Path) -> None:
    """Wait until a file, or the names in a folder, are on the disk."""
    _with_open(path, sync_file)


def _with_open(path: Path, action: Callable[[int], None]) -> None:
    handle = os.open(path, os.O_RDONLY)
    try:
        action(handle)
    except OSError as error:
        raise OSError(error.errno, error.strerror, str(path)) from None
    finally:
        os.close(handle)


def sync_file(handle: int) -> None:
    """Wait until an open file, or a folder, is on the disk.

    On macOS, ``fsync`` leaves the data in the memory of the disk, so ``F_FULLFSYNC`` is asked for.
    """
    full_sync = getattr(fcntl, "F_FULLFSYNC", None)
    try:
        if full_sync is None:
            os.fsync(handle)
            return
        try:
            fcntl.fcntl(handle, full_sync)
        except OSError:  # not every file system has it
            os.fsync(handle)
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise


@functools.cache
def _syncfs() -> Callable[[int], None] | None:
    """Return what syncs a file system at once; None where there is nothing that can be trusted.

    A group of one small clip is some fifty files and folders. To sync them one by one takes many
    times as long as to sync the file system once.
    """
    release = re.match(r"(\d+)\.(\d+)", platform.release())
    if platform.system() != "Linux" or release is None:
        return None
    if (int(release[1]), int(release[2])) < _LINUX_WITH_ERRORS:
        return None
    function = getattr(ctypes.CDLL(None, use_errno=True), "syncfs", None)
    if function is None:
        return None

    def syncfs(handle: int) -> None:
        if function(handle) != 0:
            number = ctypes.get_errno()
            raise OSError(number, os.strerror(number))

    return syncfs


def _raise(error: OSError) -> None:
    raise error
