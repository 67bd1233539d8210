"""Collects what is wrong with the rows of a tracks file, by kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.encodings import place_of_no_utf8
from tracks2zarr.common.problems import NO_SUCH_ROW, ROWS_NAMED, Problem, one_line
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks.file_start import EXPORT_AGAIN, FileFault, cut_off, not_utf8
from tracks2zarr.tracks.source_file import open_source


class BadRowError(Exception):
    """A row that breaks the format.

    Parameters
    ----------
    problem
        What is wrong, without file and row.
    """

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


class BadFileError(Exception):
    """A file from which no row can be read, or none from a row on.

    Parameters
    ----------
    fault
        What is wrong.
    """

    def __init__(self, fault: FileFault) -> None:
        super().__init__(fault.what)
        self.fault = fault


def other_fields(column: str, found: str, expected: str) -> Problem:
    """Return the problem of a row that has more or fewer fields than the format."""
    return Problem(
        kind="row-fields",
        what="A row has the wrong number of fields.",
        column=column,
        found=found,
        expected=expected,
    )


#: What all rows of a file have, if one has it: the first is an example of them.
NAMED_ONCE = frozenset({"decimal-comma", "json-quotes", "no-frame", "tracks-joined"})


class RowProblems:
    """Problems by kind: the first rows of each in full, and how many there are."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self._first: dict[str, list[Problem]] = {}
        self._count: dict[str, int] = {}

    def __bool__(self) -> bool:
        return bool(self._first)

    def has(self, kind: str) -> bool:
        """Tell whether there is any of a kind."""
        return kind in self._first

    def add(self, line: int, problem: Problem) -> None:
        """Add what is wrong with the row on a line."""
        first = self._first.setdefault(problem.kind, [])
        self._count[problem.kind] = self._count.get(problem.kind, 0) + 1
        if len(first) < (1 if problem.kind in NAMED_ONCE else ROWS_NAMED):
            first.append(
                replace(
                    problem,
                    file=str(self.path),
                    row=line,
                    found=one_line(problem.found),
                    remedy=problem.remedy or EXPORT_AGAIN,
                )
            )

    def add_fault(self, fault: FileFault) -> None:
        """Add what is wrong with the file, from which no row can be read then."""
        self._count[fault.kind] = 1
        self._first[fault.kind] = [fault.problem(self.path)]

    def all(self) -> Iterator[Problem]:
        """Yield the problems of each kind, then how many more there are of it."""
        for kind, first in self._first.items():
            rest = self._count[kind] - len(first)
            if rest and kind in NAMED_ONCE:
                (example,) = first
                found = f"{example.found}; and so in {count_text(rest, 'more row')}"
                yield replace(example, found=found)
                continue
            yield from first
            if rest:
                yield Problem(
                    kind=kind,
                    what=f"1 more row has this problem ({self._count[kind]} in all)."
                    if rest == 1
                    else f"{rest} more rows have this problem ({self._count[kind]} in all).",
                    file=str(self.path),
                    found=first[-1].what,
                    expected=NO_SUCH_ROW,
                    remedy=first[-1].remedy,
                )


def file_warnings(path: Path, *, is_mixed: bool, n_blank_rows: int) -> tuple[Problem, ...]:
    """Return what was noticed in a file that was read.

    Parameters
    ----------
    path
        The file.
    is_mixed
        Whether some images have a frame in their attributes, and others have none.
    n_blank_rows
        How many rows have no text in any cell.
    """
    warnings = []
    if is_mixed:
        warnings.append(_mixed_frames(path))
    if n_blank_rows:
        warnings.append(_blank_rows(path, n_blank_rows))
    return tuple(warnings)


def _blank_rows(path: Path, count: int) -> Problem:
    return Problem(
        kind="blank-rows",
        what=f"A tracks file has {count_text(count, 'blank row')}.",
        file=str(path),
        found="no text in any cell, as spreadsheet programs leave below a table",
        expected="a box or a frame in each row",
        remedy="Nothing, if no boxes are missing: blank rows are skipped.",
        severity="warning",
    )


def _mixed_frames(path: Path) -> Problem:
    """Return the warning that only some rows of a file have a frame in their attributes."""
    return Problem(
        kind="mixed-frames",
        what="Only some rows have a frame in their file attributes; the file names count.",
        file=str(path),
        column="file_attributes",
        found="'frame' in some rows",
        expected="'frame' in all rows, or in none",
        remedy="Check that the digits in the image file names are the frames.",
        severity="warning",
    )


def first_not_utf8(path: Path) -> FileFault:
    """Return the problem of a file that is not UTF-8, with the row of the first such byte."""
    with open_source(path) as source:
        for number, line in enumerate(source.file, start=1):
            if line.endswith(b"\n"):
                place = place_of_no_utf8(line)
            elif (place := place_of_no_utf8(line, is_all=False)) is None:
                return cut_off(number, "half a character at the end")
            if place is not None:
                return not_utf8(line, place, number)
    raise AssertionError("a file that is not UTF-8 has a line that is not")
