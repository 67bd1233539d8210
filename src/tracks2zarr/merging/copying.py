"""Copies groups and logs from one store to another; nothing is overwritten."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Iterator
from itertools import count
from pathlib import Path

from tracks2zarr.common.files import make_folder, remove_if_empty
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.store import Store


def copy_folder(source: Path, target: Path, *, link: bool) -> None:
    """Copy a folder with all its files.

    Parameters
    ----------
    source
        The folder; the content of files that are links is copied.
    target
        The copy; it must not exist.
    link
        Whether both may share their files, for a source that is removed afterwards. It costs
        neither time nor room, where both are on one disk that knows hard links.

    Raises
    ------
    OSError
        If a file cannot be read or written, or there is a link to a folder.
    """
    link = link and not source.is_symlink()
    target.mkdir()
    for path in _files(source):
        copy = target / path.relative_to(source)
        copy.parent.mkdir(parents=True, exist_ok=True)
        link = _linked(path, copy) if link and not path.is_symlink() else link
        if not copy.exists():
            _copy_file(path, copy)


def _linked(path: Path, copy: Path) -> bool:
    """Try to share a file; tell whether that can be done here."""
    try:
        os.link(path, copy)
    except OSError:
        return False  # another disk, one without hard links, or a file of somebody else
    return True


def _copy_file(path: Path, copy: Path) -> None:
    """Copy a file so that it is on the disk before anybody removes the original."""
    shutil.copyfile(path, copy)
    shutil.copystat(path, copy)
    handle = os.open(copy, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _files(folder: Path) -> Iterator[Path]:
    for parent, folders, names in os.walk(folder):
        for name in folders:
            if Path(parent, name).is_symlink():
                raise OSError(errno.EINVAL, "a link to a folder", str(Path(parent, name)))
        yield from (Path(parent, name) for name in sorted(names))


def copy_logs(source: Store, target: Store, *, move: bool) -> int:
    """Copy the logs of a store into another one.

    Where the other one has a log of the same name, both are kept, unless they are equal.

    Parameters
    ----------
    source, target
        The stores; the caller holds the lock of the target's root.
    move
        Whether the source gives its logs away.

    Returns
    -------
    int
        How many logs of the source are in the target now.
    """
    number = 0
    for folder in (source.logs, source.failed_logs):
        if not folder.is_dir() or folder.is_symlink():
            continue
        for path in list(_files(folder)):
            _copy_log(path, target.path / path.relative_to(source.path), target)
            if move:
                path.unlink()
            number += 1
        if move:
            _remove_empty_folders(folder)
    return number


def _copy_log(path: Path, wanted: Path, target: Store) -> None:
    """Copy a log to the first name that is free, unless an equal one has one of them."""
    make_folder(wanted.parent, within=target.path)
    for number in count():
        name = wanted.name if number == 0 else f"{wanted.stem}.{number}{wanted.suffix}"
        place = wanted.with_name(name)
        if not os.path.lexists(place):
            part = target.path / OWN_FOLDER / "log.new"
            part.unlink(missing_ok=True)
            shutil.copy2(path, part, follow_symlinks=False)
            if _placed(part, place):
                return
        if _are_equal(path, place):
            return


def _placed(part: Path, place: Path) -> bool:
    """Give a file its name, unless another file has taken it meanwhile."""
    try:
        os.link(part, place, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        part.rename(place)
    part.unlink(missing_ok=True)
    return True


def _are_equal(path: Path, other: Path) -> bool:
    if path.is_symlink() or other.is_symlink():
        both = path.is_symlink() and other.is_symlink()
        return both and path.readlink() == other.readlink()
    return other.is_file() and filecmp.cmp(path, other, shallow=False)


def _remove_empty_folders(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        remove_if_empty(Path(parent))
