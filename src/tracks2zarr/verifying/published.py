"""Verifies a published store: all of its objects against receipts, record and root."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass

from tracks2zarr.common.documents import DocumentError
from tracks2zarr.common.files import content_digest, read_json
from tracks2zarr.common.names import RESERVED_NAMES
from tracks2zarr.common.objects import AT_ONCE, DamagedObjectError, StoredObject
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list, one_line
from tracks2zarr.common.progress import Progress
from tracks2zarr.parallel.threads import map_in_threads
from tracks2zarr.store.additions import additions, arrays_of, has_our_name
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.ownership import added_to_group
from tracks2zarr.store.publication import ROOT, PublishedVideo
from tracks2zarr.store.published import PUBLISH_AGAIN, PublishedStore, by_video, objects_changed
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.root import nodes_of, root_document
from tracks2zarr.store.video_state import State
from tracks2zarr.verifying.one_video import VideoVerdict


def verify_published(
    store: PublishedStore, wanted: Collection[str] | None, progress: Progress
) -> tuple[list[VideoVerdict], list[Problem]]:
    """Compare all objects of videos with their receipts.

    Parameters
    ----------
    store
        The store.
    wanted
        The ids of the videos; None for all, and the root.
    progress
        Is told of each video.

    Returns
    -------
    tuple
        The verdicts, by video, and what concerns the root.

    Raises
    ------
    Tracks2ZarrError
        If there is no such video, or the object store does not do what it is asked.
    """
    objects = store.objects.list()
    videos = _videos(store, by_video(objects), wanted)
    progress.begin(list(videos), None)
    verdicts = []
    for name, video in videos.items():
        verdicts.append(video.verdict())
        progress.ended(name, verdicts[-1])
    return verdicts, [] if wanted is not None else [
        *_root_problems(store),
        *_strays(store, objects),
    ]


def quick_only(place: str) -> Problem:
    """Return the problem of a published store that is to be verified against its sources."""
    return Problem(
        kind="quick-only",
        what="A published store cannot be compared with its sources, which were not published.",
        file=place,
        found="no --quick",
        expected="--quick, which compares all objects with the receipts",
        remedy=f"Run: {shlex.join(['tracks2zarr', 'verify', '--quick', place])}",
    )


def _videos(
    store: PublishedStore,
    objects: Mapping[str, Mapping[str, StoredObject]],
    wanted: Collection[str] | None,
) -> dict[str, _Video]:
    """Return what lies in the place of each video, by its id, sorted."""
    record = store.record
    recorded = {} if record is None else record.videos
    found = {*store.videos, *recorded, *objects} - RESERVED_NAMES
    names = sorted(found if wanted is None else wanted)
    unknown = [name for name in names if name not in found]
    if unknown:
        raise Tracks2ZarrError(no_such_video(store.path, one, sorted(found)) for one in unknown)
    receipts = store.read_receipts(name for name in names if name in store.videos)
    return {
        name: _Video(store, name, receipts.get(name), recorded.get(name), objects.get(name, {}))
        for name in names
    }


@dataclass(frozen=True, slots=True)
class _Video:
    """What is known of a video.

    Parameters
    ----------
    store, video
        The store, and the video's id.
    receipt
        Its receipt, or what is wrong with it; None for none.
    recorded
        What was put there, by the record.
    objects
        What is there, by path.
    """

    store: PublishedStore
    video: str
    receipt: Receipt | DocumentError | None
    recorded: PublishedVideo | None
    objects: Mapping[str, StoredObject]

    def verdict(self) -> VideoVerdict:
        """Return the verdict, for which all objects are read."""
        if self.video not in self.store.videos:
            return self._unlisted()
        if not isinstance(self.receipt, Receipt):
            return VideoVerdict(self.video, State.FAILED, (self._no_receipt(),))
        if not self.objects:
            what = "The objects of a published video are missing."
            missing = self._problem("group-missing", what, "no objects", "the video's objects")
            return VideoVerdict(self.video, State.MISSING, (missing,))
        problems = [*self._differences(self.receipt)]
        state = State.FAILED if problems else State.DONE
        return VideoVerdict(
            self.video, state, (*problems, *self._additions()), self.receipt.n_boxes
        )

    def _unlisted(self) -> VideoVerdict:
        if self.recorded is not None:
            what = "A video has not been published completely."
            found, expected = "a video that the root does not list", "a video that it lists"
            problem = self._problem("not-finished", what, found, expected)
            return VideoVerdict(self.video, State.PENDING, (problem,))
        problem = Problem(
            kind="extra-group",
            what="There are objects in the published store that 'tracks2zarr publish' did not put"
            " there.",
            file=self.store.group(self.video),
            found=comma_list(sorted(self.objects), 5),
            expected="only videos that the root lists",
            remedy="Move them away, or remove them.",
            video=self.video,
        )
        return VideoVerdict(self.video, State.UNKNOWN, (problem,))

    @property
    def _arrays(self) -> Collection[str]:
        """The names of the arrays that are ours."""
        return arrays_of(self.receipt.plan if isinstance(self.receipt, Receipt) else None)

    def _no_receipt(self) -> Problem:
        expected = "the receipt that was written when the video was done"
        if self.receipt is None:
            what = "The receipt of a published video is missing."
            return self._problem("not-finished", what, "no receipt", expected)
        what = "The receipt of a published video is broken."
        return self._problem("receipt-broken", what, one_line(self.receipt), expected)

    def _differences(self, receipt: Receipt) -> Iterator[Problem]:
        if self.recorded is not None and self.recorded.content != receipt.content.digest:
            what = "The receipt of a published video is not the one that was published with it."
            found, expected = receipt.content.digest[:23], self.recorded.content[:23]
            yield self._problem("receipt-differs", what, f"{found}…", f"{expected}…")
        digests = self._digests()
        whole = {path: digest for path, digest in digests.items() if digest is not None}
        start = len(self.video) + 1
        content = content_digest({path[start:]: digest for path, digest in whole.items()})
        if len(whole) < len(digests) or content != receipt.content.digest:
            yield self._changed(digests)

    def _digests(self) -> dict[str, str | None]:
        """Return the digest of each object that has a name of ours."""
        start = len(self.video) + 1
        names = [path for path in self.objects if has_our_name(path[start:], self._arrays)]
        digests = map_in_threads(self.store.objects.digest, names, count=AT_ONCE)
        return dict(zip(names, digests, strict=True))

    def _changed(self, digests: Mapping[str, str | None]) -> Problem:
        """Return the problem of objects that are not as they were published, by their names."""
        known = {} if self.recorded is None else self.recorded.objects
        expected = {path: one.digest for path, one in known.items()} or digests
        both = digests.keys() & expected.keys()
        damaged = (path for path in both if not digests[path] or digests[path] != expected[path])
        kinds = {
            "missing": sorted(expected.keys() - digests.keys()),
            "damaged": sorted(damaged),
            "left over": sorted(digests.keys() - expected.keys()),
        }
        named = [f"{kind}: {comma_list(paths)}" for kind, paths in kinds.items() if paths]
        found = "; ".join(named) or f"{len(digests)} objects that are not those of the receipt"
        left_over = "Remove what is left over. " if kinds["left over"] else ""
        return objects_changed(self.store.path, self.video, found, remedy=left_over + PUBLISH_AGAIN)

    def _additions(self) -> Iterator[Problem]:
        start = len(self.video) + 1
        added = additions((path[start:] for path in self.objects), self._arrays)
        if added:
            remedy = "Keep your results in a separate store, and move these away."
            group = self.store.group(self.video)
            yield added_to_group(group, self.video, added, remedy=remedy)

    def _problem(self, kind: str, what: str, found: str, expected: str) -> Problem:
        return Problem(
            kind=kind,
            what=what,
            file=self.store.group(self.video),
            found=found,
            expected=expected,
            remedy=PUBLISH_AGAIN,
            video=self.video,
        )


def _root_problems(store: PublishedStore) -> Iterator[Problem]:
    """Yield what is wrong with the root, the record and the plan."""
    try:
        store.read_plan()
    except Tracks2ZarrError as error:
        yield from error.problems
    record = store.record
    unknown = [] if record is None else sorted(set(store.videos) - record.videos.keys())
    if unknown:
        yield _stale(store, f"videos that were not published: {comma_list(unknown)}")
    elif not _is_root_right(store):
        yield _stale(store, "other metadata")


def _is_root_right(store: PublishedStore) -> bool:
    """Tell whether the root says of the videos that it lists what their groups say."""
    paths = [f"{video}/zarr.json" for video in store.videos]
    documents = map_in_threads(store.objects.read, paths, count=AT_ONCE)
    try:
        nodes = {}
        for video, document in zip(store.videos, documents, strict=True):
            nodes.update(nodes_of(video, read_json(document or b"")))
        return bool(read_json(store.root) == root_document(nodes))
    except (DamagedObjectError, ValueError, KeyError, TypeError):
        return True  # the group is damaged, which its verdict says


def _strays(store: PublishedStore, objects: Iterable[str]) -> Iterator[Problem]:
    """Yield what lies beside the root and does not belong there."""
    for path in sorted(one for one in objects if "/" not in one and one != ROOT):
        yield Problem(
            kind="extra-file",
            what="There is something in the published store that does not belong there.",
            file=f"{store.path}/{path}",
            found=one_line(path),
            expected="groups, zarr.json and what tracks2zarr keeps",
            remedy="Move it away, or remove it.",
        )


def _stale(store: PublishedStore, found: str) -> Problem:
    return Problem(
        kind="stale-metadata",
        what="The root of the published store does not list what was published.",
        file=f"{store.path}/zarr.json",
        found=found,
        expected="the metadata of the published videos",
        remedy=PUBLISH_AGAIN,
    )
