"""The VIA tracks CSV format: header, file names, and readers.

The format is that of the VGG Image Annotator, version 2,
https://www.robots.ox.ac.uk/~vgg/software/via/docs/face_track_annotation.html, as `movement` reads
it.
"""

from __future__ import annotations

import csv
from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.files import open_file
from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.tracks.formats import ReaderName

HEADER = (
    "filename",
    "file_size",
    "file_attributes",
    "region_count",
    "region_id",
    "region_shape_attributes",
    "region_attributes",
)
NAME = "via"
SOURCE_SOFTWARE = "VIA-tracks"
READERS: Mapping[ReaderName, str] = {
    "compiled": "tracks2zarr.tracks.compiled_reader",
    "columns": "tracks2zarr.tracks.column_reader",
    "rows": "tracks2zarr.tracks.row_reader",
}
HEADER_TEXT = ",".join(HEADER)
BOM = b"\xef\xbb\xbf"
#: The tracker puts this between a clip's name and ``.csv``.
SUFFIX = "_tracks"


def is_header(fields: Sequence[str]) -> bool:
    """Tell whether these are the seven column names; VIA 1 wrote ``#filename``."""
    return len(fields) == len(HEADER) and (fields[0].removeprefix("#"), *fields[1:]) == HEADER


def split_header(line: bytes) -> list[str]:
    """Return the column names in the first line of a file, with or without a byte-order mark."""
    text = line.removeprefix(BOM).decode("utf-8", errors="replace")
    text = text.removesuffix("\n").removesuffix("\r")
    if "\r" in text:  # to the csv module, this ends a line
        return [text]
    try:
        return next(csv.reader([text], strict=True), [])
    except csv.Error:
        return [text]


def clip_stem_of(file_name: str) -> str:
    """Return the stem of the clip that a tracks file belongs to.

    >>> clip_stem_of("04.09.2023-01-Right-Loop05_tracks.csv")
    '04.09.2023-01-Right-Loop05'
    """
    return file_name.rpartition(".")[0].removesuffix(SUFFIX)


def read_header(path: Path) -> list[str]:
    """Return the column names in the first line of a file; an empty list for an empty file."""
    with open_file(path) as file:
        line = file.readline(1 << 16)
    return split_header(line) if line.strip() else []


def header_problem(path: Path) -> Problem | None:
    """Return why a file has not the header of this format, or None where it has.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    header = read_header(path)
    if is_header(header):
        return None
    is_empty = path.stat().st_size == 0
    return Problem(
        kind="tracks-empty" if is_empty else "tracks-header",
        what="A tracks file is empty." if is_empty else "A tracks file has another header.",
        file=str(path),
        row=None if is_empty else 1,
        found=one_line(",".join(header)) if header else "no header",
        expected=HEADER_TEXT,
        remedy="Export the tracks again, or leave the file out with --pattern.",
    )
