"""Tracks files of another format than the one that is read, which were perhaps meant."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list, same_command
from tracks2zarr.common.words import count_text
from tracks2zarr.tracks.files import candidates, is_recognised
from tracks2zarr.tracks.formats import FORMATS, FormatOfFolders, format_named


def clip_folder_given(folder: Path) -> Problem | None:
    """Return the problem of a folder that is one clip of a format of folders, or None."""
    for name in FORMATS:
        tracks_format = format_named(name)
        if isinstance(tracks_format, FormatOfFolders) and tracks_format.is_clip_folder(folder):
            return Problem(
                kind="clip-folder",
                what="The folder holds the files of one clip.",
                file=str(folder),
                found=f"the files of one clip in the format {name}",
                expected="a folder with one such folder per clip",
                remedy=f"Pass the folder above it, {folder.parent}, and for this clip alone"
                f" --pattern '{folder.name}'.",
            )
    return None


def files_of_other_formats(
    folder: Path, metadata_csv: Path | None, used: str, is_missing: Callable[[str], bool]
) -> Iterator[Problem]:
    """Yield a warning for each format in which clips without a tracks file have one.

    Parameters
    ----------
    folder
        The folder of tracks files.
    metadata_csv
        The metadata CSV; None where there is none.
    used
        The format that is read.
    is_missing
        Tells by its stem whether a clip has no tracks file.
    """
    for name in FORMATS if folder.is_dir() else ():
        if name == used:
            continue
        tracks_format = format_named(name)
        matching = {
            pattern: set(candidates(folder, pattern, metadata_csv, tracks_format))
            for pattern in tracks_format.PATTERNS
        }
        found = sorted(
            one
            for one in set().union(*matching.values())
            if is_missing(tracks_format.clip_stem_of(folder / one))
            and is_recognised(folder / one, tracks_format)
        )
        if found:
            # other patterns of the format may match files of the one that is read
            patterns = [one for one, names in matching.items() if not names.isdisjoint(found)]
            options = [option for one in patterns for option in ("--pattern", one)]
            yield Problem(
                kind="other-format",
                what="Clips without a tracks file have one in another format.",
                file=str(folder),
                found=f"{count_text(len(found), 'file')} that may be of the format {name}:"
                f" {comma_list(found, 3)}",
                expected=f"files of the format {used}, as the others are",
                remedy=f"To convert these, run {same_command('--format', name, *options)}; all"
                " clips of a video have one format.",
                severity="warning",
            )
