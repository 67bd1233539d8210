"""Checks where a picture may be written."""

from __future__ import annotations

from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.store.existing import why_no_file_at


def check_output(file: Path) -> None:
    """Check that a picture can be written to a file, before anything is drawn.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    if (found := why_no_file_at(file)) is not None:
        raise Tracks2ZarrError(
            Problem(
                kind="output",
                what="The file cannot be written there.",
                file=str(file),
                found=found,
                expected="a new file, or one to replace, in a folder outside any store",
                remedy="Choose another one with -o.",
            )
        )
