"""Publishes a store as an archive: one ZIP file, written whole or not at all."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO
from zipfile import ZIP_STORED, ZipFile, ZipInfo

from tracks2zarr.common.archive import Archive
from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.durable import sync, sync_file
from tracks2zarr.common.files import content_digest, open_file
from tracks2zarr.common.locks import LockedError, locked
from tracks2zarr.common.objects import PIECE, DamagedObjectError
from tracks2zarr.common.problems import Tracks2ZarrError, comma_list, one_line
from tracks2zarr.common.progress import Progress
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.publishing.identity import check_same_store, identity_of
from tracks2zarr.publishing.places import check_file
from tracks2zarr.publishing.problems import (
    archive_busy,
    content_changed,
    not_our_archive,
    other_videos,
)
from tracks2zarr.publishing.results import PublishResult, VideoPublished
from tracks2zarr.publishing.snapshot import Snapshot, VideoSnapshot
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.publication import (
    PLAN,
    RECORD,
    ROOT,
    Published,
    PublishedObject,
    PublishedVideo,
)
from tracks2zarr.store.store import Store

#: The same store gives the same bytes: the first time that a ZIP file can say, on Unix.
_TIME = (1980, 1, 1, 0, 0, 0)
_UNIX, _MODE = 3, (stat.S_IFREG | 0o644) << 16


def publish_archive(
    store: Store, path: Path, told: Progress, *, may_replace: bool = False
) -> tuple[VideoPublished, ...]:
    """Write the finished videos of a store into an archive, unless it holds them already.

    Parameters
    ----------
    store
        The store.
    path
        The archive. Only one that was published from this store is replaced.
    told
        Is told of each video.
    may_replace
        Whether to replace an archive that was published from another store.

    Raises
    ------
    Tracks2ZarrError
        As `publish` does.
    """
    target = Path(os.path.realpath(path))
    check_file(target)
    snapshot = Snapshot.of(store)
    identity = identity_of(store, snapshot)
    with _temporary(target) as temporary:
        told.begin(list(snapshot.videos), None)
        record = _record_there(store, target, snapshot)
        if record is not None:
            place = str(target)
            check_same_store(record, identity, snapshot, place, may_replace=may_replace)
        if record is not None and _is_same(record, target, snapshot):
            done = [_there_already(video) for video in snapshot.videos]
            for one in done:
                told.ended(one.video, one)
            return tuple(done)
        try:
            done = _write(store, temporary, snapshot, identity, told)
            temporary.replace(target)
            sync(target.parent)
        except OSError as error:
            raise Tracks2ZarrError(os_problem(error, target)) from error
    return tuple(done)


def _there_already(video: str) -> VideoPublished:
    return VideoPublished(video=video, result=PublishResult.SAME, n_sent=0, size_sent=0)


@contextmanager
def _temporary(target: Path) -> Iterator[Path]:
    """Yield a file beside the archive that no other process writes, and remove it afterwards.

    The file is its own lock. What a killed process left is not locked, and is taken over.
    """
    path = target.with_name(f".tracks2zarr-{target.name}.new")
    try:
        with locked(path, wait=False):
            own = path.stat()
            try:
                yield path
            finally:
                _remove(path, own)
    except LockedError:
        raise Tracks2ZarrError(archive_busy(str(target))) from None


def _remove(path: Path, own: os.stat_result) -> None:
    """Remove a file unless it has another name by now, and its own is that of another process."""
    with suppress(FileNotFoundError):
        if os.path.samestat(path.stat(), own):
            path.unlink()


# ---- what is there


def _record_there(store: Store, target: Path, snapshot: Snapshot) -> Published | None:
    """Return the record of the archive that is there; None where there is none.

    Raises
    ------
    Tracks2ZarrError
        If there is a file that was not published from this store.
    """
    try:
        return _checked_record(store, Archive(target), snapshot)
    except FileNotFoundError:
        return None
    except DamagedObjectError as error:
        found = one_line(error.problems[0].found)
        raise Tracks2ZarrError(not_our_archive(str(target), found)) from None


def _is_same(record: Published, target: Path, snapshot: Snapshot) -> bool:
    """Tell whether the archive holds the store already, undamaged."""
    archive = Archive(target)
    return record.videos.keys() == snapshot.videos.keys() and (
        _has_documents(archive, snapshot)
        and all(_holds(archive, video, one) for video, one in snapshot.videos.items())
    )


def _checked_record(store: Store, archive: Archive, snapshot: Snapshot) -> Published:
    """Return the record of an archive; it must account for all that is in there."""
    record = _record_of(archive)
    lost = sorted(record.videos.keys() - snapshot.videos.keys())
    if lost:
        raise Tracks2ZarrError(other_videos(archive.place, store, lost))
    ours = {path for one in record.videos.values() for path in one.objects}
    ours |= {f"{OWN_FOLDER}/receipts/{video}.json" for video in record.videos}
    foreign = sorted(archive.list().keys() - ours - {ROOT, PLAN, RECORD})
    if foreign:
        found = f"files that are not ours: {comma_list(foreign)}"
        raise Tracks2ZarrError(not_our_archive(archive.place, found))
    return record


def _record_of(archive: Archive) -> Published:
    try:
        written = archive.read(RECORD)
        if written is not None:
            return Published.from_json(written)
        found = f"no {RECORD}"
    except DocumentError as error:
        found = f"{RECORD}: {error}"
    except DamagedObjectError as error:
        found = f"{RECORD}: {error.problems[0].found}"
    raise Tracks2ZarrError(not_our_archive(archive.place, one_line(found)))


def _has_documents(archive: Archive, snapshot: Snapshot) -> bool:
    documents = {ROOT: snapshot.root_of(snapshot.videos), **snapshot.documents()}
    try:
        return all(archive.read(path) == content for path, content in documents.items())
    except DamagedObjectError:
        return False


def _holds(archive: Archive, video: str, one: VideoSnapshot) -> bool:
    """Tell whether an archive holds a video, by the digests of its files."""
    if archive.list(f"{video}/").keys() != set(one.names):
        return False
    digests = {name.removeprefix(f"{video}/"): archive.digest(name) for name in one.names}
    whole = {name: digest for name, digest in digests.items() if digest is not None}
    return len(whole) == len(digests) and content_digest(whole) == one.content


# ---- writing


def _write(
    store: Store, path: Path, snapshot: Snapshot, identity: str, told: Progress
) -> list[VideoPublished]:
    """Write all of an archive, and wait until it is on the disk.

    The root comes first, where readers look for it; the record, which has all digests, last.
    """
    done: list[VideoPublished] = []
    recorded: dict[str, PublishedVideo] = {}
    with path.open("wb") as file:
        with ZipFile(file, "w", ZIP_STORED) as archive:
            _add(archive, ROOT, snapshot.root_of(snapshot.videos))
            for name, content in sorted(snapshot.documents().items()):
                _add(archive, name, content)
            for video in snapshot.videos:
                recorded[video] = _add_video(archive, store, snapshot, video)
                done.append(_written(video, recorded[video]))
                told.ended(video, done[-1])
            record = Published(videos=recorded, store=identity)
            _add(archive, RECORD, record.to_json().encode())
        file.flush()
        sync_file(file.fileno())
    return done


def _written(video: str, published: PublishedVideo) -> VideoPublished:
    sizes = [one.size for one in published.objects.values()]
    return VideoPublished(
        video=video, result=PublishResult.SENT, n_sent=len(sizes), size_sent=sum(sizes)
    )


def _add_video(archive: ZipFile, store: Store, snapshot: Snapshot, video: str) -> PublishedVideo:
    """Add the files of a video, which must be those of its receipt."""
    one = snapshot.videos[video]
    objects = {name: _add_file(archive, name, store.path / name) for name in one.names}
    digests = {name.removeprefix(f"{video}/"): it.digest for name, it in objects.items()}
    if content_digest(digests) != one.content:
        raise Tracks2ZarrError(content_changed(store, video))
    return PublishedVideo(content=one.content, objects=objects)


def _add(archive: ZipFile, name: str, content: bytes) -> None:
    with archive.open(_entry(name, len(content)), "w") as entry:
        entry.write(content)


def _add_file(archive: ZipFile, name: str, path: Path) -> PublishedObject:
    with open_file(path) as file:
        size = os.fstat(file.fileno()).st_size
        with archive.open(_entry(name, size), "w") as entry:
            digest = _copy(file, entry)  # type: ignore[arg-type]
    return PublishedObject(digest=digest, size=size, tag="")


def _copy(source: BinaryIO, target: BinaryIO) -> str:
    """Copy a file piece by piece, and return its SHA-256."""
    digest = sha256()
    while piece := source.read(PIECE):
        digest.update(piece)
        target.write(piece)
    return digest.hexdigest()


def _entry(name: str, size: int) -> ZipInfo:
    """Return an entry that depends on the name and the size alone: chunks are compressed."""
    entry = ZipInfo(name, _TIME)
    entry.create_system, entry.external_attr = _UNIX, _MODE
    entry.compress_type, entry.file_size = ZIP_STORED, size
    return entry
