"""The problems of a video whose files in the store cannot be read, or hold something else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import ABSENT, read_file
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.system_problems import FULL, os_problem
from tracks2zarr.common.unfetched import annex_problem
from tracks2zarr.store.commands import converting
from tracks2zarr.store.ownership import moving_away
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

#: What is raised where a video in a store cannot be read.
UNREADABLE = (OSError, Tracks2ZarrError)


def unreadable_problem(store: Store, video: str, error: OSError | Tracks2ZarrError) -> Problem:
    """Return the problem of a video of which something cannot be read.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    error
        What was raised. Where the system could not do something else than read what the store has
        of the video, the problem is that of `os_problem`.
    """
    if isinstance(error, Tracks2ZarrError):
        return error.problems[0]
    own = _part_of(store, video, error)
    if own is None:
        return replace(os_problem(error, store.group(video)), video=video)
    return Problem(
        kind="video-unreadable",
        what="A file of a video in the store cannot be read.",
        file=str(error.filename),
        found=error.strerror or str(error),
        expected="a file that can be read, as it was written",
        remedy="Check the disk and the permissions. If the file is lost, move it away and convert"
        f" the video again: {moving_away(store, [own])} && {converting(store, video)}",
        video=video,
    )


def _part_of(store: Store, video: str, error: OSError) -> Path | None:
    """Return what of a video could not be read: its group or one of its documents."""
    is_of_writing = error.errno in FULL or error.filename2 is not None
    if is_of_writing or error.filename is None:
        return None
    place = Path(str(error.filename))
    parts = store.group(video), store.receipt_file(video), store.note_file(video)
    return next((part for part in parts if place.is_relative_to(part)), None)


def broken_receipt(store: Store, video: str) -> Problem | None:
    """Return the warning of a receipt that holds something else; None for a sound one or none."""
    file = store.receipt_file(video)
    if unfetched := annex_problem(file):
        return replace(unfetched.as_warning(), video=video)
    try:
        Receipt.from_json(read_file(file))
    except ABSENT:
        return None
    except DocumentError as error:
        found = one_line(error)
    else:
        return None
    return Problem(
        kind="receipt-broken",
        what="The receipt of a video is broken, so the video counts as unfinished.",
        file=str(file),
        found=found,
        expected="what tracks2zarr wrote when the video was done",
        remedy=f"Convert the video again: {converting(store, video)}",
        severity="warning",
        video=video,
    )
