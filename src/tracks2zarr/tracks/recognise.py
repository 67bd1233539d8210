"""Finds out which format the tracks files in a folder have, by their names and how they begin."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from pathlib import Path

from tracks2zarr.tracks.files import candidates, is_recognised
from tracks2zarr.tracks.formats import DEFAULT_FORMAT, format_named, format_names

#: So many files are looked at; others in the folder may be anything.
_MOST_FILES = 20


def recognised_format(
    tracks_dir: Path, patterns: Sequence[str] | None, metadata_csv: Path | None
) -> str:
    """Return the name of the first format that knows a file; that of VIA where none does.

    Parameters
    ----------
    tracks_dir
        The folder of tracks files.
    patterns
        Glob patterns of the files; None for those of each format.
    metadata_csv
        The metadata CSV, which is no tracks file; None where there is none.
    """
    return format_found(tracks_dir, patterns, metadata_csv) or DEFAULT_FORMAT


def format_found(
    tracks_dir: Path, patterns: Sequence[str] | None, metadata_csv: Path | None
) -> str | None:
    """Return the name of the first format that knows a file; None where none does.

    The parameters are those of `recognised_format`.
    """
    if not tracks_dir.is_dir():
        return None
    for name in format_names():
        tracks_format = format_named(name)
        for pattern in patterns or tracks_format.PATTERNS:
            found = candidates(tracks_dir, pattern, metadata_csv, tracks_format)
            if any(
                is_recognised(tracks_dir / one, tracks_format) for one in islice(found, _MOST_FILES)
            ):
                return name
    return None
