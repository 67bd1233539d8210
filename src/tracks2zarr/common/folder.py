"""A folder, by its URL, that holds a published store."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from hashlib import file_digest
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit

from tracks2zarr.common.files import ABSENT, file_sizes, open_file, read_file
from tracks2zarr.common.object_store import check_url
from tracks2zarr.common.objects import StoredObject
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.system_problems import os_problem


def is_folder(place: object) -> bool:
    """Tell whether something is the URL of a folder.

    >>> is_folder("file:///data/a.zarr"), is_folder("/data/a.zarr")
    (True, False)
    """
    return isinstance(place, str) and place.lower().startswith("file://")


def folder_path(url: str) -> Path:
    """Return the path of a folder by its URL.

    Raises
    ------
    Tracks2ZarrError
        If it is no such URL.
    """
    check_url(url)
    return Path(unquote(urlsplit(url.rstrip("/")).path))


class Folder:
    """The files below a folder, by their paths.

    Parameters
    ----------
    url
        The URL of the folder, such as ``file:///data/CrabTracks.zarr``.

    Raises
    ------
    Tracks2ZarrError
        If it is no such URL.
    """

    def __init__(self, url: str) -> None:
        self._path = folder_path(url)
        self.place = url.rstrip("/")

    def read(self, path: str) -> bytes | None:
        """Return the content of a file; None if there is none."""
        with self._reading():
            try:
                return read_file(self._path / path)
            except ABSENT:
                return None

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of a file, read piece by piece; None if there is none."""
        with self._reading():
            try:
                with open_file(self._path / path) as file:
                    return file_digest(file, "sha256").hexdigest()
            except ABSENT:
                return None

    def list(self, prefix: str = "") -> dict[str, StoredObject]:
        """Return all files below a path, by their paths."""
        with self._reading():
            try:
                sizes = file_sizes(self._path / prefix)
            except ABSENT:
                return {}
        return {f"{prefix}{name}": StoredObject(size, "") for name, size in sizes.items()}

    def zarr_store(self) -> Any:
        """Return what zarr-python reads the files through."""
        from zarr.storage import LocalStore

        return LocalStore(self._path, read_only=True)

    def problem(self, path: str, error: Exception) -> Problem | None:
        """Return an error of the disk as a problem; None for one that is of the content."""
        return os_problem(error, self._path / path) if isinstance(error, OSError) else None

    @contextmanager
    def _reading(self) -> Iterator[None]:
        """Raise what the system answers as a problem."""
        try:
            yield
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, self._path)) from error
