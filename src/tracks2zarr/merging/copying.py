"""Copies groups and logs from one store to another; nothing is overwritten."""

from __future__ import annotations

import errno
import filecmp
import os
import shutil
from collections.abc import Iterator, Sequence
from itertools import count
from pathlib import Path

from tracks2zarr.common.durable import make_durable
from tracks2zarr.common.files import make_folder, remove_if_empty, remove_tree
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
            shutil.copyfile(path, copy)
            shutil.copystat(path, copy)


def _linked(path: Path, copy: Path) -> bool:
    """Try to share a file; tell whether that can be done here."""
    try:
        os.link(path, copy)
    except OSError:
        return False  # another disk, one without hard links, or a file of somebody else
    return True


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
    folders = [
        folder
        for folder in (source.logs, source.failed_logs)
        if folder.is_dir() and not folder.is_symlink()
    ]
    logs = [path for folder in folders for path in _files(folder)]
    parts = _copied(logs, target.path / OWN_FOLDER / "logs.new")
    for path, part in zip(logs, parts, strict=True):
        _place_log(part, target.path / path.relative_to(source.path), target)
    if move and logs:
        make_durable(*(target.path / folder.name for folder in folders))
        for path in logs:
            path.unlink()
    if move:
        for folder in folders:
            _remove_empty_folders(folder)
    remove_tree(target.path / OWN_FOLDER / "logs.new")
    return len(logs)


def _copied(logs: Sequence[Path], folder: Path) -> list[Path]:
    """Copy logs into a folder, from which they are given their names once they are on the disk."""
    remove_tree(folder)
    folder.mkdir()
    parts = [folder / str(number) for number in range(len(logs))]
    for path, part in zip(logs, parts, strict=True):
        shutil.copy2(path, part, follow_symlinks=False)
    if logs:
        make_durable(folder)
    return parts


def _place_log(part: Path, wanted: Path, target: Store) -> None:
    """Give a log the first name that is free, unless an equal one has one of them."""
    make_folder(wanted.parent, within=target.path)
    for number in count():
        name = wanted.name if number == 0 else f"{wanted.stem}.{number}{wanted.suffix}"
        place = wanted.with_name(name)
        if not os.path.lexists(place) and _placed(part, place):
            return
        if _are_equal(part, place):
            return


def _placed(part: Path, place: Path) -> bool:
    """Give a file its name, unless another file has taken it meanwhile."""
    try:
        os.link(part, place, follow_symlinks=False)
    except FileExistsError:
        return False
    except OSError:  # a disk without hard links
        part.rename(place)
    return True


def _are_equal(path: Path, other: Path) -> bool:
    if path.is_symlink() or other.is_symlink():
        both = path.is_symlink() and other.is_symlink()
        return both and path.readlink() == other.readlink()
    return other.is_file() and filecmp.cmp(path, other, shallow=False)


def _remove_empty_folders(folder: Path) -> None:
    for parent, _, _ in os.walk(folder, topdown=False):
        remove_if_empty(Path(parent))
