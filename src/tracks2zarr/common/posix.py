"""What only POSIX systems have. Elsewhere, as on Windows, stores can be read, but not written."""

from __future__ import annotations

import os

from tracks2zarr.common.problems import Problem, Tracks2ZarrError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

__all__ = ["check_can_write", "fcntl", "is_alive", "resource"]


def check_can_write() -> None:
    """Check that this system has what a store needs to be written safely.

    Raises
    ------
    Tracks2ZarrError
        If it has no ``flock``.
    """
    if fcntl is None:
        raise Tracks2ZarrError(
            Problem(
                kind="needs-posix",
                what="Writing a store needs Linux, macOS or WSL.",
                found="a system without fcntl, such as Windows",
                expected="Linux, macOS, or the Windows Subsystem for Linux (WSL)",
                remedy="Run this command there. What reads a store works here, too.",
            )
        )


def is_alive(pid: int) -> bool:
    """Tell whether a process of this machine may be at work; on other systems, all may."""
    if os.name != "posix":  # there, the signal 0 ends the process
        return True
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:  # it belongs to somebody else
        return True
    return True
