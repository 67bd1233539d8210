"""Locks between processes that the kernel releases when their owner dies (``flock``).

They are not from a library. Of those that are kept, ``filelock`` has no shared locks on open files,
and takes what a killed process left on a file system without ``flock`` for held; ``fasteners`` and
``portalocker`` have nothing for such file systems. None renews a file that a copy made of hard
links shares, or makes a folder again that another process has just removed.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from tracks2zarr.common import lock_files
from tracks2zarr.common.files import ABSENT, make_folder
from tracks2zarr.common.posix import check_can_write, fcntl

#: What file systems answer that have no locks.
_UNSUPPORTED = {errno.ENOSYS, errno.ENOLCK, errno.EOPNOTSUPP, errno.ENOTSUP}


class LockedError(Exception):
    """Another process holds the lock."""


@contextmanager
def locked(
    path: Path, *, shared: bool = False, wait: bool = True, within: Path | None = None
) -> Iterator[None]:
    """Hold a lock while a block runs. The file is made where it is missing, and stays.

    Parameters
    ----------
    path
        The file that stands for the lock.
    shared
        Whether others may hold the lock at the same time, in the same way.
    wait
        Whether to wait for the lock where another process holds it.
    within
        A folder above the file that must be there; those between are made.

    Raises
    ------
    LockedError
        If another process holds the lock and `wait` is false.

    Notes
    -----
    On a file system without ``flock``, files of `tracks2zarr.common.lock_files` stand in for it.
    """
    held = _acquire(path, shared=shared, wait=wait, within=within)
    try:
        yield
    finally:
        if isinstance(held, int):
            os.close(held)
        else:
            lock_files.release(held)


def _acquire(path: Path, *, shared: bool, wait: bool, within: Path | None) -> int | Path:
    """Return the open file that has the lock, or the one that stands in for it."""
    check_can_write()
    operation = (fcntl.LOCK_SH if shared else fcntl.LOCK_EX) | (0 if wait else fcntl.LOCK_NB)
    while True:
        make_folder(path.parent, within=within)
        try:
            handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        except FileNotFoundError:
            continue  # the folder was removed meanwhile
        try:
            has_locks = _is_renewed(path, handle) or _flock(handle, operation)
            if has_locks and _is_still(path, handle):
                return handle
        except BlockingIOError:
            os.close(handle)
            raise LockedError(str(path)) from None
        except BaseException:
            os.close(handle)
            raise
        os.close(handle)
        if not has_locks:
            return _lock_file(path, shared=shared, wait=wait)


def _is_renewed(path: Path, handle: int) -> bool:
    """Put a new file in the place of one that hard links share, and tell whether that was done.

    A copy of a folder made of hard links would otherwise share its locks with the original. While
    another process holds the lock, the file stays: that process may be at work in this folder.
    """
    if os.fstat(handle).st_nlink < 2:
        return False
    try:
        _flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    if _is_still(path, handle):
        renewed = path.with_name(f".{path.name}.new")
        renewed.unlink(missing_ok=True)
        renewed.touch(0o666)
        renewed.replace(path)
    return True


def _lock_file(path: Path, *, shared: bool, wait: bool) -> Path:
    file = lock_files.acquire(path, shared=shared, wait=wait)
    if file is None:
        raise LockedError(str(path))
    return file


def _flock(handle: int, operation: int) -> bool:
    """Lock an open file; tell whether its file system has locks."""
    try:
        fcntl.flock(handle, operation)
    except BlockingIOError:
        raise
    except OSError as error:
        if error.errno not in _UNSUPPORTED:
            raise
        return False
    return True


def _is_still(path: Path, handle: int) -> bool:
    """Tell whether the open file is the one at `path`; it may have been replaced meanwhile."""
    try:
        return os.path.samestat(os.stat(path), os.fstat(handle))  # noqa: PTH116
    except FileNotFoundError:
        return False


def is_locked(path: Path) -> bool:
    """Tell whether a living process holds the lock alone; nothing is written.

    Without ``flock`` nobody can tell, and no process of this machine holds it.

    Raises
    ------
    OSError
        If its file cannot be opened, although it is there: nobody knows.
    """
    if fcntl is None:
        return False  # type: ignore[unreachable]
    try:
        handle = os.open(path, os.O_RDONLY)
    except ABSENT:
        return False
    try:
        return not _flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB) and lock_files.is_held_alone(path)
    except BlockingIOError:
        return True
    finally:
        os.close(handle)


def has_flock(path: Path) -> bool:
    """Tell whether the file system of a lock that this process holds, shared, has ``flock``."""
    handle = os.open(path, os.O_RDONLY)
    try:
        return _flock(handle, fcntl.LOCK_SH | fcntl.LOCK_NB)
    finally:
        os.close(handle)
