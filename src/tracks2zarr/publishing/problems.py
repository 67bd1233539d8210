"""Why a store is not published."""

from __future__ import annotations

import shlex
from collections.abc import Sequence

from tracks2zarr.common.object_store import Location
from tracks2zarr.common.problems import Problem, comma_list
from tracks2zarr.store.store import Store


def content_changed(store: Store, video: str) -> Problem:
    """Return the problem of a video whose files are not those of its receipt."""
    verifying = shlex.join(["tracks2zarr", "verify", str(store.path), video])
    return Problem(
        kind="content-changed",
        what="The files of a video that were sent are not those of its receipt.",
        file=str(store.group(video)),
        found="a video that was converted again meanwhile, or a damaged file",
        expected="the files that the receipt describes",
        remedy=f"Run the same command again. If the error persists, run: {verifying}",
        video=video,
    )


def other_store(location: Location, found: str) -> Problem:
    """Return the problem of a store at the URL that is not ours."""
    return Problem(
        kind="published-otherwise",
        what="There is a Zarr store at the URL that tracks2zarr did not publish.",
        file=location.place,
        found=found,
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL.",
    )


def not_ours(location: Location, paths: Sequence[str]) -> Problem:
    """Return the problem of files at the URL that would be overwritten and are not ours."""
    return Problem(
        kind="published-otherwise",
        what="Files at the URL would be overwritten that tracks2zarr did not put there.",
        file=location.place,
        found=comma_list(paths),
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL, or move these files away.",
    )


def other_videos(location: Location, store: Store, videos: Sequence[str]) -> Problem:
    """Return the problem of published videos that the store does not list."""
    return Problem(
        kind="published-otherwise",
        what="Videos are published at the URL that the store does not list.",
        file=location.place,
        found=comma_list(videos),
        expected=f"only videos that {store.path} lists",
        remedy="Publish to another URL. If the videos were removed from this store on purpose,"
        " first remove everything at this URL.",
    )
