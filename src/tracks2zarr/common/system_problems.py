"""Problems made from errors of the operating system or of a library."""

from __future__ import annotations

import errno
import os
from pathlib import Path

from tracks2zarr.common.error_kinds import FOUND_WORDS
from tracks2zarr.common.open_files import open_files_limit, raise_open_files_limit
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line

#: What the system answers where there is no room.
FULL = {errno.ENOSPC, errno.EDQUOT}
#: A run needs some twenty open files, and each worker process a few.
_FEW_FILES = 64


def os_problem(error: OSError, file: Path | None = None) -> Problem:
    """Return what the system answered as a problem.

    Parameters
    ----------
    error
        What was raised.
    file
        What was written to, where the error does not say.
    """
    if error.errno in {errno.EMFILE, errno.ENFILE}:
        return _too_many_open_files()
    full = error.errno in FULL
    # of a copy, the second name is what was written to
    place = (full and error.filename2) or error.filename or file
    return Problem(
        kind="disk-full" if full else "disk",
        what="The disk is full." if full else "A file could not be read or written.",
        file=None if place is None else str(place),
        found=error.strerror or str(error),
        expected="room for the dataset" if full else None,
        remedy="Make room, then run the same command again: what is finished is kept."
        if full
        else "Check the file and its permissions, then run the same command again.",
    )


def _too_many_open_files() -> Problem:
    return Problem(
        kind="too-many-open-files",
        what="Too many files are open.",
        found=f"a limit of {open_files_limit()} open files for each process",
        expected=f"a limit of {_FEW_FILES} open files or more",
        remedy="Raise it with 'ulimit -n', or ask who runs the machine; then run it again.",
    )


def ensure_open_files_limit() -> None:
    """Raise the limit of open files as far as that is permitted, and check that it suffices.

    Where it does not, libraries give up noisily. Only what reads and writes many files calls this:
    SLURM hands the limits of whoever submits a job on to the job, whose node may permit less.

    Raises
    ------
    Tracks2ZarrError
        If it may open few only.
    """
    raise_open_files_limit()
    if open_files_limit() < _FEW_FILES:
        raise Tracks2ZarrError(_too_many_open_files())


def is_panic(error: BaseException) -> bool:
    """Tell whether an error is that of a library in Rust, such as polars, which has given up."""
    return type(error).__name__ == "PanicException"


def found_instead(error: OSError) -> str:
    """Return what was found where a file could not be read, in the words of all messages.

    >>> found_instead(FileNotFoundError()), found_instead(IsADirectoryError())
    ('nothing there', 'a folder')
    """
    return FOUND_WORDS.get(type(error)) or error.strerror or str(error)


def workers_problem() -> Problem:
    """Return the problem of worker processes that end before they begin."""
    return Problem(
        kind="workers",
        what="The worker processes ended before they began.",
        found="workers that ended at once",
        expected="processes that can be started",
        remedy="In a script, put the call below 'if __name__ == \"__main__\":'; or use 1 worker.",
    )


def unexpected_problem(error: BaseException) -> Problem:
    """Return an error that nobody foresaw as a problem, or what the system answered."""
    if isinstance(error, Tracks2ZarrError):
        return error.problems[0]
    if isinstance(error, OSError):
        return os_problem(error)
    if is_panic(error) and os.strerror(errno.EMFILE) in str(error):
        return _too_many_open_files()
    return Problem(
        kind="unexpected",
        what="An unexpected error occurred.",
        found=one_line(f"{type(error).__name__}: {error}"),
        expected="no such error",
        remedy="Please report it. --debug shows the traceback, and where a video failed, it is in"
        " .tracks2zarr/failures in the store.",
    )
