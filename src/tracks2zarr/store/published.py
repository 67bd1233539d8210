"""A store that was published, by its URL or as an archive: what it says of its videos."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Mapping, Sequence
from functools import cached_property
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from tracks2zarr.common.archive import Archive, archive_path, is_archive
from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import read_json
from tracks2zarr.common.folder import Folder, is_folder
from tracks2zarr.common.near_names import did_you_mean, nearest_file
from tracks2zarr.common.object_store import Location, is_object_store
from tracks2zarr.common.objects import AT_ONCE, DamagedObjectError, Objects, StoredObject
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
    one_line,
)
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.publication import PLAN, RECORD, ROOT, Published
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

#: A store in a folder, or one that was published.
type AnyStore = Store | PublishedStore
#: What to do about most that is wrong with a published store.
PUBLISH_AGAIN = (
    "If the store is being published, try again later. Otherwise, run 'tracks2zarr publish' again."
)


def opened_store(place: str | os.PathLike[str]) -> AnyStore:
    """Return the store in a folder, or the one that was published at a URL or as an archive.

    Raises
    ------
    Tracks2ZarrError
        If there is none, it is broken, or an object store does not do what it is asked.
    """
    return PublishedStore.at(place) if is_published(place) else existing_store(place)


def is_published(place: object) -> bool:
    """Tell whether something is the URL of an object store, or the path of an archive."""
    return is_object_store(place) or is_archive(place)


class PublishedStore:
    """A published store. Its root is read when it is opened, its record when it is needed.

    Parameters
    ----------
    objects
        What holds it.
    root
        The content of its root.
    nodes
        The metadata that the root lists, by path.

    Attributes
    ----------
    videos
        The ids of the videos that the root lists, sorted.
    """

    def __init__(self, objects: Objects, root: bytes, nodes: Mapping[str, Any]) -> None:
        self.objects = objects
        self.nodes = nodes
        self.videos = tuple(sorted(name for name, node in nodes.items() if _is_video(name, node)))
        self.root = root

    @classmethod
    def at(cls, place: str | os.PathLike[str]) -> Self:
        """Open the published store at a URL or a path.

        Raises
        ------
        Tracks2ZarrError
            If none was published there, or the object store does not do what it is asked.
        """
        objects = _objects_at(place)
        root = objects.read(ROOT)
        nodes = _listed(root)
        if root is None or nodes is None:
            raise Tracks2ZarrError(_without_root(objects))
        return cls(objects, root, nodes)

    @property
    def path(self) -> str:
        """The URL or path, for messages."""
        return self.objects.place

    def group(self, video: str) -> str:
        """Return the URL or path of a video's group, for messages."""
        return f"{self.path}/{video}"

    def __str__(self) -> str:
        return self.path

    def __eq__(self, other: object) -> bool:
        return isinstance(other, PublishedStore) and self.path == other.path

    def __hash__(self) -> int:
        return hash(self.path)

    def __dask_tokenize__(self) -> tuple[str, ...]:
        """Return what names the chunks for dask: others after the store is published anew."""
        written = self._written_record or b""
        return self.path, sha256(self.root).hexdigest(), sha256(written).hexdigest()

    @cached_property
    def _written_record(self) -> bytes | None:
        return self.objects.read(RECORD)

    @cached_property
    def record(self) -> Published | None:
        """What was put there; None for a store that was copied there by other means.

        Raises
        ------
        Tracks2ZarrError
            If the record is damaged.
        """
        written = self._written_record
        try:
            return None if written is None else Published.from_json(written)
        except DocumentError as error:
            problem = objects_changed(self.path, RECORD, one_line(error))
            raise Tracks2ZarrError(problem) from None

    def read_record_again(self) -> Published | None:
        """Return the record as it is now, e.g. after the store was published anew."""
        for name in ("record", "_written_record"):
            self.__dict__.pop(name, None)
        return self.record

    def read_plan(self) -> Plan:
        """Return the plan that was published; an empty one where there is none.

        Raises
        ------
        Tracks2ZarrError
            If it is of another version, or no plan.
        """
        text = self.objects.read(PLAN)
        return Plan(()) if text is None else Plan.from_json(text, file=f"{self.path}/{PLAN}")

    def read_receipts(self, videos: Iterable[str]) -> dict[str, Receipt | DocumentError | None]:
        """Return the receipts of videos, or what is wrong with them; None where there is none."""
        named = list(videos)
        receipts = map_in_threads(self._receipt, named, count=AT_ONCE)
        return dict(zip(named, receipts, strict=True))

    def _receipt(self, video: str) -> Receipt | DocumentError | None:
        try:
            text = self.objects.read(f"{OWN_FOLDER}/receipts/{video}.json")
            return None if text is None else Receipt.from_json(text)
        except DocumentError as error:
            return error
        except DamagedObjectError as error:
            return DocumentError(error.problems[0].found)


def by_video(objects: Mapping[str, StoredObject]) -> dict[str, dict[str, StoredObject]]:
    """Return objects by the folder in the root that they lie in."""
    found: dict[str, dict[str, StoredObject]] = {}
    for path, one in objects.items():
        folder, mark, _ = path.partition("/")
        if mark:
            found.setdefault(folder, {})[path] = one
    return found


def _objects_at(place: str | os.PathLike[str]) -> Objects:
    if not is_archive(place):
        return Folder(str(place)) if is_folder(place) else Location(str(place))
    path = archive_path(place)
    try:
        return Archive(path)
    except FileNotFoundError:
        raise Tracks2ZarrError(_no_archive(path)) from None


def _listed(content: bytes | None) -> dict[str, Any] | None:
    """Return the nodes that the metadata of a root list; None where it is no root."""
    try:
        found: dict[str, Any] = read_json(content or b"")["consolidated_metadata"]["metadata"]
    except (ValueError, KeyError, TypeError):
        return None
    return found


def _is_video(name: str, node: Mapping[str, Any]) -> bool:
    return "/" not in name and node.get("node_type") == "group"


def objects_changed(place: str, path: str, found: str, *, remedy: str = PUBLISH_AGAIN) -> Problem:
    """Return the problem of objects that are not what was published.

    Parameters
    ----------
    place
        The URL or path of the store.
    path
        The video, or one object.
    found
        What is wrong.
    remedy
        What to do about it.
    """
    return Problem(
        kind="content-changed",
        what="Objects of a published video are missing or damaged.",
        file=f"{place}/{path}",
        found=found,
        expected="the objects that 'tracks2zarr publish' put there",
        remedy=remedy,
        video=path if "/" not in path else None,
    )


def _without_root(objects: Objects) -> Problem:
    """Return the problem of objects among which there is no root that lists groups."""
    if not isinstance(objects, Archive):
        interrupted = objects.read(RECORD) is not None
        return _interrupted(objects.place) if interrupted else _no_store(objects.place)
    roots = [name for name in objects.list() if name.count("/") == 1 and name.endswith(f"/{ROOT}")]
    folders = [name.split("/")[0] for name in roots if _listed(objects.read(name)) is not None]
    if folders:
        return _in_folder(Path(objects.place), folders)
    return _no_store(objects.place)


def _interrupted(place: str) -> Problem:
    return Problem(
        kind="not-finished",
        what="The store has not been published completely.",
        file=place,
        found=f"{RECORD}, without a {ROOT} that lists videos",
        expected=f"{ROOT}, which 'tracks2zarr publish' writes last",
        remedy="If the store is being published, try again later. If 'tracks2zarr publish' was"
        f" interrupted, run it again: tracks2zarr publish STORE {shlex.quote(place)}",
    )


def _in_folder(archive: Path, folders: Sequence[str]) -> Problem:
    target = archive.with_name("unpacked")  # beside the archive there may be the store itself
    unpack = shlex.join(["python3", "-m", "zipfile", "-e", str(archive), str(target)])
    return Problem(
        kind="no-store",
        what="The store is in a folder in the archive.",
        file=str(archive),
        found=f"a store in the folder {comma_list([f"'{one}'" for one in folders], 3)}",
        expected=f"an archive that 'tracks2zarr publish' wrote, with {ROOT} outside any folder",
        remedy="Write the archive with 'tracks2zarr publish', or unpack this one and pass the"
        f" folder: {unpack}",
    )


def _no_store(place: str) -> Problem:
    return Problem(
        kind="no-store",
        what="There is no Zarr store.",
        file=place,
        found="no root that lists groups",
        expected="a store that 'tracks2zarr publish' put there",
        remedy="Check the path." if is_archive(place) else "Check the URL.",
    )


def _no_archive(path: Path) -> Problem:
    beside = [one.name for one in path.parent.glob("*.zip")]
    return Problem(
        kind="no-store",
        what="There is no Zarr store.",
        file=str(path),
        found="no such file",
        expected="an archive that 'tracks2zarr publish' wrote",
        remedy=did_you_mean(path.name, beside, near_to=nearest_file) or "Check the path.",
    )
