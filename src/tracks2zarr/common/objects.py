"""Named objects, whatever holds them: an object store, a folder, or an archive."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from tracks2zarr.common.problems import Problem, StateError

#: How many bytes are read at once of an object that may be large.
PIECE = 1 << 20
#: How many objects are read or written at the same time: requests take time without taking cores.
AT_ONCE = 16


@dataclass(frozen=True, slots=True)
class StoredObject:
    """An object as its holder lists it.

    Parameters
    ----------
    size
        In bytes.
    tag
        What changes with its content.
    """

    size: int
    tag: str


class DamagedObjectError(StateError):
    """An object, or what holds it, is damaged."""


class Objects(Protocol):
    """What holds named objects. All that reads a published store reads it through this."""

    @property
    def place(self) -> str:
        """The URL or path below which the objects lie."""
        ...

    def read(self, path: str) -> bytes | None:
        """Return the content of an object; None if there is none.

        Raises
        ------
        DamagedObjectError
            If the holder knows that it is damaged.
        Tracks2ZarrError
            If the holder does not do what it is asked, as any method may.
        """
        ...

    def digest(self, path: str) -> str | None:
        """Return the SHA-256 of an object, read piece by piece; None if none can be read whole."""
        ...

    def list(self, prefix: str = "") -> dict[str, StoredObject]:
        """Return all objects below a path, by their paths."""
        ...

    def zarr_store(self) -> Any:
        """Return what zarr-python reads the objects through."""
        ...

    def problem(self, path: str, error: Exception) -> Problem | None:
        """Return an error of the holder as a problem; None for one that is of the content."""
        ...
