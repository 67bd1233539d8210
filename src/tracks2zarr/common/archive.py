"""An archive: one ZIP file that holds a published store."""

from __future__ import annotations

import os
import zlib
from bisect import bisect_left
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property
from hashlib import file_digest
from itertools import islice, takewhile
from pathlib import Path
from typing import Any
from urllib.parse import unquote, urlsplit
from zipfile import BadZipFile, ZipFile

from tracks2zarr.common.files import is_file
from tracks2zarr.common.objects import DamagedObjectError, StoredObject
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.system_problems import os_problem

_SUFFIX = ".zip"
#: What is raised where a file is no archive, or a part of it is damaged, encrypted or unknown.
_DAMAGED = (BadZipFile, NotImplementedError, RuntimeError, ValueError, EOFError, zlib.error)


def is_archive(place: object) -> bool:
    """Tell whether something is the path, or the URL, of an archive: its name ends in ``.zip``.

    >>> is_archive("CrabTracks.zarr.zip"), is_archive("CrabTracks.zarr")
    (True, False)
    """
    if not isinstance(place, str | os.PathLike):
        return False
    name = os.fspath(place)
    return isinstance(name, str) and name.lower().endswith(_SUFFIX) and not Path(name).is_dir()


def archive_path(place: str | os.PathLike[str]) -> Path:
    """Return the path of an archive.

    Parameters
    ----------
    place
        Its path, or a ``file`` URL.

    Raises
    ------
    Tracks2ZarrError
        If it is another URL.
    """
    name = os.fspath(place)
    if "://" not in name:
        return Path(name).expanduser().absolute()
    parts = urlsplit(name)
    if parts.scheme != "file" or parts.netloc or set(name) & {"?", "#"}:
        raise Tracks2ZarrError(_not_here(name))
    return Path(unquote(parts.path))


def _not_here(url: str) -> Problem:
    return Problem(
        kind="url",
        what="An archive is written to, and read from, this machine only.",
        found=f"'{one_line(url)}'",
        expected="the path of an archive, or a file URL with three slashes, without ? and #",
        remedy="To publish, leave out .zip, or write the archive to this machine and upload it."
        " To read it, download it.",
    )


def _opened_again(path: Path, version: int) -> Archive:
    """Open an archive that another process had open, or this one before.

    Raises
    ------
    Tracks2ZarrError
        If it holds something else now: coordinates that were read then do not belong to it.
    """
    archive = Archive(path)
    if archive.version != version:
        raise Tracks2ZarrError(_replaced(path))
    return archive


def _replaced(path: Path) -> Problem:
    return Problem(
        kind="archive-replaced",
        what="The archive was replaced since it was opened.",
        file=str(path),
        found="other content",
        expected="the archive that was opened",
        remedy="Open it again.",
    )


class Archive:
    """The objects in a ZIP file.

    Parameters
    ----------
    path
        The file.

    Raises
    ------
    FileNotFoundError
        If there is none.
    DamagedObjectError
        If it is no whole ZIP file.
    Tracks2ZarrError
        If the disk does not let us read it.
    """

    def __init__(self, path: Path) -> None:
        self.place = str(path)
        with self._reading():
            if not is_file(path):  # a pipe would be waited for
                raise FileNotFoundError(path)
            self._zip = ZipFile(path)

    def __reduce__(self) -> tuple[Any, ...]:
        """Pickle the path, and what the file holds: another process opens the file itself."""
        return _opened_again, (Path(self.place), self.version)

    @cached_property
    def version(self) -> int:
        """A checksum over the names of all objects, and over their checksums."""
        listed = "".join(f"{one.filename}\n{one.CRC}\n" for one in self._zip.infolist())
        return zlib.crc32(listed.encode())

    def read(self, path: str) -> bytes | None:
        """Return the content of an object; None if there is none.

        Raises
        ------
        DamagedObjectError
            If it is damaged.
        """
        with self._reading(path):
            try:
                return self._zip.read(path)
            except KeyError:
                return None

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of an object; None if there is none, or it is damaged."""
        try:
            with self._zip.open(path) as entry:
                return file_digest(entry, "sha256").hexdigest()  # type: ignore[arg-type]
        except (KeyError, *_DAMAGED):
            return None
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, Path(self.place))) from error

    def list(self, prefix: str = "") -> dict[str, StoredObject]:
        """Return all objects below a path, by their paths."""
        coming = islice(self._names, bisect_left(self._names, prefix), None)
        entries = map(self._zip.getinfo, takewhile(lambda name: name.startswith(prefix), coming))
        return {one.filename: StoredObject(one.file_size, f"{one.CRC:08x}") for one in entries}

    @cached_property
    def _names(self) -> Sequence[str]:
        """The paths of all objects, sorted: an archive of many videos is looked through once."""
        return sorted(name for name in self._zip.NameToInfo if not name.endswith("/"))

    def zarr_store(self) -> Any:
        """Return what zarr-python reads the objects through."""
        return self._zarr_store

    @cached_property
    def _zarr_store(self) -> Any:
        from zarr.storage import ZipStore

        return ZipStore(self.place, mode="r")

    def problem(self, path: str, error: Exception) -> Problem | None:
        """Return an error of the disk as a problem; None for one that is of the content."""
        del path
        return os_problem(error, Path(self.place)) if isinstance(error, OSError) else None

    @contextmanager
    def _reading(self, path: str = "") -> Iterator[None]:
        """Raise what goes wrong while the block reads as a problem; a missing file stays one."""
        try:
            yield
        except (FileNotFoundError, Tracks2ZarrError):
            raise
        except _DAMAGED as error:
            raise DamagedObjectError(self._damaged(path, error)) from error
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, Path(self.place))) from error

    def _damaged(self, path: str, error: Exception) -> Problem:
        return Problem(
            kind="archive-damaged",
            what="The archive is damaged, cut off, or not a ZIP file.",
            file=f"{self.place}/{path}" if path else self.place,
            found=one_line(error),
            expected="the whole file that 'tracks2zarr publish' wrote",
            remedy="Copy or download it again. Otherwise, remove it and run 'tracks2zarr publish'"
            " again.",
        )
