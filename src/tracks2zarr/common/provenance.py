"""Times, memory and versions for receipts and task records."""

from __future__ import annotations

import functools
import getpass
import platform
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime
from importlib.metadata import version

from tracks2zarr.common.posix import resource

__version__ = version("tracks2zarr")


def now() -> str:
    """Return the time in UTC, ISO 8601."""
    return datetime.now(UTC).isoformat(timespec="microseconds")


def login_name() -> str | None:
    """Return the name of the user, or None for a user without a name."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return None


@dataclass(slots=True)
class Clock:
    """When the work began, and how long each step took."""

    started: str = field(default_factory=now)
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Measure the step that a block is."""
        start = time.perf_counter()
        yield
        self.seconds[name] = round(time.perf_counter() - start, 3)


def peak_memory() -> int:
    """Return the highest resident memory of this process so far, in bytes; 0 if unknown."""
    if resource is None:
        return 0  # type: ignore[unreachable]
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return peak if sys.platform == "darwin" else peak * 1024


@functools.cache
def versions() -> dict[str, str]:
    """Return the versions of this tool and of what decides its numbers and bytes."""
    named = ("tracks2zarr", "zarr", "numcodecs", "zstandard", "numpy", "polars")
    return {"python": platform.python_version()} | {name: version(name) for name in named}
