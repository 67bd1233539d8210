"""What is wrong with a tracks file, as far as its first 64 KiB show.

Whoever plans wants to know of a wrong encoding before hours of work begin.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from tracks2zarr.common import encodings
from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks.frames import GUIDE_EXTENT, PLAIN_EXTENT
from tracks2zarr.tracks.header import (
    HEADER,
    HEADER_TEXT,
    is_header,
    split_at_return,
    split_header,
)
from tracks2zarr.tracks.source_file import FileStart

HOLE = encodings.HOLE
COPY_AGAIN = "Copy the file again, or export the tracks again; more rows may be missing."
EXPORT_AGAIN = "Export the tracks again."
#: The first name in the header of DeepLabCut's CSV files, which have key points.
_POSES = "scorer"
_REMEDY = "Export the tracks again, or leave the file out with --pattern."
_NOT_COMMAS = (
    "Export the tracks again; or save the spreadsheet as CSV separated by commas, for which the"
    " computer's region must write numbers with a point."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class FileFault:
    """What is wrong with a tracks file as a whole.

    Parameters
    ----------
    kind, what, found, expected, remedy, row
        As a `Problem` has them.
    """

    kind: str
    what: str
    found: str
    remedy: str
    expected: str = f"a CSV file in UTF-8 with the columns {HEADER_TEXT}"
    row: int | None = None

    def problem(self, path: Path) -> Problem:
        """Return the problem of a file."""
        return Problem(
            kind=self.kind,
            what=self.what,
            file=str(path),
            row=self.row,
            found=one_line(self.found),
            expected=self.expected,
            remedy=self.remedy,
        )


def start_problem(path: Path, start: FileStart) -> Problem | None:
    """Return what is wrong with a VIA tracks file as far as its start shows; None for nothing."""
    found = _no_text(start) or _header_fault(start) or _no_hole(start) or _no_utf8(start)
    return None if found is None else found.problem(path)


def text_problem(path: Path, start: FileStart, expected: str) -> Problem | None:
    """Return why a file is no text in UTF-8 as far as its start shows; None where it is.

    Parameters
    ----------
    path
        The file.
    start
        How it begins.
    expected
        What it should be.
    """
    found = _no_text(start) or _no_hole(start) or _no_utf8(start)
    return None if found is None else replace(found, expected=expected).problem(path)


def _no_text(start: FileStart) -> FileFault | None:
    """Return what a file is that is not text with the letters of ASCII."""
    content = start.content
    if not content:
        return FileFault(
            kind="tracks-empty",
            what="A tracks file is empty.",
            found="no header",
            expected=HEADER_TEXT,
            remedy=_REMEDY,
        )
    if name := encodings.wide_encoding(content):
        return FileFault(
            kind="tracks-not-utf8",
            what="A tracks file is not UTF-8.",
            found=f"text in {name}",
            remedy=encodings.SAVE_AS_UTF8,
        )
    if name := encodings.no_text(content):
        return FileFault(
            kind="tracks-not-csv",
            what="A tracks file is not a CSV file.",
            found=name,
            remedy=f"{EXPORT_AGAIN} Or save the spreadsheet as CSV.",
        )
    return nul_bytes(1) if content.startswith(HOLE) else None


def _no_hole(start: FileStart) -> FileFault | None:
    place = start.content.find(HOLE)
    return None if place < 0 else nul_bytes(encodings.row_at(start.content, place)[0])


def nul_bytes(row: int) -> FileFault:
    """Return the problem of a file that has zeros where text should be."""
    return FileFault(
        kind="tracks-nul-bytes",
        what="A tracks file has NUL bytes.",
        row=row,
        found="bytes that are zero, as a crash or an interrupted copy leaves them",
        remedy="Copy the file again, or export the tracks again.",
    )


def cut_off(row: int, found: str) -> FileFault:
    """Return the problem of a file that ends within a row."""
    return FileFault(
        kind="tracks-cut-off",
        what="A tracks file ends in the middle of a row.",
        row=row,
        found=found,
        expected="a last row that is whole",
        remedy=COPY_AGAIN,
    )


def no_csv(error: str, row: int, expected: str) -> FileFault:
    """Return the problem of a file that cannot be read as CSV from a row on."""
    return FileFault(
        kind="tracks-csv",
        what="A tracks file cannot be read as CSV.",
        row=row,
        found=error,
        expected=expected,
        remedy=EXPORT_AGAIN,
    )


def _header_fault(start: FileStart) -> FileFault | None:
    line, _ = split_at_return(start.content.partition(b"\n")[0])
    header = split_header(line) if line.strip() else []
    if is_header(header):
        return None
    if fault := metadata_fault(header):
        return fault
    mark, name = encodings.other_separator(header) or ("", "")
    # by 'sep=;' Excel is told
    if mark and (header[0] == f"sep={mark}" or is_header(header[0].split(mark))):
        return FileFault(
            kind="tracks-separator",
            what="A tracks file is not separated by commas.",
            row=1,
            found=f"a header separated by {name}",
            remedy=_NOT_COMMAS,
        )
    if header[:1] == [_POSES]:
        return FileFault(
            kind="tracks-poses",
            what="A tracks file has poses, not boxes.",
            row=1,
            found="a CSV file of DeepLabCut",
            remedy="Leave the file out with --pattern. movement loads and analyses poses.",
        )
    further = header[len(HEADER) :]
    if is_header(header[: len(HEADER)]) and not any(name.strip() for name in further):
        return FileFault(
            kind="tracks-columns",
            what="A tracks file has empty columns.",
            row=1,
            found=f"{count_text(len(further), 'empty column')} behind {HEADER[-1]}",
            remedy="Delete them in the spreadsheet and save it again, or export the tracks again.",
        )
    return other_header(header)


def metadata_fault(header: Sequence[str]) -> FileFault | None:
    """Return the problem of a metadata CSV in the place of a tracks file; None for other files."""
    names = {name.strip() for name in header}
    if not any({extent.first, extent.last} <= names for extent in (PLAIN_EXTENT, GUIDE_EXTENT)):
        return None
    return FileFault(
        kind="tracks-metadata",
        what="There is a metadata CSV among the tracks files.",
        row=1,
        found=",".join(header),
        expected="a folder with tracks files only",
        remedy="Move the file out of the folder, or pass it as the metadata CSV.",
    )


def other_header(header: Sequence[str]) -> FileFault:
    """Return the problem of a file that begins otherwise than the format does."""
    return FileFault(
        kind="tracks-header",
        what="A tracks file has the wrong header.",
        row=1,
        found=",".join(header) if header else "no header",
        expected=HEADER_TEXT,
        remedy=_REMEDY,
    )


def _no_utf8(start: FileStart) -> FileFault | None:
    place = encodings.place_of_no_utf8(start.content, is_all=start.is_all)
    if place is None:
        return None
    row, before = encodings.row_at(start.content, place)
    if encodings.place_of_no_utf8(start.content, is_all=False) is None:
        return cut_off(row, "half a character at the end")
    return not_utf8(start.content[place - before :], before, row)


def not_utf8(text: bytes, place: int, row: int) -> FileFault:
    """Return the problem of a file that has a byte that is not UTF-8, at a place in a row."""
    return FileFault(
        kind="tracks-not-utf8",
        what="A tracks file is not UTF-8.",
        row=row,
        found=encodings.byte_found(text, place),
        remedy=encodings.SAVE_AS_UTF8,
    )
