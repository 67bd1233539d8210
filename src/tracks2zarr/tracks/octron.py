"""The format of OCTRON, a folder per clip with one CSV per track: names, and how a file begins.

OCTRON (https://github.com/OCTRON-tracking/OCTRON-GUI, ``octron/tools/export_tracking.py``) writes
``octron_predictions/<video>_<tracker>/<label>_track_<number>.csv``: six lines ``key: value``, of
which the first is ``video_name``, an empty line, and a table with a header. Frames count from 0. A
box is ``bbox_x_min`` to ``bbox_x_max`` and ``bbox_y_min`` to ``bbox_y_max``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.encodings import UTF8_MARK
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.tracks.file_start import FileFault, text_problem
from tracks2zarr.tracks.formats import ReaderName
from tracks2zarr.tracks.source_file import FileStart, open_source
from tracks2zarr.tracks.source_folder import files_of

NAME = "octron"
SOURCE_SOFTWARE = "OCTRON"
PATTERNS: Sequence[str] = ("*", "octron_predictions/*")
EXPECTED = "a folder per clip with the CSV files that OCTRON writes, one per track"
READERS: Mapping[ReaderName, str] = {
    "columns": "tracks2zarr.tracks.octron_readers:read_columns",
    "rows": "tracks2zarr.tracks.octron_readers:read_rows",
}
#: The first line of a file begins so.
_FIRST_KEY = "video_name:"
#: So many lines come before the header of the table.
N_LINES_BEFORE = 7
#: The columns that are read, in this order.
EDGES = ("bbox_x_min", "bbox_y_min", "bbox_x_max", "bbox_y_max")
COLUMNS = ("frame_idx", "track_id", *EDGES, "confidence")
#: No line before the table is longer.
_LINE_BYTES = 1 << 16
#: A pattern chooses folders, not files in them.
_LEAVE_OUT, _REMOVE = "leave the file out with --pattern", "move the file out of the folder"


def is_clip_folder(folder: Path) -> bool:
    """Tell whether a folder holds the files of a clip."""
    try:
        return folder.is_dir() and bool(files_of(folder))
    except OSError:
        return False


def folder_problem(folder: Path) -> Problem | None:
    """Return the problem of a folder with tracks of two videos, or None.

    Raises
    ------
    OSError
        If the folder cannot be read.
    """
    videos = {name[0]: file for file in files_of(folder) if (name := _video_names(file))}
    if len(videos) < 2:
        return None
    found = comma_list([f"{video} in {file.name}" for video, file in videos.items()])
    return Problem(
        kind="tracks-of-two-videos",
        what="A folder has tracks of two videos.",
        file=str(folder),
        found=found,
        expected=f"the same {_FIRST_KEY.removesuffix(':')} in all of its files",
        remedy="Move the tracks of each video to a folder of its own.",
    )


def clip_stem_of(path: Path) -> str:
    """Return the stem of the clip that a folder belongs to, in composed form.

    It is the name of the video in the first file, where the folder has this name and perhaps that
    of a tracker behind it, as OCTRON calls folders; else the name of the folder.
    """
    folder = composed(path.name)
    try:
        names = _video_names(next(iter(files_of(path)), path))
    except OSError:
        names = []
    for name in names:
        if folder == name or folder.startswith(f"{name}_"):
            return name
    return folder.removesuffix("_tracks")


def _video_names(file: Path) -> list[str]:
    """Return the name of the video in a file, as it is and without extension; none if unreadable.

    The longer name comes first: only ``Loop05.mp4`` has an extension, and ``04.09.2023`` has none.
    """
    try:
        with open_source(file) as source:
            line = source.file.readline(_LINE_BYTES)
    except (OSError, Tracks2ZarrError):
        return []
    key, _, name = line.removeprefix(UTF8_MARK).decode(errors="replace").partition(" ")
    name = composed(name.strip().replace("\\", "/").rpartition("/")[2])
    if key != _FIRST_KEY or not name:
        return []
    return [name, name.rpartition(".")[0] or name]


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a file, as far as its start shows; None where nothing is."""
    if problem := text_problem(path, start, EXPECTED):
        return replace(problem, remedy=(problem.remedy or "").replace(_LEAVE_OUT, _REMOVE))
    text = start.content.decode("utf-8-sig", errors="replace")
    fault = header_fault(text.splitlines()[: N_LINES_BEFORE + 1])
    return None if fault is None else fault.problem(path)


def header_fault(lines: list[str]) -> FileFault | None:
    """Return what is wrong with the lines up to the header of the table; None where nothing is."""
    first, header = lines[:1], lines[N_LINES_BEFORE : N_LINES_BEFORE + 1]
    if not (first and first[0].startswith(_FIRST_KEY) and header):
        found, row = one_line(first[0].strip()) if first else "nothing", 1
        expected = f"{N_LINES_BEFORE} lines, of which the first begins with '{_FIRST_KEY}'"
    else:
        names = [name.strip() for name in header[0].split(",")]
        missing = [name for name in COLUMNS if name not in names]
        twice = [name for name in COLUMNS if names.count(name) > 1]
        if not missing and not twice:
            return None
        found, row = f"no column {comma_list(missing)}", N_LINES_BEFORE + 1
        found = found if missing else f"the column {comma_list(twice)} more than once"
        expected = f"a header with each of the columns {comma_list(COLUMNS)} once"
    return FileFault(
        kind="tracks-header",
        what="A tracks file has the wrong header.",
        row=row,
        found=found,
        expected=expected,
        remedy="Export the tracks from OCTRON again.",
    )
