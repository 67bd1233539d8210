"""Writes a corrected tracks file: the whole clip, with some frames replaced."""

from __future__ import annotations

import glob
import os
import tempfile
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from itertools import count, pairwise
from pathlib import Path
from typing import BinaryIO

import numpy as np

from tracks2zarr.common.durable import sync, sync_file
from tracks2zarr.common.posix import is_alive
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.correcting.file_boxes import FileBoxes
from tracks2zarr.correcting.problems import no_folder
from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.exporting.texts import write_rows
from tracks2zarr.exporting.via_rows import HEADER_LINE, RowBoxes, box_rows
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.store.existing import enclosing_group
from tracks2zarr.tracks.files import corrected_name
from tracks2zarr.tracks.source_folder import digest_of

#: Boxes that are written at once.
_AT_ONCE = 1 << 17
#: Begins the names of files that are being written; hidden files are no tracks files.
_TEMPORARY = ".tracks2zarr-"


@dataclass(frozen=True, slots=True)
class CorrectedBoxes:
    """The boxes of a clip, those of some frames replaced.

    Parameters
    ----------
    n_frames
        The number of frames of the clip.
    before
        All boxes of the clip as they were.
    stretch
        (n,) int64, the frames that are replaced, ascending.
    after
        The boxes of these frames, in order of frame.
    """

    n_frames: int
    before: FileBoxes
    stretch: Int64s
    after: RowBoxes

    def blocks(self) -> Iterator[RowBoxes]:
        """Yield the boxes of whole frames, in order of frame and track."""
        bounds = {0, self.n_frames, *self.before.frame[::_AT_ONCE].tolist()}
        for start, stop in pairwise(sorted(bounds)):
            before = self.before.between(start, stop)
            kept = before.take(~np.isin(before.frame, self.stretch))
            first, last = np.searchsorted(self.after.frame, (start, stop)).tolist()
            block = kept.joined(self.after.take(np.arange(first, last)))
            if len(block):
                yield block


def folder_problem(folder: Path) -> Problem | None:
    """Return why a corrected file cannot be written to a folder; None if it can."""
    if (inside := enclosing_group(folder.absolute() / "file")) is not None:
        return no_folder(folder, f"a folder inside the store {inside}")
    try:
        with tempfile.TemporaryFile(dir=folder, prefix=_TEMPORARY):
            return None
    except OSError as error:
        return no_folder(folder, found_instead(error))


def write_corrected(folder: Path, clip_stem: str, boxes: CorrectedBoxes) -> tuple[Path, str]:
    """Write the boxes of a clip as a tracks file of its own, never in the place of another.

    A file of the same content is there already where a run was killed; then it is that one. The
    bytes are reported as they are written.

    Parameters
    ----------
    folder
        The folder.
    clip_stem
        The stem of the clip.
    boxes
        The boxes.

    Returns
    -------
    path, digest
        The file, which is on the disk, and the SHA-256 of its bytes.

    Raises
    ------
    OSError
        If it cannot be written.
    """
    temporary = folder / f"{_TEMPORARY}{clip_stem}.{os.getpid()}"
    try:
        _remove_left_over(temporary)
        with temporary.open("wb") as file:
            _write(file, boxes)
            file.flush()
            sync_file(file.fileno())
        digest = digest_of(temporary)
        for number in count(1):
            path = folder / corrected_name(clip_stem, number)
            if _take_name(temporary, path) or digest_of(path) == digest:
                sync(folder)
                return path, digest
        raise AssertionError
    finally:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)


def _write(file: BinaryIO, boxes: CorrectedBoxes) -> None:
    file.write(HEADER_LINE)
    for block in boxes.blocks():
        start = file.tell()
        write_rows(box_rows(block, _image_name), file)
        report_bytes(0, file.tell() - start)


def _image_name(frame: int) -> str:
    return f"frame_{frame:08d}.png"


def _take_name(temporary: Path, path: Path) -> bool:
    """Give a file its name, unless something has it already."""
    try:
        os.link(temporary, path)
    except FileExistsError:
        return False
    except OSError:  # a file system without hard links
        if os.path.lexists(path):
            return False
        temporary.rename(path)
    return True


def _remove_left_over(temporary: Path) -> None:
    """Remove what killed processes of this machine left of the same file."""
    for path in temporary.parent.glob(f"{glob.escape(temporary.stem)}.*"):
        number = path.suffix[1:]
        if number.isdecimal() and not is_alive(int(number)):
            path.unlink(missing_ok=True)
