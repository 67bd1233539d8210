"""``publish``: copies a finished store to an object store, and proves that it arrived."""

from __future__ import annotations

import os
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import replace as replaced
from hashlib import file_digest

from tracks2zarr.common.archive import archive_path, is_archive
from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import content_digest, open_file
from tracks2zarr.common.folder import folder_path, is_folder
from tracks2zarr.common.object_store import Location
from tracks2zarr.common.objects import AT_ONCE, StoredObject
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.publishing.archive import publish_archive
from tracks2zarr.publishing.identity import check_same_store, identity_of
from tracks2zarr.publishing.places import check_folder
from tracks2zarr.publishing.problems import (
    content_changed,
    not_empty,
    not_ours,
    other_store,
    other_videos,
)
from tracks2zarr.publishing.results import PublishResult, VideoPublished
from tracks2zarr.publishing.snapshot import Snapshot
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.publication import (
    RECORD,
    ROOT,
    Published,
    PublishedObject,
    PublishedVideo,
)
from tracks2zarr.store.store import Store


def publish(
    store: str | os.PathLike[str],
    url: str | os.PathLike[str],
    *,
    replace: bool = False,
    progress: bool | Progress = False,
) -> tuple[VideoPublished, ...]:
    """Copy the finished videos of a store to an object store, or into an archive.

    An archive is one ZIP file, and is written completely or not at all. In an object store, the
    root comes last, so readers never see an incomplete video. You can stop it at any moment and
    run it again: only what has changed is sent. Nothing is overwritten or removed except what was
    published there before.

    Parameters
    ----------
    store
        The store; the videos that its root lists are published.
    url
        Where to publish: a URL in an object store, such as ``s3://bucket/CrabTracks.zarr``, or the
        path of an archive, which ends in ``.zip``, such as ``CrabTracks.zarr.zip``.
    replace
        Whether to replace videos that were published there from another store. A store that was
        copied or moved, or in which videos were converted again, is the same store.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.

    Returns
    -------
    tuple[VideoPublished, ...]
        The videos, sorted.

    Raises
    ------
    Tracks2ZarrError
        If there is no store, a listed video does not match its receipt or changes in the meantime,
        something else is at the URL, or the object store does not carry out a request. Videos that
        have been sent by then are not sent again.
    """
    there = existing_store(store)
    with _local_files(), showing(progress) as told:
        if is_archive(url):
            return publish_archive(there, archive_path(url), told, may_replace=replace)
        snapshot = Snapshot.of(there)
        if is_folder(url):
            check_folder(there, folder_path(str(url)))
        location = Location(str(url))
        publication = _Publication.begun(there, location, snapshot, may_replace=replace)
        videos = list(snapshot.videos)
        told.begin(videos, None)
        done = []
        for video in videos:
            done.append(publication.send_video(video))
            told.ended(video, done[-1])
        publication.finish()
    return tuple(done)


@contextmanager
def _local_files() -> Iterator[None]:
    """Raise what the system answers about the files of the store as a problem."""
    try:
        yield
    except Tracks2ZarrError:
        raise
    except OSError as error:
        raise Tracks2ZarrError(os_problem(error)) from error


class _Publication:
    """One publication: what is to be there, and what is."""

    def __init__(
        self,
        store: Store,
        location: Location,
        snapshot: Snapshot,
        record: Published,
        objects: dict[str, StoredObject],
    ) -> None:
        self.store = store
        self.location = location
        self.snapshot = snapshot
        self.record = record
        self.objects = objects

    @classmethod
    def begun(
        cls, store: Store, location: Location, snapshot: Snapshot, *, may_replace: bool
    ) -> _Publication:
        """Look at what lies at the URL, and announce what changes there.

        Raises
        ------
        Tracks2ZarrError
            If something lies there that was not published from this store.
        """
        objects = location.list()
        record = _read_record(location)
        begun = cls(store, location, snapshot, record or Published(), objects)
        begun._check_ours(is_new=record is None)
        begun._claim(may_replace=may_replace)
        begun._unlist_changed()
        begun._announce()
        return begun

    def _check_ours(self, *, is_new: bool) -> None:
        """Check that all that is overwritten was published, and from this store."""
        if is_new and ROOT in self.objects:
            raise Tracks2ZarrError(other_store(self.location.place, f"{ROOT}, without {RECORD}"))
        if is_new and self.objects:
            raise Tracks2ZarrError(not_empty(self.location.place, sorted(self.objects)))
        lost = sorted(self.record.videos.keys() - self.snapshot.videos.keys())
        if lost:
            raise Tracks2ZarrError(other_videos(self.location.place, self.store, lost))
        foreign = self._foreign_paths()
        if foreign:
            raise Tracks2ZarrError(not_ours(self.location.place, foreign))

    def _claim(self, *, may_replace: bool) -> None:
        """Check that the record is that of the same store, and let it say so."""
        identity = identity_of(self.store, self.snapshot)
        place = self.location.place
        check_same_store(self.record, identity, self.snapshot, place, may_replace=may_replace)
        self.record = replaced(self.record, store=identity)

    def _foreign_paths(self) -> list[str]:
        """Return what is there of the paths to write, and not in the record."""
        ours = {path for one in self.record.videos.values() for path in one.objects}
        paths = {name for one in self.snapshot.videos.values() for name in one.names}
        return sorted((paths & self.objects.keys()) - ours)

    def _unlist_changed(self) -> None:
        """Let the root list only videos that are whole, before any of the others is changed."""
        whole = {video for video in self.snapshot.videos if self._is_there(video)}
        if ROOT in self.objects and whole != set(self.snapshot.videos):
            self.location.write(ROOT, self.snapshot.root_of(whole))

    def _announce(self) -> None:
        """Record all paths that are about to be written.

        If the publication is stopped and the video changes, the next one knows what to remove.
        """
        for video, one in self.snapshot.videos.items():
            if not self._is_there(video):
                unsent = PublishedObject(digest="", size=0, tag="")
                objects = dict.fromkeys(one.names, unsent) | self._recorded(video)
                published = PublishedVideo(content="", objects=objects)
                self.record = self.record.with_video(video, published)
        self._write_record()

    def _recorded(self, video: str) -> dict[str, PublishedObject]:
        known = self.record.videos.get(video)
        return dict(known.objects) if known else {}

    def _is_there(self, video: str) -> bool:
        """Tell whether a video is there, whole and as it is in the store."""
        known = self.record.videos.get(video)
        return (
            known is not None
            and known.content == self.snapshot.videos[video].content
            and all(self._is_as_sent(path, one) for path, one in known.objects.items())
        )

    def _is_as_sent(self, path: str, sent: PublishedObject) -> bool:
        found = self.objects.get(path)
        return found is not None and (found.size, found.tag) == (sent.size, sent.tag)

    def send_video(self, video: str) -> VideoPublished:
        """Send what the object store lacks of a video.

        Raises
        ------
        Tracks2ZarrError
            If what was sent is not what the video's receipt says.
        """
        if self._is_there(video):
            return VideoPublished(video=video, result=PublishResult.SAME, n_sent=0, size_sent=0)
        before = self._recorded(video)
        sent = self._send_all(self.snapshot.videos[video].names, before)
        now = {name: one for name, (one, _) in sent.items()}
        self._check_content(video, now)
        self.location.remove([one for one in before if one not in now and one in self.objects])
        content = self.snapshot.videos[video].content
        self.record = self.record.with_video(video, PublishedVideo(content=content, objects=now))
        self._write_record()
        sizes = [one.size for one, is_new in sent.values() if is_new]
        return VideoPublished(
            video=video, result=PublishResult.SENT, n_sent=len(sizes), size_sent=sum(sizes)
        )

    def _send_all(
        self, names: Sequence[str], before: dict[str, PublishedObject]
    ) -> dict[str, tuple[PublishedObject, bool]]:
        sent = map_in_threads(lambda name: self._send(name, before[name]), names, count=AT_ONCE)
        return dict(zip(names, sent, strict=True))

    def _send(self, name: str, before: PublishedObject) -> tuple[PublishedObject, bool]:
        """Send a file unless it is there; return it, and whether it was sent."""
        with open_file(self.store.path / name) as file:
            digest = file_digest(file, "sha256").hexdigest()
            if before.digest == digest and self._is_as_sent(name, before):
                return before, False
            file.seek(0)  # the same file, though another may have its name by now
            written = self.location.write(name, file)
        return PublishedObject(digest=digest, size=written.size, tag=written.tag), True

    def _check_content(self, video: str, now: dict[str, PublishedObject]) -> None:
        """Check that the objects of a video are the files that its receipt describes."""
        digests = {name.removeprefix(f"{video}/"): one.digest for name, one in now.items()}
        if content_digest(digests) != self.snapshot.videos[video].content:
            raise Tracks2ZarrError(content_changed(self.store, video))

    def _write_record(self) -> None:
        self.location.write(RECORD, self.record.to_json().encode())

    def finish(self) -> None:
        """Send plan and receipts, and the root at last."""
        for path, content in self.snapshot.documents().items():
            self.location.write(path, content)
        self.location.write(ROOT, self.snapshot.root_of(self.snapshot.videos))


def _read_record(location: Location) -> Published | None:
    written = location.read(RECORD)
    try:
        return None if written is None else Published.from_json(written)
    except DocumentError as error:
        raise Tracks2ZarrError(other_store(location.place, f"{RECORD}: {error}")) from None
