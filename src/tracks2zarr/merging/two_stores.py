"""What two stores have of a video, and how they compare."""

from __future__ import annotations

from contextlib import suppress
from enum import StrEnum

from tracks2zarr.common.files import read_content
from tracks2zarr.merging.older_groups import why_not
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store


def can_move(one: VideoInStore) -> bool:
    """Tell whether a video is finished, or a group that the older workflow made."""
    if one.state is State.UNKNOWN:
        return why_not(one.group) is None
    return one.state is State.DONE


def original_digest(one: VideoInStore) -> str:
    """Return the digest of a group of another workflow, as that left it."""
    return one.note.original if one.note else read_content(one.group).digest


def names_in(store: Store) -> list[str]:
    """Return the ids of all videos that a store has or plans, sorted.

    Raises
    ------
    Tracks2ZarrError
        If its plan cannot be read.
    """
    receipts = {path.stem for path in store.receipt_file("any").parent.glob("*.json")}
    return sorted({*store.read_plan().by_id, *store.groups(), *receipts})


def videos_of(store: Store) -> dict[str, VideoInStore]:
    """Return all that a store has or plans and that can be read, by video, sorted."""
    plans, videos = store.read_plan().by_id, {}
    for name in names_in(store):
        with suppress(OSError):  # whoever merges it meets the error, too
            videos[name] = video_in_store(store, name, plans.get(name))
    return videos


class Match(StrEnum):
    """How a source's video compares with the target's."""

    #: The target has nothing that could be lost.
    NEW = "new"
    #: The target has the very same.
    SAME = "same"
    CONFLICT = "conflict"


def compare(source: VideoInStore, target: VideoInStore) -> Match:
    """Compare what a source has of a video with what the target has of it.

    Receipts and notes decide; no group with a receipt or a note is read.
    """
    if _are_same(source, target):
        return Match.SAME
    if not target.has_group:
        return Match.NEW
    if target.state is State.UNKNOWN or target.receipt is not None:
        return Match.CONFLICT
    # a group without a receipt, which a run left: lost is what the source has not got
    lost = target.store.clip_ids(target.video) - source.store.clip_ids(source.video)
    return Match.CONFLICT if lost else Match.NEW


def _are_same(source: VideoInStore, target: VideoInStore) -> bool:
    if source.state is State.UNKNOWN or target.state is State.UNKNOWN:
        return source.state is target.state and original_digest(source) == original_digest(target)
    if source.receipt is None or target.receipt is None or not source.fits_plan:
        return False
    return (
        source.receipt.fingerprint() == target.receipt.fingerprint()
        and source.receipt.content == target.receipt.content
    )
