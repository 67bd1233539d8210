"""Why a store is not published."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tracks2zarr.common.problems import Problem, comma_list, same_command
from tracks2zarr.store.store import Store


def content_changed(store: Store, video: str) -> Problem:
    """Return the problem of a video whose files are not those of its receipt."""
    verifying = shlex.join(["tracks2zarr", "verify", str(store.path), video])
    return Problem(
        kind="content-changed",
        what="The files of a video that were sent do not match its receipt.",
        file=str(store.group(video)),
        found="a video that was converted again meanwhile, or a damaged file",
        expected="the files that the receipt describes",
        remedy=f"Run the same command again. If the error persists, run: {verifying}",
        video=video,
    )


def other_store(place: str, found: str) -> Problem:
    """Return the problem of a store at the URL that is not ours."""
    return Problem(
        kind="published-otherwise",
        what="There is a Zarr store at the URL that tracks2zarr did not publish.",
        file=place,
        found=found,
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL.",
    )


def not_ours(place: str, paths: Sequence[str]) -> Problem:
    """Return the problem of files at the URL that would be overwritten and are not ours."""
    return Problem(
        kind="published-otherwise",
        what="Files at the URL would be overwritten that tracks2zarr did not put there.",
        file=place,
        found=comma_list(paths),
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL, or move these files away.",
    )


def not_empty(place: str, paths: Sequence[str]) -> Problem:
    """Return the problem of files at the URL where nothing was published yet."""
    return Problem(
        kind="published-otherwise",
        what="There are files at the URL that tracks2zarr did not put there.",
        file=place,
        found=comma_list(paths, 5),
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL, such as a new folder below this one.",
    )


def other_videos(place: str, store: Store, videos: Sequence[str]) -> Problem:
    """Return the problem of published videos that the store does not list."""
    return Problem(
        kind="published-otherwise",
        what="Videos are published at the URL that the store does not list.",
        file=place,
        found=comma_list(videos),
        expected=f"only videos that {store.path} lists",
        remedy="Publish to another URL. If the videos were removed from this store on purpose,"
        " first remove everything at this URL.",
    )


def videos_of_another_store(place: str, videos: Sequence[str]) -> Problem:
    """Return the problem of published videos of another store that would be replaced."""
    return Problem(
        kind="published-otherwise",
        what="Videos that were published from another store would be replaced.",
        file=place,
        found=comma_list(videos),
        expected="nothing, or what was published from this store",
        remedy=f"Publish to another place. To replace them, run {same_command('--replace')}",
    )


def not_our_archive(place: str, found: str) -> Problem:
    """Return the problem of a file in the archive's place that is not ours, or is damaged."""
    return Problem(
        kind="published-otherwise",
        what="There is a file that tracks2zarr did not write, or that is damaged.",
        file=place,
        found=found,
        expected="nothing, or an archive that an earlier 'tracks2zarr publish' wrote",
        remedy="Move it away, or choose another name.",
    )


def archive_busy(place: str) -> Problem:
    """Return the problem of an archive that another process writes."""
    return Problem(
        kind="archive-busy",
        what="Another process is writing the archive.",
        file=place,
        found="a locked temporary file beside it",
        expected="one process at a time",
        remedy="Wait until it has ended, then run the same command again.",
    )


def no_place(place: str, found: str) -> Problem:
    """Return the problem of a place where no archive can be written."""
    return Problem(
        kind="output",
        what="The archive cannot be written there.",
        file=place,
        found=found,
        expected="a new file, or one to replace, in a folder outside any store",
        remedy="Choose another path.",
    )


def no_folder_place(place: str, found: str) -> Problem:
    """Return the problem of a folder that no store can be published to."""
    return Problem(
        kind="output",
        what="The store cannot be published there.",
        file=place,
        found=found,
        expected="a new or empty folder, in a folder that is there, outside any store",
        remedy="Correct the URL, or make the folder around it.",
    )
