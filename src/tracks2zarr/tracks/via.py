"""The VIA tracks CSV format: header, file names, and readers.

The format is that of the VGG Image Annotator, version 2,
https://www.robots.ox.ac.uk/~vgg/software/via/docs/face_track_annotation.html, as `movement` reads
it.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.problems import Problem
from tracks2zarr.tracks import file_start, header
from tracks2zarr.tracks.formats import ReaderName, clip_stem
from tracks2zarr.tracks.source_file import FileStart

HEADER = header.HEADER
NAME = "via"
SOURCE_SOFTWARE = "VIA-tracks"
PATTERNS: Sequence[str] = ("*.csv", "*.csv.gz", "*.csv.zst")
EXPECTED = f"a file that begins with {header.HEADER_TEXT}"
READERS: Mapping[ReaderName, str] = {
    "compiled": "tracks2zarr.tracks.compiled_reader:read_file",
    "columns": "tracks2zarr.tracks.column_reader:read_file",
    "rows": "tracks2zarr.tracks.row_reader:read_file",
}
#: The tracker puts this between a clip's name and ``.csv``.
SUFFIX = "_tracks"


def clip_stem_of(path: Path) -> str:
    """Return the stem of the clip that a tracks file belongs to, in composed form.

    >>> clip_stem_of(Path("04.09.2023-01-Right-Loop05_tracks.csv"))
    '04.09.2023-01-Right-Loop05'
    """
    return clip_stem(path.name, SUFFIX)


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a file, as far as its start shows; None where nothing is."""
    return file_start.start_problem(path, start)


def first_image(start: FileStart) -> str | None:
    """Return the file name of the first image of a file, None where it has none."""
    text = start.content.removeprefix(header.BOM).decode(errors="replace")
    rows = csv.reader(io.StringIO(text, newline=""))
    next(rows, None)
    try:
        return next((fields[0] for fields in rows if not header.is_blank(fields)), None)
    except csv.Error:
        return None
