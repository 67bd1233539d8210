"""The locks of a store; `docs/explanation/data-flow.md` lists who holds them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Self

from tracks2zarr.common.locks import has_flock, is_locked, locked
from tracks2zarr.common.mounts import file_system_of
from tracks2zarr.common.problems import Problem
from tracks2zarr.store.held_folder import check_is_at, held_folder, is_at
from tracks2zarr.store.paths import OWN_FOLDER, StorePaths


@dataclass(frozen=True, slots=True)
class StoreLocks(StorePaths):
    """The paths of a store, its locks, and its folder, which a run holds on to."""

    @contextmanager
    def holding(self) -> Iterator[Self]:
        """Hold on to the store's folder while a block runs.

        Yields
        ------
        StoreLocks
            The same store. What it locks and writes, it does in this folder or not at all.

        Raises
        ------
        StoreMovedError
            If the folder is not there, or not the one that is held already.
        """
        self.check_held()
        with held_folder(self.path) as folder:
            yield replace(self, folder=folder)

    def is_held(self) -> bool:
        """Tell whether the store still lies at its path, where a run holds on to it."""
        return self.folder is None or is_at(self.path, self.folder)

    def check_held(self) -> None:
        """Check that the store still lies at its path, where a run holds on to it.

        Raises
        ------
        StoreMovedError
            If it was moved or removed.
        """
        if self.folder is not None:
            check_is_at(self.path, self.folder)

    @property
    def lock_folder(self) -> Path:
        """The folder of the files that stand for locks."""
        return self.path / OWN_FOLDER / "locks"

    def _lock_file(self, name: str) -> Path:
        return self.lock_folder / name

    @contextmanager
    def _locked(self, name: str, *, shared: bool = False, wait: bool = True) -> Iterator[None]:
        self.check_held()
        with locked(self._lock_file(name), shared=shared, wait=wait, within=self.path):
            yield

    def run_lock(self, *, alone: bool = False) -> AbstractContextManager[None]:
        """Return the lock that every run holds; `alone` excludes all other runs."""
        return self._locked("store", shared=not alone, wait=not alone)

    def root_lock(self) -> AbstractContextManager[None]:
        """Return the lock for joining plans and for finalising."""
        return self._locked("root")

    def queue_lock(self) -> AbstractContextManager[None]:
        """Return the lock for submitting, and for what is done when tasks have ended."""
        return self._locked("queue")

    def video_lock(self, video: str) -> AbstractContextManager[None]:
        """Return the lock of a video; it is not waited for."""
        return self._locked(f"videos/{video}", wait=False)

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

    def lock_problem(self) -> Problem | None:
        """Return the warning of a file system without locks; this process holds the run lock."""
        if has_flock(self._lock_file("store")):
            return None
        return Problem(
            kind="no-flock",
            what="The file system of the store has no locks (flock), so files are used instead.",
            file=str(self.path),
            found=file_system_of(self.path),
            expected="a file system with flock, such as Lustre mounted with flock",
            remedy="Nothing on one machine. A video whose task was killed on another machine"
            " stays locked for an hour. Do not write to the store from machines that have flock.",
            severity="warning",
        )

    def opening_lock(self) -> AbstractContextManager[None]:
        """Return the lock, outside the store, for making and replacing the store itself."""
        return locked(self.temp / ".lock")
