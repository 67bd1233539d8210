"""Opens a tracks file such that a change is noticed, while it is read and later.

A compressed file is expanded as it is read; digest, stamp and size are always those of the file.
"""

from __future__ import annotations

import hashlib
import io
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader, FileIO
from pathlib import Path
from typing import Any, Self

from tracks2zarr.common.files import open_unbuffered
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.tracks.compressed import Expanded, compression_of, expanded_size

#: File systems count time in steps; the coarsest in use (FAT) has steps of 2 s.
_TIME_STEP_NS = 2 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStamp:
    """What the file system knows about a file's content; times are in nanoseconds.

    Writing to a file changes `ctime_ns`; unlike `mtime_ns`, no program can set it back.
    """

    size: int
    mtime_ns: int
    ctime_ns: int
    inode: int

    @classmethod
    def of(cls, found: os.stat_result) -> Self:
        """Return the stamp in what ``stat`` has found."""
        return cls(
            size=found.st_size,
            mtime_ns=found.st_mtime_ns,
            ctime_ns=found.st_ctime_ns,
            inode=found.st_ino,
        )

    def is_older_than(self, time_ns: int) -> bool:
        """Tell whether the file was last changed clearly before a time.

        If not, a change after this time could leave the stamp as it is: clocks advance in steps.
        """
        return max(self.mtime_ns, self.ctime_ns) + _TIME_STEP_NS < time_ns


class FileBytes(io.RawIOBase):
    """The bytes of a file, which are counted and hashed as they are read."""

    def __init__(self, file: FileIO, on_bytes: Callable[[int], None]) -> None:
        self._file = file
        self._on_bytes = on_bytes
        self._hasher = hashlib.sha256()
        self.n_read = 0

    def readable(self) -> bool:
        """Tell that it can be read."""
        return True

    def readinto(self, buffer: Any) -> int:
        """Read into a buffer, and return how many bytes; 0 at the end."""
        count = self._file.readinto(buffer) or 0
        self._hasher.update(memoryview(buffer)[:count])
        self.n_read += count
        self._on_bytes(count)
        return count

    @property
    def digest(self) -> str:
        """The SHA-256 of what was read, as ``sha256:<hex>``."""
        return f"{self._hasher.name}:{self._hasher.hexdigest()}"


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A tracks file open for reading, with its stamp when it was opened.

    Parameters
    ----------
    path
        The file.
    raw
        Its bytes as they are.
    file
        Its content: the same bytes, expanded where the file is compressed.
    stamp
        What the file system says of the file.
    is_compressed
        Whether the content is not as long as the file.
    """

    path: Path
    raw: FileBytes
    file: BufferedReader[Any]
    stamp: FileStamp
    is_compressed: bool

    @property
    def digest(self) -> str:
        """The SHA-256 of the file's bytes, once all were read, as ``sha256:<hex>``."""
        return self.raw.digest

    def check_end(self) -> None:
        """Check that as many bytes were read as the file has.

        Raises
        ------
        Tracks2ZarrError
            If there were more, or less.
        """
        if self.raw.n_read != self.stamp.size:
            found = f"{self.raw.n_read} bytes read, of a file of {self.stamp.size}"
            raise Tracks2ZarrError(changed_while_read(self.path, found))


@contextmanager
def open_source(
    path: Path,
    on_bytes: Callable[[int], None] = lambda _: None,
    *,
    buffer_bytes: int = io.DEFAULT_BUFFER_SIZE,
) -> Iterator[SourceFile]:
    """Open a tracks file, and check at the end of the block that nobody has changed it.

    Parameters
    ----------
    path
        The tracks file.
    on_bytes
        Called with the number of bytes of the file that were read since the last call.
    buffer_bytes
        How much is read at once where less is asked for.

    Raises
    ------
    Tracks2ZarrError
        If it was changed or replaced meanwhile, or is compressed and damaged.
    OSError
        If it cannot be opened, or is no regular file.
    """
    with open_unbuffered(path) as file:
        before = FileStamp.of(os.fstat(file.fileno()))
        raw = FileBytes(file, on_bytes)
        content: BufferedReader[Any] = BufferedReader(raw, buffer_bytes)
        compression = compression_of(content.peek())
        if compression is not None:
            content = BufferedReader(Expanded(path, content, compression), buffer_bytes)
        try:
            yield SourceFile(path, raw, content, before, compression is not None)
        except Tracks2ZarrError:  # of a file that is written just now
            _check_unchanged(path, before)
            raise
    _check_unchanged(path, before)


def _check_unchanged(path: Path, before: FileStamp) -> None:
    try:
        after = FileStamp.of(path.stat())  # of the path: the file may have been replaced
    except FileNotFoundError:
        raise Tracks2ZarrError(changed_while_read(path, "no such file any more")) from None
    if after != before:
        found = f"{after.size} bytes after, {before.size} bytes before"
        raise Tracks2ZarrError(changed_while_read(path, found))


#: What is looked at of a file before any is converted.
START_BYTES = 1 << 16


@dataclass(frozen=True, slots=True)
class FileStart:
    """What a tracks file begins with.

    Parameters
    ----------
    content
        Its first 64 KiB, expanded where the file is compressed.
    is_all
        Whether there is no more.
    content_size
        How large the content is as a whole: of a compressed file, about so large.
    """

    content: bytes
    is_all: bool
    content_size: int


def read_start(path: Path) -> FileStart:
    """Read the start of a tracks file.

    Raises
    ------
    Tracks2ZarrError
        If it is compressed and damaged.
    OSError
        If it cannot be read, or is no regular file.
    """
    with open_unbuffered(path) as file:
        size = os.fstat(file.fileno()).st_size
        packed = BufferedReader(file, START_BYTES)
        compression = compression_of(packed.peek())
        if compression is None:
            start = packed.read(START_BYTES + 1)
        else:
            content = Expanded(path, packed, compression)
            start = BufferedReader(content, START_BYTES).read(START_BYTES + 1)
            sample = content.n_taken, content.n_expanded
            size = expanded_size(packed, size, compression, sample)
    return FileStart(start[:START_BYTES], len(start) <= START_BYTES, size)


def changed_while_read(path: Path, found: str) -> Problem:
    """Return the problem of a tracks file that changed while it was read."""
    return Problem(
        kind="source-changed",
        what="A tracks file changed while it was read.",
        file=str(path),
        found=found,
        expected="a file that does not change while it is read",
        remedy="Wait until it is complete, then run the same command again.",
    )
