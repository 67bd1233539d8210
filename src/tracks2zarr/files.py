"""Files that are written whole or not at all, and digests of folders."""

from __future__ import annotations

import hashlib
import os
import shutil
from dataclasses import dataclass
from pathlib import Path


def write_whole(
    path: Path, content: bytes, *, sync: bool = True, temporary: Path | None = None
) -> None:
    """Write a file so that at every moment it is the old one, or the new one in full.

    One process at a time may write a file; what a killed one left is overwritten.

    Parameters
    ----------
    path
        The file; its folder is made where it is missing.
    content
        Its new content.
    sync
        Whether the content must be on the disk before the file takes its name.
    temporary
        Where the content is written first, on the same disk; beside the file by default.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = temporary or path.with_name(f".{path.name}.new")
    with temporary.open("wb") as file:
        file.write(content)
        file.flush()
        if sync:
            os.fsync(file.fileno())
    temporary.replace(path)


def remove_tree(path: Path) -> None:
    """Remove a folder and all in it, where it is there."""
    try:
        shutil.rmtree(path)
    except FileNotFoundError:
        return


def remove_if_empty(path: Path) -> None:
    """Remove a folder where it is there and empty."""
    try:
        path.rmdir()
    except OSError:
        return


@dataclass(frozen=True, slots=True)
class Content:
    """What a folder holds: a digest over names and bytes, number of files, size in bytes."""

    digest: str
    files: int
    size: int


def content_of(folder: Path) -> Content:
    """Read all files of a folder and return its content.

    Equal folders have equal digests: it is the SHA-256 of a line a file, sorted by path,
    with the file's own SHA-256 and its path.
    """
    whole = hashlib.sha256()
    files = size = 0
    for path in _files(folder):
        with path.open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
            size += file.tell()
        whole.update(f"{digest} {path.relative_to(folder).as_posix()}\n".encode())
        files += 1
    return Content(f"sha256:{whole.hexdigest()}", files, size)


def extent_of(folder: Path) -> tuple[int, int]:
    """Return the number of files in a folder and their size in bytes, without reading them."""
    sizes = [path.lstat().st_size for path in _files(folder)]
    return len(sizes), sum(sizes)


def _files(folder: Path) -> list[Path]:
    found = [Path(parent, name) for parent, _, names in os.walk(folder) for name in names]
    return sorted(found, key=lambda path: path.relative_to(folder).as_posix())
