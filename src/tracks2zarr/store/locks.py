"""The locks of a store; `docs/explanation/data-flow.md` lists who holds them."""

from __future__ import annotations

from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.locks import is_locked, locked
from tracks2zarr.store.paths import OWN_FOLDER, StorePaths


@dataclass(frozen=True, slots=True)
class StoreLocks(StorePaths):
    """The paths of a store, and its locks."""

    @property
    def lock_folder(self) -> Path:
        """The folder of the files that stand for locks."""
        return self.path / OWN_FOLDER / "locks"

    def _lock_file(self, name: str) -> Path:
        return self.lock_folder / name

    def run_lock(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Return the lock that every run holds; `alone` excludes all other runs."""
        return locked(self._lock_file("store"), shared=not alone, wait=not alone)

    def root_lock(self) -> AbstractContextManager[None]:
        """Return the lock for joining plans and for finalising."""
        return locked(self._lock_file("root"))

    def queue_lock(self) -> AbstractContextManager[None]:
        """Return the lock for submitting, and for what is done when tasks have ended."""
        return locked(self._lock_file("queue"))

    def video_lock(self, video: str) -> AbstractContextManager[None]:
        """Return the lock of a video; it is not waited for."""
        return locked(self._lock_file(f"videos/{video}"), wait=False)

    def time_ns(self, video: str) -> int:
        """Return the time by the clock of the store's disk, in nanoseconds.

        It may be another machine's. The file of the video's lock takes that time.
        """
        file = self._lock_file(f"videos/{video}")
        file.touch()
        return file.stat().st_mtime_ns

    def is_running(self, video: str) -> bool:
        """Tell whether a living process converts the video."""
        return is_locked(self._lock_file(f"videos/{video}"))

    def opening_lock(self) -> AbstractContextManager[None]:
        """Return the lock, outside the store, for making and replacing the store itself."""
        return locked(self.temp / ".lock")
