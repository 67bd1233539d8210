"""``fetch_metadata``: the metadata CSV of a git-annex repository, such as one on GIN."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from tracks2zarr.common.arguments import check_optional_path, check_text
from tracks2zarr.common.display import OneLine
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, errors_of, one_line
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.fetching import problems
from tracks2zarr.fetching.clone import Clone, CloneState
from tracks2zarr.fetching.git import commit_of
from tracks2zarr.fetching.repository import DEFAULT_REPOSITORY, repository_of
from tracks2zarr.planning.metadata_check import CheckedMetadata, check_metadata

#: Where the metadata CSV lies in that repository.
DEFAULT_PATH = "crab-loops/loop-frames-ffmpeg.csv"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class FetchedMetadata(OneLine):
    """A metadata CSV that was fetched.

    Parameters
    ----------
    metadata_csv
        The file in the clone.
    repository
        The repository, as it was passed.
    state
        What was done with the clone.
    commit
        The commit that the clone is at.
    checked
        The contents of the metadata CSV, with its problems.
    problems
        The problems of fetching it, and those of the metadata CSV.
    """

    metadata_csv: Path
    repository: str
    state: CloneState
    commit: str
    checked: CheckedMetadata
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether the metadata CSV has no errors."""
        return not errors_of(self.problems)

    def __str__(self) -> str:
        return one_line(f"{self.metadata_csv}: {self.checked.summary()}")


def fetch_metadata(
    repository: str | os.PathLike[str] = DEFAULT_REPOSITORY,
    *,
    path: str = DEFAULT_PATH,
    to: str | os.PathLike[str] | None = None,
    on_step: Callable[[str], None] = lambda _: None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> FetchedMetadata:
    """Clone or update a repository, fetch the content of its metadata CSV, and check it.

    The content of other files is not fetched. Nothing is sent to the repository, and no change in
    the clone is overwritten.

    Parameters
    ----------
    repository
        ``owner/name`` on GIN, a URL, or the path of a folder.
    path
        The metadata CSV, from the top of the repository.
    to
        The folder of the clone; by default, one with the repository's name, in this folder.
    on_step
        Called before each step, with a description of it.
    on_progress
        Called with what git prints of how far it is, e.g. ``Receiving objects:  45% (9/20)``, and
        with ``""`` when that is over.

    Returns
    -------
    FetchedMetadata
        Its `problems` include the errors of the metadata CSV, which are not raised.

    Raises
    ------
    Tracks2ZarrError
        If the repository cannot be read, the clone cannot be created or updated, or the content of
        the file is not available.
    """
    check_text("repository", os.fspath(repository))
    check_text("path", path)
    check_optional_path("to", to)
    source = repository_of(os.fspath(repository))
    clone = Clone(source, Path(source.name if to is None else to).absolute(), on_progress)
    inside = _within(path, [*([Path(source.urls[0])] if source.is_folder else []), clone.folder])
    file = clone.folder / inside
    try:
        on_step(f"Reading {one_line(source.given)} into {one_line(clone.folder)}")
        with clone.up_to_date() as state:
            on_step(f"Getting {inside}")
            noticed = clone.get(inside)
    except OSError as error:
        if isinstance(error, Tracks2ZarrError):
            raise
        raise Tracks2ZarrError(os_problem(error, clone.folder)) from error
    if state is CloneState.KEPT:
        noticed.append(problems.no_branch(clone.folder))
    checked = check_metadata(file)
    return FetchedMetadata(
        metadata_csv=file,
        repository=source.given,
        state=state,
        commit=commit_of(clone.folder),
        checked=checked,
        problems=(*noticed, *checked.problems),
    )


def _within(path: str, folders: Sequence[Path]) -> str:
    """Return a path within a repository, in its shortest form.

    Parameters
    ----------
    path
        The path.
    folders
        Where the repository lies on this machine.

    Raises
    ------
    Tracks2ZarrError
        If it leaves the repository, or is absolute; then with the path within, where there is one.
    """
    inside = PurePosixPath(os.path.normpath(path)) if path else PurePosixPath()
    if inside.is_absolute() or ".." in inside.parts or not inside.parts:
        below = [inside.relative_to(top) for top in folders if inside.is_relative_to(top)]
        relative = next((str(one) for one in below if one.parts), None)
        raise Tracks2ZarrError(problems.path_outside(path, relative))
    return inside.as_posix()
