"""The MOTChallenge text format: file names, and how a file begins.

The format is that of the benchmark (https://arxiv.org/abs/1603.00831, section 4.1): one row per
box, ``frame,id,left,top,width,height,confidence,x,y,z``, without a header; frames count from 1.
What follows the confidence is not read: in results, it is a place in the world, in ground truth
the class and the visibility.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from tracks2zarr.common.encodings import other_separator
from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.tracks.file_start import FileFault, metadata_fault, text_problem
from tracks2zarr.tracks.formats import ReaderName, clip_stem
from tracks2zarr.tracks.source_file import FileStart

NAME = "mot"
SOURCE_SOFTWARE = "MOTChallenge"
#: The last one is the layout of the benchmark, where a folder has the name of the clip.
PATTERNS: Sequence[str] = (
    *("*.txt", "*.txt.gz", "*.txt.zst"),
    *("*.csv", "*.csv.gz", "*.csv.zst"),
    "*/gt/gt.txt",
)
EXPECTED = "a text file with rows of frame,id,left,top,width,height,confidence, without a header"
READERS: Mapping[ReaderName, str] = {
    "columns": "tracks2zarr.tracks.mot_readers:read_columns",
    "rows": "tracks2zarr.tracks.mot_readers:read_rows",
}
COLUMNS = ("frame", "id", "left", "top", "width", "height", "confidence")
#: A row has at least so many values: the confidence may be missing.
LEAST_VALUES = 6


def clip_stem_of(path: Path) -> str:
    """Return the stem of the clip that a file belongs to, in composed form.

    >>> clip_stem_of(Path("crabs-Loop05.txt")), clip_stem_of(Path("crabs-Loop05/gt/gt.txt"))
    ('crabs-Loop05', 'crabs-Loop05')
    """
    if path.name.lower() == "gt.txt" and path.parent.name == "gt":
        return composed(path.parent.parent.name)
    return clip_stem(path.name)


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a file, as far as its start shows; None where nothing is.

    A file without any row is one without boxes.
    """
    if not start.content:
        return None
    if problem := text_problem(path, start, EXPECTED):
        return problem
    text = start.content.decode("utf-8-sig", errors="replace")
    first = next((line for line in text.splitlines() if line.strip()), None)
    return None if first is None else _first_row_problem(path, first)


def _first_row_problem(path: Path, row: str) -> Problem | None:
    fields = row.split(",")
    separator = other_separator(fields)
    if separator is None and len(fields) >= LEAST_VALUES and _is_number(fields[0]):
        return None
    if fault := metadata_fault(fields):
        return fault.problem(path)
    fault = FileFault(
        kind="tracks-separator" if separator else "tracks-header",
        what="A tracks file is not separated by commas."
        if separator
        else "A tracks file does not begin with a row of numbers.",
        row=1,
        found=f"values separated by {separator[1]}" if separator else one_line(row),
        expected=EXPECTED,
        remedy="Export the tracks again, or leave the file out with --pattern."
        if separator
        else "If row 1 is a header, remove it. Otherwise, leave the file out with --pattern.",
    )
    return fault.problem(path)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True
