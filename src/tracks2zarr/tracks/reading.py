"""Reads a clip from its tracks file with the fastest reader that recognises its rows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.clip_boxes import ClipBoxes, Spill
from tracks2zarr.tracks.formats import (
    OnBytes,
    ReaderName,
    ReadFile,
    ReadTracks,
    TracksFormat,
    UnrecognisedError,
    reader_named,
)
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_file import FileStamp


@dataclass(frozen=True, slots=True)
class ReadClip:
    """A clip as it was read: where the columns of its boxes lie, and what was found in its file.

    `digest` and `stamp` are those of the tracks file. `reader` is None if nobody knows which one
    read it, and so is `stamp` if an older version read the file.
    """

    folder: Path
    digest: str
    reader: ReaderName | None
    stamp: FileStamp | None
    warnings: tuple[Problem, ...] = ()

    @property
    def boxes(self) -> ClipBoxes:
        """The boxes, read from the folder as they are used."""
        return ClipBoxes.load(self.folder)


def read_clip(
    tracks_format: TracksFormat,
    path: Path,
    rule: FrameRule,
    folder: Path,
    on_bytes: OnBytes = lambda _: None,
) -> ReadClip:
    """Read the boxes of a clip from its tracks file, and check every row.

    Parameters
    ----------
    tracks_format
        The format of the file.
    path
        The tracks file.
    rule
        How frames are found, and which frames the clip has.
    folder
        An empty folder for the columns; the boxes are read from there as they are used.
    on_bytes
        Called with the number of bytes that were read since the last call.

    Raises
    ------
    Tracks2ZarrError
        If any row breaks the format, the first rows of each kind of problem are named; or if the
        file changed while it was read.
    OSError
        If the file cannot be read or the columns cannot be written.
    """

    def read(reader: ReadTracks, progress: OnBytes) -> ReadClip:
        return _read_with(reader, path, rule, folder, progress)

    return read_with_fastest(tracks_format, read, on_bytes)


def read_frames(
    tracks_format: TracksFormat,
    path: Path,
    rule: FrameRule,
    on_bytes: OnBytes = lambda _: None,
) -> ReadFile:
    """Read a tracks file for its frames alone, and check every row; no box is kept.

    Parameters
    ----------
    tracks_format, path, rule, on_bytes
        As for `read_clip`.

    Raises
    ------
    Tracks2ZarrError
        If any row breaks the format, or the file changed while it was read. Boxes that are there
        twice are not looked for.
    OSError
        If the file cannot be read.
    """

    def read(reader: ReadTracks, progress: OnBytes) -> ReadFile:
        return reader(path, rule, lambda _: None, progress)

    return read_with_fastest(tracks_format, read, on_bytes)


def read_with_fastest[Read](
    tracks_format: TracksFormat,
    read: Callable[[ReadTracks, OnBytes], Read],
    on_bytes: OnBytes = lambda _: None,
) -> Read:
    """Return what a function reads with the fastest reader that recognises all rows.

    Parameters
    ----------
    tracks_format
        The format of the file.
    read
        Called with a reader, and with what it tells of bytes; again where it raises
        `UnrecognisedError`.
    on_bytes
        Called with the number of bytes that were read since the last call.
    """
    *fast, last = tracks_format.READERS
    progress = _Progress(on_bytes)
    for name in fast:
        try:
            return read(reader_named(tracks_format, name), progress.add)
        except UnrecognisedError:
            progress.start_again()
    return read(reader_named(tracks_format, last), progress.add)


def _read_with(
    read: ReadTracks, path: Path, rule: FrameRule, folder: Path, on_bytes: OnBytes
) -> ReadClip:
    with Spill(folder) as spill:
        file = read(path, rule, spill.append, on_bytes)
    if spill.boxes(file.frame_of_image).first_duplicate() is not None:
        raise UnrecognisedError
    return ReadClip(folder, file.digest, file.reader, file.stamp, file.warnings)


class _Progress:
    """Counts the bytes of a file that may be read again from its start; none is counted twice."""

    def __init__(self, on_bytes: OnBytes) -> None:
        self._on_bytes = on_bytes
        self._counted = self._read = 0

    def add(self, count: int) -> None:
        """Count bytes that were read; also where none is new, the reading may be stopped."""
        self._read += count
        new = max(0, self._read - self._counted)
        self._counted += new
        self._on_bytes(new)

    def start_again(self) -> None:
        """Begin at the start of the file."""
        self._read = 0
