"""The files of an opened group: whether they were replaced since, and which ought to be there."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from tracks2zarr.common.files import ABSENT, is_file, read_file, read_json
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.dataset.schema import own_variables
from tracks2zarr.group.shard import DamagedFileError
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import unreadable_problem

#: What tells a file from the one that replaces it.
type FileId = tuple[int, int]

#: What zarr-python raises although no file is at fault: the index is wrong or of a kind that it
#: does not take, or there is too little memory.
NO_FAULT_OF_FILES = (IndexError, MemoryError, NotImplementedError)


@dataclass(frozen=True, slots=True)
class GroupFiles:
    """The files of the group of a video.

    Parameters
    ----------
    folder
        The folder of the group.
    store
        The store that it lies in; None for a group that lies in none.
    """

    folder: Path
    store: Store | None
    _rightly_absent: set[Path] = field(default_factory=set, compare=False, repr=False)

    @property
    def video(self) -> str:
        """The video's id."""
        return self.folder.name

    def file_id(self) -> FileId:
        """Return what tells the folder from one that replaces it."""
        return _file_id(self.folder)

    def array(self, name: str) -> ArrayFiles:
        """Return the files of an array as they are now."""
        return ArrayFiles(self, name, _array_id(self.folder, name))

    def check_absent(self, file: Path) -> None:
        """Check that a file of an array is rightly absent: its chunks hold the fill value only.

        Raises
        ------
        Tracks2ZarrError
            If the group has fewer files than its receipt counts, or the file is a link to
            something that is not there.
        """
        if file in self._rightly_absent:
            return
        problem = annex_problem(file) or self._missing(file)
        if problem is not None:
            raise Tracks2ZarrError(replace(problem, video=self.video))
        self._rightly_absent.add(file)

    def check_complete(self) -> None:
        """Check that no file is missing, where it cannot be told which one is read.

        Raises
        ------
        Tracks2ZarrError
            If the group has fewer files than its receipt counts.
        """
        problem = self._missing(self.folder)
        if problem is not None:
            raise Tracks2ZarrError(problem)

    def _missing(self, file: Path) -> Problem | None:
        written = self.store and _written_files(self.store, self.video)
        if not written:
            return None
        expected, further = written
        found = _count_files(self.folder, own_variables().union(further))
        if found >= expected:
            return None
        return self._problem(
            "A file of a video is missing.",
            file,
            f"{found} files of the video",
            f"{expected}, as many as were written",
        )

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Raise what goes wrong while the block reads as an error that names the file.

        Raises
        ------
        Tracks2ZarrError
            If a file cannot be read, or is damaged.
        """
        try:
            yield
        except (*NO_FAULT_OF_FILES, Tracks2ZarrError):
            raise
        except Exception as error:  # damaged files make zarr-python raise anything
            raise Tracks2ZarrError(self._problem_of(error)) from error

    def _problem_of(self, error: Exception) -> Problem:
        if isinstance(error, OSError) and error.filename is not None:
            if not os.path.lexists(self.folder):
                return self.absent()
            if self.store is not None:
                return unreadable_problem(self.store, self.video, error)
        file, found = self.folder, f"{type(error).__name__}: {error}"
        if isinstance(error, DamagedFileError):
            file, found = error.file, error.found
        unfetched = annex_problem(file)
        if unfetched is not None:
            return replace(unfetched, video=self.video)
        return self._problem(
            "A file of a video is damaged.", file, one_line(found), "the file that was written"
        )

    def _problem(self, what: str, file: Path, found: str, expected: str) -> Problem:
        return Problem(
            kind="content-changed",
            what=what,
            file=str(file),
            found=found,
            expected=expected,
            remedy=self._remedy(),
            video=self.video,
        )

    def _remedy(self) -> str:
        if self.store is None:
            return "Copy the group again."
        command = shlex.join(["tracks2zarr", "verify", "--quick", str(self.store.path)])
        return f"To see what else is damaged, and how to convert it again, run: {command}"

    def replaced(self) -> Problem:
        """Return the problem of a group that another one has taken the place of."""
        return Problem(
            kind="video-replaced",
            what="A video was replaced after it was opened.",
            file=str(self.folder),
            found="files that were written later",
            expected="the files that were there when the video was opened",
            remedy="Open the video again.",
            video=self.video,
        )

    def absent(self) -> Problem:
        """Return the problem of a group that is not there."""
        return Problem(
            kind="group-missing",
            what="The video's group is missing.",
            file=str(self.folder),
            found="nothing there",
            expected="the folder of the video",
            remedy="Run 'tracks2zarr create' again with --store-mode a.",
            video=self.video,
        )


@dataclass(frozen=True, slots=True)
class ArrayFiles:
    """The files of an array of an opened group, as they were when it was opened.

    Parameters
    ----------
    group
        The files of the group.
    name
        The name of the array.
    opened_id
        What tells its metadata from those of an array that replaces it.
    """

    group: GroupFiles
    name: str
    opened_id: FileId

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Check that what the block reads is of the array that was opened.

        Raises
        ------
        Tracks2ZarrError
            If the group was replaced meanwhile, a file cannot be read, or is damaged.
        """
        try:
            with self.group.reading():
                yield
        except Tracks2ZarrError:
            if self._is_replaced():  # then the files of another array were read
                raise Tracks2ZarrError(self.group.replaced()) from None
            raise
        if self._is_replaced():
            raise Tracks2ZarrError(self.group.replaced())

    @contextmanager
    def reading_by_zarr(self) -> Iterator[None]:
        """Check, besides, that no file is missing, which zarr-python takes for absent."""
        with self.reading():
            yield
            self.group.check_complete()

    def _is_replaced(self) -> bool:
        """Tell whether other files have taken the place of those that were opened."""
        with self.group.reading():
            return _array_id(self.group.folder, self.name) != self.opened_id


def _array_id(group: Path, name: str) -> FileId:
    return _file_id(group / name / "zarr.json")


def _file_id(path: Path) -> FileId:
    """Return inode and time of change; machines that share a disk agree on them."""
    found = os.stat(path)  # noqa: PTH116 - called at each read
    return found.st_ino, found.st_mtime_ns


def _written_files(store: Store, video: str) -> tuple[int, list[str]] | None:
    """Return how many files a group had when it was written, and the names of further arrays.

    They are those of further columns of the metadata CSV. None where that is not known.
    """
    for file in (store.receipt_file(video), store.note_file(video)):
        try:
            document = read_json(read_file(file))
            columns = document.get("plan", {}).get("columns", [])
            return int(document["content"]["files"]), [str(one["name"]) for one in columns]
        except (*ABSENT, KeyError, TypeError, ValueError, AttributeError):
            continue
    return None


def _count_files(group: Path, arrays: Iterable[str]) -> int:
    """Return how many files a group has in some arrays, which are those of tracks2zarr."""
    found = int(is_file(group / "zarr.json"))
    folders = [f"{group}/{name}" for name in arrays]
    while folders:
        try:
            entries = os.scandir(folders.pop())
        except FileNotFoundError:
            continue
        with entries:
            for entry in entries:
                if entry.is_dir(follow_symlinks=False):
                    folders.append(entry.path)
                else:
                    found += entry.name == "zarr.json" or entry.name.isdecimal()
    return found
