"""``verify``: compares the videos of a store with their sources."""

from __future__ import annotations

import os
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Any

from tracks2zarr.common.arguments import check_optional_number, check_optional_path
from tracks2zarr.common.display import Shown, Table, problem_counts
from tracks2zarr.common.names import RESERVED_NAMES, composed
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.system_problems import ensure_open_files_limit
from tracks2zarr.parallel import interrupts
from tracks2zarr.parallel.cores import is_little_to_read, worker_count
from tracks2zarr.parallel.processes import end_if_importing_a_script
from tracks2zarr.parallel.workers import start_workers
from tracks2zarr.planning.metadata_csv import read_metadata
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.ownership import moving_away
from tracks2zarr.store.published import PublishedStore, is_published, opened_store
from tracks2zarr.store.root import is_stale
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import UNREADABLE, unreadable_problem
from tracks2zarr.store.video_state import State
from tracks2zarr.tracks.files import folder_problem
from tracks2zarr.verifying.one_video import (
    VideoToVerify,
    VideoVerdict,
    unverified_verdict,
    verify_video,
)
from tracks2zarr.verifying.published import quick_only, verify_published


@dataclass(frozen=True, slots=True, repr=False)
class Verification(Shown):
    """What was found in a store: its videos, sorted by id, and the problems of its root.

    For a published store, `store` is a str.
    """

    store: Path | str
    quick: bool
    videos: tuple[VideoVerdict, ...]
    problems: tuple[Problem, ...]

    @property
    def ok(self) -> bool:
        """Whether all of the store was verified."""
        return not self.problems and all(video.ok for video in self.videos)

    def as_dict(self) -> dict[str, Any]:
        """Return the document of ``verify --json``."""
        return {
            "store": str(self.store),
            "quick": self.quick,
            "ok": self.ok,
            "videos": [video.as_dict() for video in self.videos],
            "problems": [problem.as_dict() for problem in self.problems],
        }

    def __str__(self) -> str:
        good = sum(video.ok for video in self.videos)
        how = " (quick: files unchanged)" if self.quick else ""
        text = f"{good:,} of {len(self.videos):,} videos verified{how}"
        return ", ".join([text, *problem_counts(self._shown_problems())])

    def _shown_table(self) -> Table:
        """Return the verdict on each video."""
        rows = [
            (one.video, "verified" if one.ok else str(one.state), one.n_boxes or None)
            for one in self.videos
        ]
        return Table(("video", "state", "boxes"), rows, left=2)

    def _shown_problems(self) -> list[Problem]:
        """Return the problems of all videos, and of the root."""
        return [*(p for video in self.videos for p in video.problems), *self.problems]


def verify(
    store: str | os.PathLike[str],
    videos: str | Iterable[str] | None = None,
    *,
    quick: bool = False,
    tracks_dir: str | os.PathLike[str] | None = None,
    metadata: str | os.PathLike[str] | None = None,
    workers: int | None = None,
    progress: bool | Progress = False,
) -> Verification:
    """Compare every value of a store with its sources, re-read by an independent parser.

    Parameters
    ----------
    store
        The store, or the URL or the archive of a published one. The latter needs `quick`, because
        its sources were not published.
    videos
        Ids of the videos to verify; by default, all of them, and the root of the store.
    quick
        Whether to compare only receipts, sizes and digests, without reading the sources.
    tracks_dir
        The current folder of the tracks files; by default, where they were converted from.
    metadata
        The current path of the metadata CSV; by default, where it was.
    workers
        Number of worker processes; by default one per core, or none if there is little to do.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.

    Returns
    -------
    Verification
        Its `ok` tells whether everything was verified.

    Raises
    ------
    Tracks2ZarrError
        If there is no store or no such video, its plan cannot be read, `tracks_dir` or
        `metadata` does not exist, or `quick` is missing for a published store.
    """
    check_optional_path("tracks_dir", tracks_dir)
    check_optional_path("metadata", metadata)
    check_optional_number("workers", workers)
    end_if_importing_a_script()
    ensure_open_files_limit()
    if is_published(store) and not quick:
        raise Tracks2ZarrError(quick_only(str(store)))
    there = opened_store(store)
    _check_places(tracks_dir, metadata)
    if isinstance(there, PublishedStore):
        return _verify_published(there, videos, progress)
    plan = there.read_plan()
    wanted = None if videos is None else _named(there, plan, videos)
    tasks = [
        VideoToVerify(
            store=there.path,
            plan=video,
            quick=quick,
            tracks_dir=None if tracks_dir is None else Path(tracks_dir).absolute(),
            metadata_csv=None if metadata is None else Path(metadata).absolute(),
        )
        for video in plan.videos
        if wanted is None or video.video in wanted
    ]
    others = set(there.groups(but=plan.by_id))
    if wanted is not None:
        others &= wanted
    verdicts = {}
    with showing(progress) as shown, interrupts.deferred():
        shown.begin([*(task.plan.video for task in tasks), *sorted(others)], None)
        for verdict in chain(_verdicts(tasks, workers), _unplanned(there, others)):
            shown.ended(verdict.video, verdict)
            verdicts[verdict.video] = verdict
    found = tuple(verdicts[name] for name in sorted(verdicts))
    said = [problem for video in found for problem in video.problems]
    root_problems = _root_problems(there, plan) if wanted is None else ()
    of_root = tuple(problem for problem in root_problems if problem not in said)
    return Verification(there.path, quick, found, of_root)


def _verify_published(
    store: PublishedStore, videos: str | Iterable[str] | None, progress: bool | Progress
) -> Verification:
    wanted = None if videos is None else _composed(videos)
    with showing(progress) as shown, interrupts.deferred():
        verdicts, problems = verify_published(store, wanted, shown)
    return Verification(store.path, True, tuple(verdicts), tuple(problems))


def _composed(videos: str | Iterable[str]) -> set[str]:
    return {composed(one) for one in ([videos] if isinstance(videos, str) else videos)}


def _named(store: Store, plan: Plan, videos: str | Iterable[str]) -> set[str]:
    """Return the ids of videos that are named, all of which must be in the store."""
    named = _composed(videos)
    known = sorted([*store.groups(but=plan.by_id), *plan.by_id])
    unknown = sorted(named - set(known))
    if unknown:
        raise Tracks2ZarrError(no_such_video(store, video, known) for video in unknown)
    return named


def _check_places(
    tracks_dir: str | os.PathLike[str] | None, metadata: str | os.PathLike[str] | None
) -> None:
    """Check that the given places of the sources exist."""
    problem = None if tracks_dir is None else folder_problem(Path(tracks_dir))
    if problem is not None:
        raise Tracks2ZarrError(problem)
    if metadata is not None and not Path(metadata).is_file():
        raise Tracks2ZarrError(read_metadata(Path(metadata)).problems)


def _verdicts(tasks: list[VideoToVerify], workers: int | None) -> Iterator[VideoVerdict]:
    """Yield the verdict on each video."""
    is_little = is_little_to_read([task.plan.content_size for task in tasks])
    is_little |= all(task.quick for task in tasks)
    with start_workers(worker_count(workers, len(tasks), is_little=is_little)) as pool:
        yield from pool.map(verify_video, tasks)


def _unplanned(store: Store, groups: set[str]) -> Iterator[VideoVerdict]:
    for name in sorted(groups):
        try:
            note = None if store.is_from_tracks2zarr(name) else store.read_note(name)
        except UNREADABLE as error:
            problem = unreadable_problem(store, name, error)
            yield VideoVerdict(name, State.FAILED, (problem,))
            continue
        if note is not None:
            yield unverified_verdict(store, note)
            continue
        problem = Problem(
            kind="extra-group",
            what="The store has a group that is not in its plan.",
            file=str(store.group(name)),
            found=f"the group '{one_line(name)}'",
            expected="only videos of the plan",
            remedy="If it is a video, convert it, or merge the store that it comes from; else"
            f" move it out: {moving_away(store, [store.group(name)])}",
            video=name,
        )
        yield VideoVerdict(name, State.UNKNOWN, (problem,))


def _root_problems(store: Store, plan: Plan) -> Iterator[Problem]:
    """Yield what is wrong with the root: stale metadata, and what does not belong there."""
    try:
        stale = is_stale(store)
    except Tracks2ZarrError as error:
        stale = False
        yield from error.problems
    if stale:
        yield Problem(
            kind="stale-metadata",
            what="The consolidated metadata of the root are not those of the finished videos.",
            file=str(store.root_file),
            found="other metadata",
            expected="what 'tracks2zarr finalise' writes",
            remedy=f"Run: tracks2zarr finalise {shlex.quote(str(store.path))}",
        )
    planned = plan.by_id
    known = {*RESERVED_NAMES, *planned, *store.groups(but=planned)}
    for name in sorted(entry.name for entry in store.path.iterdir()):
        if name not in known:
            yield Problem(
                kind="extra-file",
                what="There is something in the store that does not belong there.",
                file=str(store.path / name),
                found=one_line(name),
                expected="groups, zarr.json and what tracks2zarr keeps",
                remedy=f"To move it out, run: {moving_away(store, [store.path / name])}",
            )
