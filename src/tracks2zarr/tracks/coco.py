"""The COCO format with track ids, one JSON file per clip: names, and how a file begins.

The format is that of https://cocodataset.org/#format-data (object detection). As the track of an
annotation, programs write ``track_id`` (TAO, https://taodataset.org; this package), ``instance_id``
(MMTracking) or ``attributes.track_id`` (CVAT). The frame of an image is ``frame_index`` (TAO; this
package), ``frame_id`` (MMTracking) or ``frame``, from 0; else the last digits in its file name.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.tracks.file_start import FileFault, text_problem
from tracks2zarr.tracks.formats import ReaderName, clip_stem
from tracks2zarr.tracks.source_file import FileStart

NAME = "coco"
SOURCE_SOFTWARE = "COCO"
PATTERNS: Sequence[str] = ("*.json", "*.json.gz", "*.json.zst")
EXPECTED = "a JSON object with the lists 'images' and 'annotations'"
READERS: Mapping[ReaderName, str] = {
    "columns": "tracks2zarr.tracks.coco_readers:read_columns",
    "rows": "tracks2zarr.tracks.coco_readers:read_rows",
}
#: One of these comes early in every file.
_KEYS = ('"images"', '"annotations"', '"categories"')


def clip_stem_of(path: Path) -> str:
    """Return the stem of the clip that a file belongs to, in composed form."""
    return clip_stem(path.name)


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a file, as far as its start shows; None where nothing is."""
    if problem := text_problem(path, start, EXPECTED):
        return problem
    text = start.content.decode("utf-8-sig", errors="replace").lstrip()
    if text.startswith("{") and any(key in text for key in _KEYS):
        return None
    is_list = text.startswith("[")
    return other_content(one_line(text), "a list without images" if is_list else None).problem(path)


def other_content(found: str, is_what: str | None = None) -> FileFault:
    """Return the problem of a file that is no object with images and annotations."""
    return FileFault(
        kind="tracks-json",
        what="A tracks file is not COCO JSON.",
        found=f"{is_what}: {found}" if is_what else found,
        expected=EXPECTED,
        remedy="Export the tracks again, with images and annotations in one file.",
    )
