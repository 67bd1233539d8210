"""Clones and updates a repository with the GIN client, which has its own key and log-in."""

from __future__ import annotations

from pathlib import Path

from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.fetching import problems
from tracks2zarr.fetching.git import changed_files
from tracks2zarr.fetching.programs import Ended, SilentError, has_program, run
from tracks2zarr.fetching.repository import Repository

#: Seconds that GIN may take to say who is logged in.
_LOG_IN_SECONDS = 30


def is_logged_in() -> bool:
    """Tell whether the GIN client is installed, and its user logged in.

    Another program is called gin, too; it has no such command.
    """
    if not has_program("gin"):
        return False
    try:
        version = run(["gin", "--version"], silence=_LOG_IN_SECONDS)
        if "GIN" not in version.stdout:
            return False
        return run(["gin", "info"], silence=_LOG_IN_SECONDS).ok
    except (SilentError, OSError):
        return False


class GinClient:
    """Fetches a repository of GIN with the GIN client.

    Parameters
    ----------
    repository
        The repository.
    """

    def __init__(self, repository: Repository) -> None:
        assert repository.on_gin is not None
        self._repository, self._on_gin = repository, repository.on_gin

    def clone(self, folder: Path) -> None:
        """Clone the repository into a folder that is not there.

        Raises
        ------
        Tracks2ZarrError
            If it cannot be cloned.
        """
        above = folder.with_name(f"{folder.name}-gin")
        above.mkdir()
        self._gin(above, "be cloned", "get", self._on_gin)
        (above / self._repository.name).rename(folder)
        above.rmdir()

    def update(self, folder: Path) -> bool:
        """Bring a clone up to date; see `GitClient.update`.

        The client may commit what it finds, so it is asked only where nothing was changed.
        """
        if changed := changed_files(folder):
            raise Tracks2ZarrError(problems.changed_clone(folder, changed, ""))
        self._gin(folder, "be merged into the clone", "download")
        return True

    def get(self, folder: Path, path: str) -> None:
        """Get the content of one file of a clone.

        Raises
        ------
        Tracks2ZarrError
            If it cannot be had.
        """
        ended = self._run(folder, "get-content", path)
        if not ended.ok:
            text = f"{ended.stderr}\n{ended.stdout}"
            raise Tracks2ZarrError(problems.no_content(self._repository, folder / path, text))

    def _gin(self, folder: Path, doing: str, *words: str) -> None:
        ended = self._run(folder, *words)
        if not ended.ok:
            text = f"{ended.stderr}\n{ended.stdout}"
            raise Tracks2ZarrError(problems.failed(self._repository, text, doing))

    def _run(self, folder: Path, *words: str) -> Ended:
        try:
            return run(["gin", *words], folder=folder)
        except SilentError:
            found = f"gin {words[0]} stopped making progress"
            raise Tracks2ZarrError(problems.unreachable(self._repository, found)) from None
