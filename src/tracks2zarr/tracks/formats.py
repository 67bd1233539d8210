"""The interfaces of a format of tracks files and of its readers.

A format is one module that has what `TracksFormat` asks for. Other packages add one by an entry
point of the group ``tracks2zarr.formats``, which names their module.
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal, Protocol, cast, runtime_checkable

from tracks2zarr.common.names import composed
from tracks2zarr.common.near_names import did_you_mean
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
)
from tracks2zarr.tracks.compressed import expanded_name
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


class ReadTracks(Protocol):
    """Reads all boxes of a tracks file: a function of a format, such as `row_reader.read_file`."""

    def __call__(self, path: Path, rule: FrameRule, take: TakeBoxes, on_bytes: OnBytes) -> ReadFile:
        """Read a tracks file, and hand its boxes on batch by batch, in the order of the file.

        Parameters
        ----------
        path
            The tracks file, or the folder of a clip in a format of folders.
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
    """A format of tracks files: one module, such as `via`.

    A file is recognised by how it begins, and belongs to the clip with its stem. The last of the
    readers names every row that breaks the format. No reader may share code that decides about
    numbers with the one that proves it.
    """

    #: The name by which plans and options mean the format.
    NAME: str
    #: What the groups made from such files have as ``source_software``.
    SOURCE_SOFTWARE: str
    #: Glob patterns of its files, which are looked for where no other pattern is given.
    PATTERNS: Sequence[str]
    #: What such a file is, for people: "a file that begins with filename,...".
    EXPECTED: str
    #: Its readers as ``module:function``, the fastest first and ``rows`` last.
    READERS: Mapping[ReaderName, str]

    def clip_stem_of(self, path: Path) -> str:
        """Return the stem of the name of the clip that a tracks file belongs to."""
        ...

    def start_problem(self, path: Path, start: FileStart) -> Problem | None:
        """Return what is wrong with a file, as far as its start shows; None where nothing is."""
        ...


@runtime_checkable
class FormatOfImages(TracksFormat, Protocol):
    """A format whose boxes name images, in whose names the frames may be."""

    def first_image(self, start: FileStart) -> str | None:
        """Return the file name of the first image, in a file with nothing wrong; None for none."""
        ...


@runtime_checkable
class FormatOfFolders(TracksFormat, Protocol):
    """A format in which a clip is a folder of files."""

    def is_clip_folder(self, folder: Path) -> bool:
        """Tell whether a folder holds the files of a clip."""
        ...

    def folder_problem(self, folder: Path) -> Problem | None:
        """Return why the files in a folder are not those of one clip; None where they are.

        Raises
        ------
        OSError
            If the folder cannot be read.
        """
        ...


@runtime_checkable
class FormatWithFps(TracksFormat, Protocol):
    """A format whose files may have a frame rate, which the plan compares with the metadata's."""

    def fps_of(self, path: Path) -> float | str | None:
        """Return the frames per second in a file; None where it has none, or cannot be read.

        What is there in place of a number is returned as text, for a warning.

        Raises
        ------
        Tracks2ZarrError
            If what reads such files is not installed.
        """
        ...


DEFAULT_FORMAT = "via"
#: The formats of this package by name; each is a module. The first that knows a file reads it.
FORMATS: Mapping[str, str] = {
    "via": "tracks2zarr.tracks.via",
    "octron": "tracks2zarr.tracks.octron",
    "mot": "tracks2zarr.tracks.mot",
    "coco": "tracks2zarr.tracks.coco",
    "movement": "tracks2zarr.tracks.movement_netcdf",
}
#: Where other packages name theirs.
ENTRY_POINTS = "tracks2zarr.formats"


def clip_stem(file_name: str, suffix: str = "_tracks") -> str:
    """Return the stem of a clip's name from the name of its tracks file, in composed form.

    >>> clip_stem("04.09.2023-01-Right-Loop05_tracks.csv.gz")
    '04.09.2023-01-Right-Loop05'
    """
    return composed(expanded_name(file_name).rpartition(".")[0].removesuffix(suffix))


def format_names() -> Iterator[str]:
    """Yield the names of all formats, those of other packages last."""
    yield from FORMATS
    yield from sorted(_modules_of_others().keys() - FORMATS.keys())


@cache
def _modules_of_others() -> Mapping[str, str]:
    from importlib.metadata import entry_points  # reads the metadata of all packages

    return {entry.name: entry.value for entry in entry_points(group=ENTRY_POINTS)}


def format_named(name: str) -> TracksFormat:
    """Return a format of tracks files.

    Raises
    ------
    Tracks2ZarrError
        If no such format is installed, or it cannot be imported.
    """
    module = FORMATS.get(name) or _modules_of_others().get(name)
    if module is None:
        raise Tracks2ZarrError(unknown_format(name))
    try:
        return cast("TracksFormat", importlib.import_module(module))
    except ImportError as error:
        raise Tracks2ZarrError(_not_importable(name, module, error)) from error


def reader_named(tracks_format: TracksFormat, name: ReaderName) -> ReadTracks:
    """Return a reader of a format; what it needs, such as polars, is imported now.

    Raises
    ------
    Tracks2ZarrError
        If it needs an extra that is not installed.
    """
    return cast("ReadTracks", pkgutil.resolve_name(tracks_format.READERS[name]))


def unknown_format(name: object) -> Problem:
    """Return the problem of a format that nobody knows."""
    return Problem(
        kind="format",
        what="There is no such format of tracks files.",
        found=repr(name),
        expected=", ".join(format_names()),
        remedy=did_you_mean(str(name).lower(), format_names())
        or "Correct --format, or install the package that adds it.",
    )


def _not_importable(name: str, module: str, error: ImportError) -> Problem:
    return Problem(
        kind="format",
        what=f"The format '{name}' cannot be imported.",
        found=f"{module}: {error}",
        expected="a module of an installed package",
        remedy="Install the package that adds it again.",
    )
