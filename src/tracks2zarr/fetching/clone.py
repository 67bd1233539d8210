"""A clone of a repository on this machine: made whole or not at all, and never overwritten."""

from __future__ import annotations

import os
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from enum import StrEnum
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

from tracks2zarr.common.files import remove_tree
from tracks2zarr.common.locks import locked
from tracks2zarr.common.posix import check_can_write
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.fetching import problems
from tracks2zarr.fetching.gin import GinClient, is_logged_in
from tracks2zarr.fetching.git import (
    GitClient,
    changed_files,
    commit_of,
    files_of,
    git_folder_of,
    origin_of,
)
from tracks2zarr.fetching.programs import require_git
from tracks2zarr.fetching.repository import Repository

#: Whoever holds it updates the clone, or gets the content of files.
_LOCK = "tracks2zarr.lock"


class CloneState(StrEnum):
    """What became of a clone."""

    CLONED = "cloned"
    UPDATED = "updated"
    SAME = "up to date"
    KEPT = "not updated"


class Client(Protocol):
    """What fetches a repository: `GitClient` or `GinClient`."""

    def clone(self, folder: Path) -> None:
        """Clone the repository into a folder that is not there."""
        ...

    def update(self, folder: Path) -> bool:
        """Bring a clone up to date; tell whether it follows a branch of the repository."""
        ...

    def get(self, folder: Path, path: str) -> None:
        """Get the content of one file of a clone."""
        ...


class Clone:
    """The clone of a repository in a folder.

    Parameters
    ----------
    repository
        The repository.
    folder
        The folder, which need not be there.
    on_progress
        Called with what git prints of how far it is; with nothing when that is over.

    Raises
    ------
    Tracks2ZarrError
        If git is not installed, or this is Windows.
    """

    def __init__(
        self,
        repository: Repository,
        folder: Path,
        on_progress: Callable[[str], None] = lambda _: None,
    ) -> None:
        check_can_write()
        require_git()
        self.repository = repository
        self.folder = folder
        has_gin = repository.on_gin is not None and is_logged_in()
        self._client: Client = (
            GinClient(repository) if has_gin else GitClient(repository, on_progress)
        )

    @contextmanager
    def up_to_date(self) -> Iterator[CloneState]:
        """Clone the repository, or update the clone that is there, and hold it for a block.

        Another run on the same clone waits until the block is left.

        Raises
        ------
        Tracks2ZarrError
            If the repository cannot be read, something else is in the way, or the clone has
            changes that would be overwritten.
        """
        is_new = not self._is_there() and self._make()
        with locked(git_folder_of(self.folder) / _LOCK):
            yield CloneState.CLONED if is_new else self._updated()

    def _make(self) -> bool:
        """Clone the repository, unless another run has done so meanwhile; tell whether it did."""
        with _work_folder(self.folder) as work:
            if self._is_there():
                return False
            self._client.clone(work / "clone")
            (work / "clone").rename(self.folder)
            return True

    def _updated(self) -> CloneState:
        before = commit_of(self.folder)
        if not self._client.update(self.folder):
            return CloneState.KEPT
        return CloneState.SAME if commit_of(self.folder) == before else CloneState.UPDATED

    def _is_there(self) -> bool:
        """Tell whether there is the clone; nothing, or an empty folder, is none.

        Raises
        ------
        Tracks2ZarrError
            If something else is in its place.
        """
        if self.folder.is_dir():
            url = origin_of(self.folder)
            if url is not None and self.repository.is_at(url):
                return True
            if url is None and not any(self.folder.iterdir()):
                return False
            found = "a folder with other files" if url is None else f"a clone of {_shown(url)}"
        elif not os.path.lexists(self.folder):
            return False
        else:
            found = "a file"
        raise Tracks2ZarrError(problems.in_the_way(self.folder, found))

    def get(self, path: str) -> list[Problem]:
        """Get the content of one file.

        Parameters
        ----------
        path
            Its path from the top of the repository, with slashes.

        Returns
        -------
        list[Problem]
            A warning if the file has changes that are not in the repository.

        Raises
        ------
        Tracks2ZarrError
            If the repository has no such file, or its content cannot be had.
        """
        names, file = files_of(self.folder), self.folder / path
        if path not in names:
            raise Tracks2ZarrError(problems.no_such_file(self.folder, path, names))
        if not os.path.lexists(file):
            raise Tracks2ZarrError(problems.removed_file(self.folder, path))
        unfetched = annex_problem(file)
        if unfetched is not None and unfetched.kind in {"annex-pointer", "dangling-link"}:
            self._client.get(self.folder, path)
            unfetched = annex_problem(file)
        if unfetched is not None:
            raise Tracks2ZarrError(unfetched)
        return [problems.changed_file(file)] if changed_files(self.folder, path) else []


@contextmanager
def _work_folder(folder: Path) -> Iterator[Path]:
    """Yield an empty folder beside another one; others wait for it, and it is removed at the end.

    What a run that was killed has left is removed first. Its git may still be at work for a moment,
    so that each run has a folder of another name.
    """
    above = folder.with_name(f".{folder.name}.fetching")
    with locked(above / "lock"):
        try:
            for left in above.iterdir():
                if left.is_dir():
                    remove_tree(left)
            yield Path(tempfile.mkdtemp(dir=above))
        finally:
            remove_tree(above)


def _shown(url: str) -> str:
    """Return a URL without the password that it may have."""
    if "://" not in url:
        return url
    parts = urlsplit(url)
    return parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
