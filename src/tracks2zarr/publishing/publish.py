"""``publish``: copies a finished store to an object store, and proves that it arrived."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from enum import StrEnum
from hashlib import file_digest

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import file_names, open_file
from tracks2zarr.common.object_store import Location, StoredObject
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.words import count_text, size_text
from tracks2zarr.loading.load_clip import check_finished
from tracks2zarr.publishing.published import (
    RECORD,
    Published,
    PublishedObject,
    PublishedVideo,
)
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.listing import listed_in
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

_ROOT = "zarr.json"
#: Requests take time without taking cores.
_THREADS = 16


class PublishResult(StrEnum):
    """What became of a video."""

    SENT = "sent"
    SAME = "same"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoPublished:
    """One video of a publication.

    Parameters
    ----------
    video
        Its id.
    result
        Whether anything of it was sent.
    n_sent, size_sent
        How many objects were sent, and their size in bytes.
    """

    video: str
    result: PublishResult
    n_sent: int
    size_sent: int

    def __str__(self) -> str:
        if self.result is PublishResult.SAME:
            return one_line(f"{self.video}: there already")
        sent = f"{count_text(self.n_sent, 'object')}, {size_text(self.size_sent)}"
        return one_line(f"{self.video}: sent {sent}")


def publish(
    store: str | os.PathLike[str],
    url: str,
    *,
    progress: bool | Progress = False,
) -> tuple[VideoPublished, ...]:
    """Copy the finished videos of a store to an object store.

    The root comes last, so readers never see a video that is not whole. Run again, only what
    changed is sent; it can be stopped at any moment. Nothing is removed but objects that an
    earlier publication put there and that the videos no longer have.

    Parameters
    ----------
    store
        The store; the videos that its root lists are published.
    url
        Where to, such as ``s3://bucket/CrabTracks.zarr``. See `Location`.
    progress
        Whether to show a bar, or what to tell how far it is.

    Returns
    -------
    tuple[VideoPublished, ...]
        The videos, sorted.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, a listed video is not as its receipt says, or the object store does
        not do what it is asked; what was sent until then is not sent again.
    """
    there = existing_store(store)
    receipts = {video: _receipt_of(there, video) for video in sorted(listed_in(there))}
    publication = _Publication.begun(there, Location(url, may_be_new=True), receipts)
    publication.unlist_changed()
    done = []
    with showing(progress) as told:
        told.begin(list(receipts), None)
        for video in receipts:
            done.append(publication.send_video(video))
            told.ended(video, done[-1])
    publication.finish()
    return tuple(done)


def _receipt_of(store: Store, video: str) -> Receipt:
    """Return the receipt of a video that is whole, and to which others added nothing."""
    receipt, added = check_finished(store, video)
    foreign = foreign_problem(store, video) if added else None
    if foreign is not None:
        raise Tracks2ZarrError(foreign)
    return receipt


class _Publication:
    """One publication: what is to be there, and what is."""

    def __init__(
        self,
        store: Store,
        location: Location,
        receipts: Mapping[str, Receipt],
        record: Published,
        objects: dict[str, StoredObject],
    ) -> None:
        self.store = store
        self.location = location
        self.receipts = receipts
        self.record = record
        self.objects = objects

    @classmethod
    def begun(
        cls, store: Store, location: Location, receipts: Mapping[str, Receipt]
    ) -> _Publication:
        """Look at what lies at the URL.

        Raises
        ------
        Tracks2ZarrError
            If a Zarr store lies there that was not published.
        """
        objects = location.list()
        written = location.read(RECORD)
        try:
            record = Published() if written is None else Published.from_json(written)
        except DocumentError as error:
            raise Tracks2ZarrError(_foreign(location, f"{RECORD}: {error}")) from None
        if written is None and _ROOT in objects:
            raise Tracks2ZarrError(_foreign(location, f"{_ROOT}, without {RECORD}"))
        return cls(store, location, receipts, record, objects)

    def is_there(self, video: str) -> bool:
        """Tell whether a video is there, whole and as it is in the store."""
        known = self.record.videos.get(video)
        return (
            known is not None
            and known.content == self.receipts[video].content.digest
            and all(self._is_as_sent(path, one) for path, one in known.objects.items())
        )

    def _is_as_sent(self, path: str, sent: PublishedObject) -> bool:
        found = self.objects.get(path)
        return found is not None and (found.size, found.tag) == (sent.size, sent.tag)

    def unlist_changed(self) -> None:
        """Let the root list only videos that are whole, before any of the others is changed."""
        whole = {video for video in self.receipts if self.is_there(video)}
        if _ROOT in self.objects and whole != set(self.receipts):
            self.location.write(_ROOT, _root_of(self.store, whole))

    def send_video(self, video: str) -> VideoPublished:
        """Send what the object store lacks of a video."""
        if self.is_there(video):
            return VideoPublished(video=video, result=PublishResult.SAME, n_sent=0, size_sent=0)
        known = self.record.videos.get(video)
        before = dict(known.objects) if known else {}
        names = [f"{video}/{name}" for name in file_names(self.store.group(video))]
        with ThreadPoolExecutor(_THREADS) as threads:
            sent = list(threads.map(lambda name: self._send(name, before.get(name)), names))
        now = {name: one for name, (one, _) in zip(names, sent, strict=True)}
        stale = [path for path in before if path not in now]
        content = self.receipts[video].content.digest
        # what is stale stays in the record until it is removed
        self._write_record(video, PublishedVideo(content="", objects=before | now))
        self.location.remove(stale)
        self._write_record(video, PublishedVideo(content=content, objects=now))
        new = [one for one, is_new in sent if is_new]
        size = sum(one.size for one in new)
        return VideoPublished(
            video=video, result=PublishResult.SENT, n_sent=len(new), size_sent=size
        )

    def _send(self, name: str, before: PublishedObject | None) -> tuple[PublishedObject, bool]:
        """Send a file unless it is there; return it, and whether it was sent."""
        path = self.store.path / name
        with open_file(path) as file:
            digest = file_digest(file, "sha256").hexdigest()
        if before is not None and before.digest == digest and self._is_as_sent(name, before):
            return before, False
        written = self.location.write(name, path)
        return PublishedObject(digest=digest, size=written.size, tag=written.tag), True

    def _write_record(self, video: str, published: PublishedVideo) -> None:
        self.record = self.record.with_video(video, published)
        self.location.write(RECORD, self.record.to_json().encode())

    def finish(self) -> None:
        """Send plan and receipts, and the root at last."""
        self.location.write(f"{OWN_FOLDER}/plan.json", self.store.plan_file)
        for video in self.receipts:
            file = self.store.receipt_file(video)
            self.location.write(file.relative_to(self.store.path).as_posix(), file)
        self.location.write(_ROOT, self.store.root_file)


def _root_of(store: Store, videos: set[str]) -> bytes:
    """Return the metadata of the root, as it lists some videos only."""
    document = json.loads(store.root_file.read_bytes())
    consolidated = document["consolidated_metadata"]
    listed = consolidated["metadata"]
    consolidated["metadata"] = {
        name: one for name, one in listed.items() if name.split("/")[0] in videos
    }
    return json.dumps(document).encode()


def _foreign(location: Location, found: str) -> Problem:
    return Problem(
        kind="published-otherwise",
        what="There is a Zarr store at the URL that tracks2zarr did not publish.",
        file=location.url,
        found=found,
        expected="nothing, or what an earlier 'tracks2zarr publish' put there",
        remedy="Publish to another URL.",
    )
