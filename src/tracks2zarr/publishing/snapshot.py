"""What is to be published, as it was at the beginning: others may change the store meanwhile."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import file_names, read_file
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.loading.load_clip import check_finished
from tracks2zarr.publishing.problems import content_changed
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.publication import PLAN
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoSnapshot:
    """One video.

    Parameters
    ----------
    receipt_path, receipt
        Where its receipt lies in the store, and what it holds.
    content
        The digest of its group, by its receipt.
    names
        The files of its group, by their paths in the store.
    """

    receipt_path: str
    receipt: bytes
    content: str
    names: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    """The documents of a store, and its videos by id, sorted."""

    root: bytes
    plan: bytes
    videos: Mapping[str, VideoSnapshot]

    @classmethod
    def of(cls, store: Store) -> Snapshot:
        """Read the documents of a store.

        Raises
        ------
        OSError
            If one of them cannot be read.
        Tracks2ZarrError
            If a listed video is not as its receipt says.
        """
        videos = {video: _video(store, video) for video in sorted(listed_in(store))}
        # after the receipts: a root that is newer than a receipt lists files that are not sent
        root, plan = read_file(store.root_file), read_file(store.plan_file)
        return cls(root=root, plan=plan, videos=videos)

    def documents(self) -> dict[str, bytes]:
        """Return the plan and the receipts, by their paths."""
        receipts = {one.receipt_path: one.receipt for one in self.videos.values()}
        return {PLAN: self.plan, **receipts}

    def root_of(self, videos: Collection[str]) -> bytes:
        """Return the metadata of the root, as it lists some videos only."""
        document = json.loads(self.root)
        consolidated = document["consolidated_metadata"]
        listed = consolidated["metadata"]
        kept = {name: one for name, one in listed.items() if name.split("/")[0] in videos}
        if len(kept) == len(listed):
            return self.root
        consolidated["metadata"] = kept
        return json.dumps(document).encode()


def _video(store: Store, video: str) -> VideoSnapshot:
    """Return a video that is whole, and to which others added nothing."""
    _, added = check_finished(store, video)
    foreign = foreign_problem(store, video) if added else None
    if foreign is not None:
        raise Tracks2ZarrError(foreign)
    file = store.receipt_file(video)
    written = read_file(file)
    try:
        content = Receipt.from_json(written).content.digest
    except DocumentError:  # it was replaced since it was checked
        raise Tracks2ZarrError(content_changed(store, video)) from None
    return VideoSnapshot(
        receipt_path=file.relative_to(store.path).as_posix(),
        receipt=written,
        content=content,
        names=tuple(f"{video}/{name}" for name in file_names(store.group(video))),
    )
