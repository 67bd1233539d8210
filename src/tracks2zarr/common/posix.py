"""What only POSIX systems have. Elsewhere, as on Windows, stores can be read, but not written."""

from __future__ import annotations

from tracks2zarr.common.problems import Problem, Tracks2ZarrError

try:
    import fcntl
except ImportError:
    fcntl = None  # type: ignore[assignment]

try:
    import resource
except ImportError:
    resource = None  # type: ignore[assignment]

__all__ = ["check_can_write", "fcntl", "resource"]


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
