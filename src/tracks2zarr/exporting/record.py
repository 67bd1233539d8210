"""The record of an exported file: what it was made from, by which a later export knows it."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.documents import Document
from tracks2zarr.dataset.schema import ClipColumn

#: Ends the name of the folder of the records. It lies beside that of the export, since programs
#: that read all files of a folder as one table would read the records, too.
_SUFFIX = ".tracks2zarr-export"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord(Document):
    """One exported file.

    Parameters
    ----------
    file
        Its path below the folder of the export.
    store
        The folder of the store.
    format
        The format of the file.
    video, clip
        The clip in it.
    content
        The digest of the video's group.
    first_frame, n_frames
        The frames within the clip.
    images
        The template of the names of images.
    is_stretch
        Whether these frames were asked for; files of older versions lack those without boxes.
    size, mtime_ns
        The size of the file in bytes, and when it was written, in nanoseconds.
    columns
        The further columns of the table that it is a part of; records of older versions lack them.
    replaced
        The stamp of the file that it replaced, which is there still if the export was killed.
    """

    format_key = "tracks2zarr_export"

    file: str
    store: str
    format: str
    video: str
    clip: str
    content: str
    first_frame: int
    n_frames: int
    images: str
    size: int
    mtime_ns: int
    replaced: str | None = None
    is_stretch: bool = False
    columns: tuple[ClipColumn, ...] = ()

    def describes(self, path: Path) -> bool:
        """Tell whether a file is as it was exported."""
        return stamp_of(path) == f"{self.size} {self.mtime_ns}"

    def knows(self, path: Path) -> bool:
        """Tell whether a file is as it was exported, or as the export before that left it."""
        return self.describes(path) or stamp_of(path) == self.replaced


def stamp_of(path: Path) -> str:
    """Return the size of a file, and when it was written, as text."""
    found = path.stat()
    return f"{found.st_size} {found.st_mtime_ns}"


def records_folder(out: Path) -> Path:
    """Return the folder of the records of an export."""
    return out.with_name(f".{out.name}{_SUFFIX}")


def record_path(out: Path, file: str) -> Path:
    """Return where the record of a file lies; names of files may be too long for a name."""
    return records_folder(out) / f"{hashlib.sha256(file.encode()).hexdigest()[:32]}.json"


def records_in(out: Path) -> Iterator[ExportRecord]:
    """Yield the records of all files that were exported to a folder."""
    for path in sorted(records_folder(out).glob("*.json")):
        if (record := ExportRecord.read(path)) is not None:
            yield record
