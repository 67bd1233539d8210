"""Checks where a picture may be written."""

from __future__ import annotations

import os
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.store.existing import enclosing_group


def check_output(file: Path) -> None:
    """Check that a picture can be written to a file, before anything is drawn.

    Raises
    ------
    Tracks2ZarrError
        If it cannot.
    """
    found = None
    if file.is_dir():
        found = "a folder"
    elif not file.parent.is_dir():
        found = f"no folder {file.parent}"
    elif enclosing_group(file.resolve()) is not None:
        found = "a file inside the store"
    elif not os.access(file.parent, os.W_OK):
        found = "a folder that cannot be written to"
    if found is not None:
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
