"""Opens a tracks file such that a change is noticed, while it is read and later."""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from io import BufferedReader
from pathlib import Path
from typing import Self

from tracks2zarr.common.files import open_file
from tracks2zarr.common.problems import Problem, Tracks2ZarrError

#: File systems count time in steps; the coarsest in use (FAT) has steps of 2 s.
_TIME_STEP_NS = 2 * 10**9


@dataclass(frozen=True, slots=True, kw_only=True)
class FileStamp:
    """What the file system knows of a file's content; times are in nanoseconds.

    Whoever writes to a file changes `ctime_ns`; unlike `mtime_ns`, no program can set it back.
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


@dataclass(frozen=True, slots=True)
class SourceFile:
    """A tracks file open for reading, with its stamp when it was opened."""

    path: Path
    file: BufferedReader
    stamp: FileStamp

    def check_end(self) -> None:
        """Check that as many bytes were read as the file has.

        Raises
        ------
        Tracks2ZarrError
            If there were more, or less.
        """
        n_read = self.file.raw.tell()
        if n_read != self.stamp.size:
            raise Tracks2ZarrError(
                changed_while_read(
                    self.path, f"{n_read} bytes read, of a file of {self.stamp.size}"
                )
            )


@contextmanager
def open_source(path: Path) -> Iterator[SourceFile]:
    """Open a tracks file, and check at the end of the block that nobody has changed it.

    Raises
    ------
    Tracks2ZarrError
        If it was changed or replaced meanwhile.
    OSError
        If it cannot be opened, or is no regular file.
    """
    with open_file(path) as file:
        before = FileStamp.of(os.fstat(file.fileno()))
        yield SourceFile(path, file, before)
    try:
        after = FileStamp.of(path.stat())  # of the path: the file may have been replaced
    except FileNotFoundError:
        raise Tracks2ZarrError(changed_while_read(path, "no such file any more")) from None
    if after != before:
        found = f"{after.size} bytes after, {before.size} bytes before"
        raise Tracks2ZarrError(changed_while_read(path, found))


def changed_while_read(path: Path, found: str) -> Problem:
    """Return the problem of a tracks file that changed while it was read."""
    return Problem(
        kind="source-changed",
        what="A tracks file changed while it was read.",
        file=str(path),
        found=found,
        expected="a file that nobody writes to",
        remedy="Wait until it is complete, then run the same command again.",
    )
