"""Tells whether what lies at a URL was published from the same store."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from hashlib import sha256

from tracks2zarr.common.documents import Document
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.publishing.problems import videos_of_another_store
from tracks2zarr.publishing.snapshot import Snapshot
from tracks2zarr.store.publication import RECORD, Published
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class Identity(Document):
    """What a store is known by, wherever it lies and whatever is converted in it."""

    format_key = "tracks2zarr_identity"

    store: str


def identity_of(store: Store, snapshot: Snapshot) -> str:
    """Return the identity of a store; it gets one when it is first published.

    It is the digest of the plan of that time, so a store that cannot be written to has one, too,
    as has one that is made anew from the same input. An unpacked archive has that of its store.

    Raises
    ------
    OSError
        If it cannot be read.
    """
    known = Identity.read(store.identity_file)
    if known is not None:
        return known.store
    published = Published.read(store.path / RECORD)
    identity = (published and published.store) or sha256(snapshot.plan).hexdigest()
    with suppress(OSError):
        Identity(store=identity).write(store.identity_file)
    return identity


def check_same_store(
    record: Published, identity: str, snapshot: Snapshot, place: str, *, may_replace: bool
) -> None:
    """Check that no video is replaced that was published from another store.

    Raises
    ------
    Tracks2ZarrError
        If one would be, and that is not asked for.
    """
    if may_replace or record.store in {None, identity}:
        return
    replaced = [
        video
        for video, one in sorted(record.videos.items())
        if video in snapshot.videos and one.content != snapshot.videos[video].content
    ]
    if replaced:
        raise Tracks2ZarrError(videos_of_another_store(place, replaced))
