"""Files written atomically, and digests of folders."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
import stat
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path, PurePosixPath
from typing import Any

import orjson

from tracks2zarr.common.durable import sync as sync_to_disk
from tracks2zarr.common.durable import sync_file

#: What is raised where there is no such file; all other errors mean that nobody knows.
ABSENT = (FileNotFoundError, NotADirectoryError, IsADirectoryError)
#: Windows has no such flag, and no pipes or devices in folders.
_NONBLOCK: int = getattr(os, "O_NONBLOCK", 0)
#: How often a folder is made that others remove at the same moment.
_TRIES = 100


def write_atomically(
    path: Path, content: bytes, *, sync: bool = True, temporary: Path | None = None
) -> None:
    """Write a file so that at every moment it is the old one, or the new one in full.

    One process at a time may write a file; what a killed one left is overwritten.

    Parameters
    ----------
    path
        The file, in a folder that is there.
    content
        Its new content.
    sync
        Whether the content must be on the disk before the file takes its name, and the names of
        the file and of its folder, which may be new, before this returns.
    temporary
        Where the content is written first, on the same disk; beside the file by default.
    """
    temporary = temporary or path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        if sync:
            sync_file(file.fileno())
    temporary.replace(path)
    if sync:
        sync_to_disk(path.parent)
        sync_to_disk(path.parent.parent)


def open_file(path: Path) -> BufferedReader:
    """Open a file for reading, unless it is a pipe or a device, which would be waited for.

    Raises
    ------
    OSError
        If it cannot be opened, or is no regular file.
    """
    return BufferedReader(open_unbuffered(path))


def open_unbuffered(path: Path) -> FileIO:
    """Open a file as `open_file` does, without a buffer."""
    return FileIO(os.fspath(path), opener=_open_regular)


def _open_regular(path: str, flags: int) -> int:
    try:
        handle = os.open(path, flags | _NONBLOCK)
    except OSError as error:
        if error.errno != errno.ENXIO:  # as for a socket
            raise
        raise _irregular(path, os.stat(path).st_mode) from None  # noqa: PTH116
    mode = os.fstat(handle).st_mode
    if stat.S_ISREG(mode) or stat.S_ISDIR(mode):  # the caller refuses folders
        return handle
    os.close(handle)
    raise _irregular(path, mode)


def _irregular(path: str, mode: int) -> OSError:
    name = "a socket" if stat.S_ISSOCK(mode) else "a pipe or a device"
    return OSError(errno.EINVAL, f"{name}, not a regular file", path)


def read_file(path: Path) -> bytes:
    """Return the content of a file, as `open_file` opens it."""
    with open_file(path) as file:
        return file.read()


def read_json(content: str | bytes) -> Any:
    """Return what a JSON text says, quickly.

    What the quick reader refuses, such as names that are not text, goes to the slow one.

    Raises
    ------
    ValueError
        If it is no JSON.
    """
    try:
        return orjson.loads(content)
    except orjson.JSONDecodeError:
        try:
            return json.loads(content)
        except RecursionError:
            raise ValueError("too deep") from None


def is_same_file(path: Path, other: Path) -> bool:
    """Tell whether two paths lead to one file that is there."""
    try:
        return path.samefile(other)
    except OSError:
        return False


def is_file(path: Path) -> bool:
    """Tell whether there is a file; links are followed.

    Raises
    ------
    OSError
        If that cannot be found out; `pathlib.Path.is_file` may take it for absent then.
    """
    try:
        return stat.S_ISREG(path.stat().st_mode)
    except ABSENT:
        return False


def make_folder(path: Path, *, within: Path | None = None) -> None:
    """Make a folder, and those above it, where it is missing.

    Others may remove it at the same moment, as it is empty: `pathlib.Path.mkdir` fails then, also
    where it is told that the folder may be there.

    Parameters
    ----------
    path
        The folder.
    within
        A folder above it that must be there: it is not made.

    Raises
    ------
    OSError
        If it cannot be made: something else has its name, or the disk does not let us.
    """
    for _ in range(_TRIES):
        try:
            _make_folder(path, within)
            return
        except (FileExistsError, FileNotFoundError) as error:
            last = error
    raise last


def _make_folder(path: Path, within: Path | None) -> None:
    if within is None:
        path.mkdir(parents=True, exist_ok=True)
        return
    for folder in reversed([path, *path.parents]):
        if folder.is_relative_to(within) and folder != within:
            folder.mkdir(exist_ok=True)


def move_folder(source: Path, target: Path) -> None:
    """Rename a folder, also one that its owner may not write to."""
    try:
        source.rename(target)
    except PermissionError:
        source.chmod(stat.S_IRWXU)
        source.rename(target)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, where it is there, also what its owner may not write to."""
    try:
        shutil.rmtree(path)
    except PermissionError:
        _let_owner_write(path)
        shutil.rmtree(path)
    except FileNotFoundError:
        return


def _let_owner_write(folder: Path) -> None:
    folder.chmod(stat.S_IRWXU)
    for entry in list(folder.iterdir()):
        if entry.is_dir() and not entry.is_symlink():
            _let_owner_write(entry)


def remove_emptied(folder: Path, paths: Iterable[str]) -> None:
    """Remove the folders that are empty after files in them were removed.

    Parameters
    ----------
    folder
        What they lie in; it is kept.
    paths
        The files, relative to it.
    """
    parents = {parent for path in paths for parent in PurePosixPath(path).parents[:-1]}
    for parent in sorted(parents, key=lambda one: len(one.parts), reverse=True):
        remove_if_empty(folder / parent)


def remove_if_empty(path: Path) -> None:
    """Remove a folder where it is there and empty."""
    try:
        path.rmdir()
    except OSError:
        return


@dataclass(frozen=True, slots=True)
class FolderContent:
    """The contents of a folder: a digest of names and bytes, number of files, size in bytes."""

    digest: str
    files: int
    size: int


def read_content(
    folder: Path, *, names: Iterable[str] | None = None, instead: Mapping[str, bytes] | None = None
) -> FolderContent:
    """Read all files of a folder and return its content.

    Equal folders have equal digests: it is the SHA-256 of one line per file, sorted by path,
    with the file's own SHA-256 and its path.

    Parameters
    ----------
    folder
        The folder.
    names
        The files that count, as `file_names` gives them; by default all.
    instead
        What counts as the content of some files, whatever they hold.
    """
    digests: dict[str, str] = {}
    size = 0
    for name in _names(folder) if names is None else names:
        if instead is not None and name in instead:
            digests[name] = hashlib.sha256(instead[name]).hexdigest()
            size += len(instead[name])
        else:
            with open_file(Path(folder, name)) as file:
                digests[name] = hashlib.file_digest(file, "sha256").hexdigest()
                size += file.tell()
    return FolderContent(content_digest(digests), len(digests), size)


def content_digest(digests: Mapping[str, str]) -> str:
    """Return the digest of a folder's content, as `read_content` does, from its files' SHA-256.

    Parameters
    ----------
    digests
        By the path of each file in the folder.
    """
    whole = hashlib.sha256()
    for name in sorted(digests):
        # names that are no text are digested, too; none of ours is like that
        whole.update(f"{digests[name]} {name}\n".encode(errors="surrogateescape"))
    return f"sha256:{whole.hexdigest()}"


def count_files(folder: Path) -> tuple[int, int]:
    """Return the number of files in a folder and their size in bytes, without reading them.

    A link to a file counts as that file, as it does where files are read.

    Raises
    ------
    FileNotFoundError
        If a link leads nowhere, or the folder is not there.
    """
    files = size = 0
    folders: list[str | Path] = [folder]
    while folders:  # not by `_entries`: a store has hundreds of thousands of files
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    files, size = files + 1, size + entry.stat().st_size
    return files, size


def holds_files_alone(folder: Path) -> bool:
    """Tell whether all below a folder are regular files, which no reader has to wait for."""
    return all(entry.is_file() or not _is_there(entry) for entry in _entries(folder))


def _is_there(entry: os.DirEntry[str]) -> bool:
    """Tell whether an entry is no link to nothing."""
    return not entry.is_symlink() or os.path.exists(entry.path)  # noqa: PTH110


def file_names(folder: Path) -> list[str]:
    """Return the path of each file below a folder, from the folder on, with slashes; sorted."""
    return sorted(_names(folder))


def file_sizes(folder: Path) -> dict[str, int]:
    """Return the size of each file below a folder in bytes, by the path from the folder on."""
    start = len(os.path.join(folder, ""))  # noqa: PTH118 - as for `_names`
    files = {one.path[start:].replace(os.sep, "/"): one for one in _entries(folder)}
    return {name: files[name].stat().st_size for name in sorted(files)}


def folder_stamp(folder: Path) -> str:
    """Return a digest of where a folder's files lie, their sizes and times; no file is read.

    An equal stamp later means that nobody has changed the folder. It is empty where the folder
    is not there, or a link in it leads nowhere.
    """
    found = []
    try:
        for entry in _entries(folder):
            file = entry.stat()
            where = file.st_ino, file.st_size, file.st_mtime_ns, file.st_ctime_ns
            found.append(f"{os.fsencode(entry.path)!r} {where}")
    except ABSENT:
        return ""
    return hashlib.sha256("\n".join(sorted(found)).encode()).hexdigest()


def _names(folder: Path) -> Iterator[str]:
    """Yield the path of each file below a folder, from the folder on, with slashes."""
    start = len(os.path.join(folder, ""))  # noqa: PTH118 - a store has tens of thousands of files
    for entry in _entries(folder):
        yield entry.path[start:].replace(os.sep, "/")


def _entries(folder: str | Path) -> Iterator[os.DirEntry[str]]:
    """Yield the files below a folder; links to folders are not followed."""
    folders: list[str | Path] = [folder]
    while folders:
        with os.scandir(folders.pop()) as entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    yield entry
