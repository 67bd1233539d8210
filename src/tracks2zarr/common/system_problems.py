"""Problems made from errors of the operating system or of a library."""

from __future__ import annotations

import errno
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line


def os_problem(error: OSError, file: Path | None = None) -> Problem:
    """Return what the system answered as a problem.

    Parameters
    ----------
    error
        What was raised.
    file
        What was written to, where the error does not say.
    """
    place = file if error.filename is None else error.filename
    full = error.errno in {errno.ENOSPC, errno.EDQUOT}
    return Problem(
        kind="disk-full" if full else "disk",
        what="The disk is full." if full else "A file could not be read or written.",
        file=None if place is None else str(place),
        found=error.strerror or str(error),
        expected="room for the dataset" if full else "a file that can be read or written",
        remedy="Make room, then run the same command again: what is finished is kept."
        if full
        else "Check the file and its permissions, then run the same command again.",
    )


def found_instead(error: OSError) -> str:
    """Return what was found where a file could not be read, in the words of all messages.

    >>> found_instead(FileNotFoundError()), found_instead(IsADirectoryError())
    ('nothing there', 'a folder')
    """
    known = {
        FileNotFoundError: "nothing there",
        IsADirectoryError: "a folder",
        PermissionError: "no permission",
    }
    return known.get(type(error)) or error.strerror or str(error)


def workers_problem() -> Problem:
    """Return the problem of worker processes that end before they begin."""
    return Problem(
        kind="workers",
        what="The worker processes ended before they began.",
        found="no worker that works",
        expected="processes that can be started",
        remedy="In a script, put the call below 'if __name__ == \"__main__\":'; else use 1 worker.",
    )


def unexpected_problem(error: Exception) -> Problem:
    """Return an error that nobody foresaw as a problem."""
    return Problem(
        kind="unexpected",
        what="Something went wrong that tracks2zarr does not know.",
        found=one_line(f"{type(error).__name__}: {error}"),
        expected="no such error",
        remedy="Please report it. --debug shows the traceback, and where a video failed, it is in"
        " .tracks2zarr/failures in the store.",
    )
