"""The record of an exported file: what it was made from, by which a later export knows it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from pathlib import Path

from tracks2zarr.common.documents import Document

#: The folder of the records, in the folder of the export.
FOLDER = ".tracks2zarr-export"


@dataclass(frozen=True, slots=True, kw_only=True)
class ExportRecord(Document):
    """One exported file.

    Parameters
    ----------
    file
        Its path below the folder of the export.
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
    size, mtime_ns
        The size of the file in bytes, and when it was written, in nanoseconds.
    """

    format_key = "tracks2zarr_export"

    file: str
    format: str
    video: str
    clip: str
    content: str
    first_frame: int
    n_frames: int
    images: str
    size: int
    mtime_ns: int

    def describes(self, path: Path) -> bool:
        """Tell whether a file is as it was exported."""
        found = path.stat()
        return (found.st_size, found.st_mtime_ns) == (self.size, self.mtime_ns)


def record_path(out: Path, file: str) -> Path:
    """Return where the record of a file lies; names of files may be too long for a name."""
    return out / FOLDER / f"{hashlib.sha256(file.encode()).hexdigest()[:32]}.json"
