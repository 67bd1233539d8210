"""The interfaces of a format of tracks files and of its readers."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_file import FileStamp, FileStart

if TYPE_CHECKING:  # numpy takes a while to import
    from tracks2zarr.dataset.batches import Batch, Int32s

#: The fast reader, the one that reads rows of any style, and the one that names bad rows.
ReaderName = Literal["compiled", "columns", "rows"]
#: Which other reader proves what a reader has read: no clip is proved by the one that read it.
PROVED_BY: Mapping[ReaderName | None, ReaderName] = {
    "compiled": "columns",
    "columns": "rows",
    "rows": "columns",
    None: "rows",  # receipts of version 0.1 do not say
}

type TakeBoxes = Callable[[Batch], None]
type OnBytes = Callable[[int], None]


class UnrecognisedError(Exception):
    """There is a row that a reader does not know to be right; another reader must decide."""


@dataclass(frozen=True, slots=True)
class ReadFile:
    """What a reader has found in a tracks file, besides the boxes that it handed on.

    Parameters
    ----------
    reader
        Which reader read it; the last one that was asked for any row.
    digest
        The SHA-256 of the bytes that were read, as ``sha256:<hex>``.
    stamp
        The stamp of the file that these bytes are from.
    frame_of_image
        (n_images,) int32, the frame within the clip of each image that boxes count in.
    warnings
        What was noticed.
    """

    reader: ReaderName
    digest: str
    stamp: FileStamp
    frame_of_image: Int32s
    warnings: tuple[Problem, ...] = ()


class TracksReader(Protocol):
    """Reads all boxes of a tracks file; a module of this package, such as `row_reader`."""

    def read_file(
        self, path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes
    ) -> ReadFile:
        """Read a tracks file, and hand its boxes on batch by batch, in the order of the file.

        Parameters
        ----------
        path
            The tracks file.
        rule
            How frames are found, and which frames the clip has.
        take
            Called with each batch of boxes.
        on_bytes
            Called with the number of bytes that were read since the last call.

        Raises
        ------
        UnrecognisedError
            If there is a row that this reader does not know to be right.
        Tracks2ZarrError
            If rows break the format, of which the first of each kind of problem are named; or if
            the file changed while it was read.
        OSError
            If the file cannot be read.
        """
        ...


class TracksFormat(Protocol):
    """A format of tracks files: one module of this package, such as `via`.

    A file is recognised by its header, and belongs to the clip with its stem. The last of the
    readers names every row that breaks the format.
    """

    #: The name by which plans and options mean the format.
    NAME: str
    #: What the groups made from such files have as ``source_software``.
    SOURCE_SOFTWARE: str
    #: What stands at the beginning of such a file, as text for people.
    HEADER_TEXT: str
    #: The modules of its readers, the fastest first.
    READERS: Mapping[ReaderName, str]

    def clip_stem_of(self, file_name: str) -> str:
        """Return the stem of the name of the clip that a tracks file belongs to."""
        ...

    def header_problem(self, path: Path, start: FileStart) -> Problem | None:
        """Return what is wrong with a file, as far as its start shows; None where nothing is."""
        ...

    def first_image(self, start: FileStart) -> str | None:
        """Return the file name of the first image, in a file with nothing wrong; None for none."""
        ...


DEFAULT_FORMAT = "via"
#: The formats by name; each is a module.
FORMATS: Mapping[str, str] = {"via": "tracks2zarr.tracks.via"}


def format_named(name: str) -> TracksFormat:
    """Return a format of tracks files."""
    return cast("TracksFormat", importlib.import_module(FORMATS[name]))


def reader_named(tracks_format: TracksFormat, name: ReaderName) -> TracksReader:
    """Return a reader of a format; what it needs, such as polars, is imported now."""
    return cast("TracksReader", importlib.import_module(tracks_format.READERS[name]))
