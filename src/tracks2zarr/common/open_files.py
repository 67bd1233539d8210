"""The number of files that this process may have open."""

from __future__ import annotations

import sys

from tracks2zarr.common.posix import resource


def raise_open_files_limit() -> None:
    """Let this process, and those that it starts, open as many files as the system permits."""
    if resource is None:
        return  # type: ignore[unreachable]
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == hard:
        return
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError):
        return  # some systems permit less than they say


def open_files_limit() -> int:
    """Return how many files this process may have open; many where the system does not tell."""
    if resource is None:
        return sys.maxsize  # type: ignore[unreachable]
    return resource.getrlimit(resource.RLIMIT_NOFILE)[0]
