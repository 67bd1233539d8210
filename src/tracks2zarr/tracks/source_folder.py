"""The files of a clip: one, or those in its folder where the format has a folder per clip."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable
from pathlib import Path

from tracks2zarr.common.names import composed
from tracks2zarr.tracks.compressed import expanded_name
from tracks2zarr.tracks.source_file import FileStamp, open_source

_HASH_BLOCK = 1 << 20
#: The name of a file with the boxes of a track has this in it.
_OF_TRACK = "_track_"


def files_of(path: Path) -> list[Path]:
    """Return a tracks file itself; of a folder, those of its tracks, in the order of their names.

    These are ``*_track_*.csv``, perhaps compressed; whatever else is in a folder is left alone.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    if not path.is_dir():
        return [path]
    names = filter(_is_of_track, os.listdir(path))  # noqa: PTH208
    return sorted((path / name for name in names), key=lambda file: composed(file.name))


def _is_of_track(name: str) -> bool:
    is_csv = expanded_name(name).lower().endswith(".csv")
    return is_csv and _OF_TRACK in name and not name.startswith(".")


def stamp_of(path: Path) -> FileStamp:
    """Return the stamp of a tracks file, or of a folder: the sum of sizes, and the latest times.

    Raises
    ------
    OSError
        If it is not there.
    """
    found = path.stat()
    if not path.is_dir():
        return FileStamp.of(found)
    stamps = [FileStamp.of(file.stat()) for file in files_of(path)]
    times = [FileStamp.of(found), *stamps]
    return FileStamp(
        size=sum(stamp.size for stamp in stamps),
        mtime_ns=max(stamp.mtime_ns for stamp in times),
        ctime_ns=max(stamp.ctime_ns for stamp in times),
        inode=found.st_ino,
    )


def digest_of(path: Path) -> str:
    """Return the SHA-256 of a tracks file's bytes as ``sha256:<hex>``; of a folder, see below.

    That of a folder is the one of a text, with a line per file: ``<hex>  <name>``, as sha256sum
    writes them, sorted by name.

    Raises
    ------
    Tracks2ZarrError
        If a file changed while it was read.
    OSError
        If a file cannot be read.
    """
    digest, _ = digest_and_stamp(path)
    return digest


def digest_and_stamp(path: Path) -> tuple[str, FileStamp]:
    """Return the digest of a tracks file, or of a folder, and its stamp when it was read.

    The errors are those of `digest_of`.
    """
    if not path.is_dir():
        return _of_file(path)
    stamp = stamp_of(path)
    return digest_of_files((file, _of_file(file)[0]) for file in files_of(path)), stamp


def digest_of_files(files: Iterable[tuple[Path, str]]) -> str:
    """Return the digest of a folder from its files and their digests, in the order of names."""
    lines = [f"{digest.partition(':')[2]}  {composed(file.name)}\n" for file, digest in files]
    return f"sha256:{hashlib.sha256(''.join(lines).encode()).hexdigest()}"


def _of_file(path: Path) -> tuple[str, FileStamp]:
    block = bytearray(_HASH_BLOCK)
    with open_source(path) as source:
        while source.raw.readinto(block):
            pass
        source.check_end()
    return source.digest, source.stamp
