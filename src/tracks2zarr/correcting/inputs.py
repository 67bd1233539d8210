"""Reads the two files of a correction: the clip's present one, and the corrected stretch."""

from __future__ import annotations

import re
import tempfile
from dataclasses import replace
from functools import partial
from pathlib import Path

from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.system_problems import found_instead
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.correcting import problems
from tracks2zarr.correcting.clip_in_store import ClipInStore
from tracks2zarr.correcting.file_boxes import FileBoxes, read_file_boxes
from tracks2zarr.planning.given_paths import with_file_beside
from tracks2zarr.tracks.files import check_tracks
from tracks2zarr.tracks.formats import format_named
from tracks2zarr.tracks.frames import FrameRule
from tracks2zarr.tracks.source_file import open_source
from tracks2zarr.tracks.source_folder import digest_of, stamp_of

#: VIA gives a new box each attribute that other boxes have, empty.
_EMPTY_CONFIDENCE = re.compile(rb'(""confidence""\s*:\s*)""""(?=\s*[,}])')


def read_both(there: ClipInStore, given: Path, rule: FrameRule) -> tuple[FileBoxes, FileBoxes]:
    """Return the boxes of a clip, and those of a corrected stretch of it.

    Parameters
    ----------
    there
        The clip.
    given
        The corrected file.
    rule
        How its frames are found.

    Raises
    ------
    Tracks2ZarrError
        If the first file is not as it was converted, or rows of the second break the format: all
        problems of both at once.
    """
    found: list[FileBoxes] = []
    errors: list[Problem] = []
    for read in (partial(_present, there), partial(_corrected, there, given, rule)):
        try:
            found.append(read())
        except Tracks2ZarrError as error:
            errors += error.problems
    if errors:
        clip, video = there.clip.clip, there.receipt.video
        raise Tracks2ZarrError(replace(one, video=video, clip=clip) for one in errors)
    before, after = found
    return before, after


def _present(there: ClipInStore) -> FileBoxes:
    """Read the file that the clip was made from."""
    clip, path = there.clip, there.clip.read_path
    if (pointer := annex_problem(path)) is not None:
        raise Tracks2ZarrError(pointer)
    try:
        rule = there.plan.frame_rule(clip)
        boxes = read_file_boxes(format_named(there.plan.format), path, rule)
        found = f"{boxes.digest[:23]}…, and not {there.done.read_digest[:23]}…"
        is_same = boxes.digest == there.done.read_digest
    except Tracks2ZarrError as error:  # it was sound when it was converted
        found, is_same = error.problems[0].what, False
    except OSError as error:
        found, is_same = found_instead(error), False
    if not is_same:
        raise Tracks2ZarrError(problems.absent_source(there.store, there.plan, clip, found))
    return boxes


def check_unchanged(there: ClipInStore, before: FileBoxes) -> None:
    """Check that the file that the clip was made from is still the one that was read.

    Raises
    ------
    Tracks2ZarrError
        If it is not.
    """
    path = there.clip.read_path
    try:
        if stamp_of(path) == before.stamp or digest_of(path) == before.digest:
            return
        found = "another file than when the changes were shown"
    except OSError as error:
        found = found_instead(error)
    raise Tracks2ZarrError(problems.absent_source(there.store, there.plan, there.clip, found))


def _corrected(there: ClipInStore, given: Path, rule: FrameRule) -> FileBoxes:
    """Read the corrected file."""
    tracks_format = format_named(there.plan.format)
    _, faults = check_tracks(given.parent, [given.name], tracks_format)
    if faults:
        found = problems.of_corrected_file(faults, given, given)
        raise Tracks2ZarrError(with_file_beside(one, given) for one in found)
    with tempfile.TemporaryDirectory() as folder:
        path = given
        try:
            path = _with_confidence(given, Path(folder))
            return read_file_boxes(tracks_format, path, rule)
        except Tracks2ZarrError as error:
            found = problems.of_corrected_file(error.problems, path, given)
            raise Tracks2ZarrError(found) from error


def _with_confidence(given: Path, folder: Path) -> Path:
    """Return a file of which no box has an empty text as its confidence: a copy, where one had."""
    with open_source(given) as source:
        if not any(map(_EMPTY_CONFIDENCE.search, source.file)):
            return given
    copy = folder / given.name
    with open_source(given) as source, copy.open("wb") as new:  # expanded, where it is compressed
        new.writelines(_EMPTY_CONFIDENCE.sub(rb"\1null", line) for line in source.file)
    return copy
