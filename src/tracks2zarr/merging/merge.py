"""``merge``: moves or copies finished videos from other stores into one."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field
from itertools import chain
from pathlib import Path
from typing import get_args

from tracks2zarr.common.arguments import check_path, check_type
from tracks2zarr.common.display import Shown, Table
from tracks2zarr.common.posix import check_can_write
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, same_command
from tracks2zarr.common.progress import Progress, showing
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.common.words import count_text
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.merging.checks import check_stores
from tracks2zarr.merging.copying import copy_logs
from tracks2zarr.merging.leaving_source import MovedVideos
from tracks2zarr.merging.marking_older import mark_older
from tracks2zarr.merging.one_video import MergedVideo, OnConflict, VideoMerger
from tracks2zarr.merging.problems import clips_lost, conflict
from tracks2zarr.merging.two_stores import (
    Match,
    can_move,
    compare,
    names_in,
    videos_of,
)
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.commit import recover_all
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.root import Finalised, finalise_store
from tracks2zarr.store.store import Store
from tracks2zarr.store.store_mode import open_for_writing
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class Merged(Shown):
    """What a merge did.

    Parameters
    ----------
    target
        The store that was merged into.
    videos
        What happened to each video, source by source.
    finalised
        What the target's root lists now, and what is missing.
    emptied
        The sources that no longer have any videos.
    n_logs
        How many logs were moved or copied.
    problems
        Problems of a source as a whole.
    """

    target: Path
    videos: tuple[MergedVideo, ...]
    finalised: Finalised
    emptied: tuple[Path, ...] = ()
    n_logs: int = 0
    problems: tuple[Problem, ...] = ()

    @property
    def ok(self) -> bool:
        """Whether nothing was left that the target lacks, and no planned video is missing."""
        left = [video.problem for video in self.videos if video.problem]
        root = self.finalised
        whole = not (root.missing or root.unlisted or root.problems)
        return whole and not any(problem.is_error for problem in (*left, *self.problems))

    def __str__(self) -> str:
        fates = Counter(video.fate for video in self.videos)
        counts = ", ".join(f"{number:,} {fate}" for fate, number in fates.items())
        return f"{count_text(len(self.videos), 'video')}: {counts or 'none'}; {self.finalised}"

    def _shown_table(self) -> Table:
        """Return what became of each video."""
        rows = [(one.video, str(one.fate), one.source.name, str(one.state)) for one in self.videos]
        return Table(("video", "fate", "source", "state there"), rows, left=4)

    def _shown_problems(self) -> list[Problem]:
        """Return the problems of all videos, of the sources and of the target."""
        of_videos = [video.problem for video in self.videos if video.problem]
        return [*of_videos, *self.problems, *self.finalised.problems]


def merge(
    target: str | os.PathLike[str],
    sources: str | os.PathLike[str] | Iterable[str | os.PathLike[str]],
    *,
    copy: bool = False,
    on_conflict: OnConflict = "error",
    individual_dim: IndividualDim | None = None,
    progress: bool | Progress = False,
) -> Merged:
    """Move the finished videos of other stores into one, with their receipts, plans and logs.

    You can stop it at any moment and run it again.

    Parameters
    ----------
    target
        The store to move the videos into; an empty folder becomes a new store.
    sources
        The stores to move them from, or one store.
    copy
        Whether to leave the sources as they are.
    on_conflict
        What to do if two stores have different versions of a video: ``error`` changes
        nothing at all, ``skip`` keeps the target's, ``replace`` uses the source's.
    individual_dim
        The new name of the dimension of individuals in groups of the older workflow.
    progress
        Whether to show a progress bar, or an object that is told about the progress instead.

    Returns
    -------
    Merged
        A video that fails does not stop the others: see `Merged.ok`.

    Raises
    ------
    Tracks2ZarrError
        If the stores cannot be merged, or there are conflicts; nothing has been done then.
    ValueError
        If there is no source, or `on_conflict` or `individual_dim` is unknown.
    """
    check_path("target", target)
    check_type("sources", sources, (str, os.PathLike, Iterable), "a list of paths, or one path")
    paths = [sources] if isinstance(sources, str | os.PathLike) else list(sources)
    for path in paths:
        check_path("one of sources", path)
    if not paths:
        raise ValueError("there is no source")
    if on_conflict not in get_args(OnConflict):
        raise ValueError(f"on_conflict is {on_conflict!r}; expected one of {get_args(OnConflict)}")
    if individual_dim not in {None, *get_args(IndividualDim)}:
        raise ValueError(f"individual_dim is {individual_dim!r}")
    check_can_write()
    stores = check_stores(target, paths, move=not copy)
    with showing(progress) as shown:
        merging = _Merging(*stores, copy, on_conflict, individual_dim, shown)
        with merging.entered():
            return merging.run()


@dataclass(slots=True)
class _Merging:
    """One merge, with its settings, and what it has done so far."""

    target: Store
    sources: Sequence[Store]
    copy: bool
    on_conflict: OnConflict
    individual_dim: IndividualDim | None
    progress: Progress
    videos: list[MergedVideo] = field(default_factory=list)
    problems: list[Problem] = field(default_factory=list)
    n_logs: int = 0

    @contextmanager
    def entered(self) -> Iterator[None]:
        """Hold all stores against being replaced, and clear away what dead attempts left."""
        with ExitStack() as stack:
            for source in self.sources:
                if not self.copy:
                    stack.enter_context(open_for_writing(source, Plan(()), "a"))
                    recover_all(source)
                elif (source.path / OWN_FOLDER).is_dir():
                    with suppress(OSError):  # a source that is read-only
                        stack.enter_context(source.run_lock())
            self.sources = [stack.enter_context(source.holding()) for source in self.sources]
            if not self.target.exists():
                self.refuse_conflicts()  # before it is made
            stack.enter_context(open_for_writing(self.target, Plan(()), "a"))
            self.target = stack.enter_context(self.target.holding())
            recover_all(self.target)
            yield

    def refuse_conflicts(self) -> None:
        """Raise all conflicts at once.

        Nor may two sources differ where one of them would replace the other.
        """
        have = videos_of(self.target) if self.target.exists() else {}
        problems = []
        for source in self.sources:
            for video, there in videos_of(source).items():
                if not can_move(there):
                    continue
                if self.on_conflict != "skip" and (problem := self._forbidden(video)):
                    problems.append(problem)
                    continue
                other = have.get(video)
                match = Match.NEW if other is None else compare(there, other)
                if other is not None and match is Match.CONFLICT:
                    if not self._settles(other):
                        problems.append(conflict(there, other, self._remedy(other)))
                    elif self.on_conflict == "replace" and (lost := clips_lost(there, other)):
                        problems.append(lost)
                    if self.on_conflict == "skip":
                        continue
                if match is not Match.SAME:
                    have[video] = there
        if problems:
            raise Tracks2ZarrError(problems)

    def _forbidden(self, video: str) -> Problem | None:
        """Return the problem of what lies in a video's place in the target, if it must stay.

        What the older workflow made may go: it gets its note when the merge begins.
        """
        there = video_in_store(self.target, video, None)
        if there.state is State.UNKNOWN and can_move(there):
            return None
        return foreign_problem(self.target, video)

    def _settles(self, other: VideoInStore) -> bool:
        """Tell whether what was asked for settles a conflict with this video."""
        in_target = other.store == self.target
        return self.on_conflict == "skip" or (self.on_conflict == "replace" and in_target)

    def _remedy(self, other: VideoInStore) -> str:
        if other.store == self.target:
            return (
                f"To keep the target's, run {same_command('--on-conflict', 'skip')}; to replace it,"
                f" run {same_command('--on-conflict', 'replace')}"
            )
        return (
            f"To take the first, run {same_command('--on-conflict', 'skip')}; or merge them one by"
            " one."
        )

    def run(self) -> Merged:
        """Merge, and list in all roots what is there then."""
        self.refuse_conflicts()
        if (warning := self.target.lock_problem()) is not None:
            self.problems.append(warning)
        try:
            self.problems += mark_older(self.target, self.individual_dim)
            videos = [names_in(source) for source in self.sources]
            self.progress.begin([*chain.from_iterable(videos)], None)
            for source, names in zip(self.sources, videos, strict=True):
                self._merge_source(source, names)
        finally:
            if not self.copy:
                for source in self.sources:
                    self._finalise_source(source)
            finalised = finalise_store(self.target)
        emptied = [] if self.copy else [s.path for s in self.sources if not s.groups()]
        return Merged(
            target=self.target.path,
            videos=tuple(self.videos),
            finalised=finalised,
            emptied=tuple(emptied),
            n_logs=self.n_logs,
            problems=tuple(self.problems),
        )

    def _finalise_source(self, source: Store) -> None:
        try:
            finalise_store(source)
        except Tracks2ZarrError as error:
            self.problems += error.problems

    def _merge_source(self, source: Store, videos: Sequence[str]) -> None:
        self._join(source)
        merger = VideoMerger(
            source=source,
            target=self.target,
            copy=self.copy,
            on_conflict=self.on_conflict,
            individual_dim=self.individual_dim,
            moved=MovedVideos(source),
        )
        try:
            for video in videos:
                one = merger.merge(video)
                self.videos.append(one)
                self.progress.ended(video, one)
        finally:
            merger.moved.forget()
        self._copy_logs(source, videos)

    def _join(self, source: Store) -> None:
        """Add to the target's plan what it lacks of the source's."""
        with self.target.root_lock():
            plan = self.target.read_plan()
            planned = plan.by_id
            lacks = [
                video
                for video in source.read_plan().videos
                if video.video not in planned and not self.target.receipt_file(video.video).exists()
            ]
            if lacks:
                self.target.write_plan(plan.joined(Plan(tuple(lacks))))

    def _copy_logs(self, source: Store, videos: Sequence[str]) -> None:
        """Move or copy the logs of a source, unless it has videos that are being converted."""
        try:
            if any(source.is_running(video) for video in videos):
                return
            with self.target.root_lock():
                self.n_logs += copy_logs(source, self.target, move=not self.copy)
        except OSError as error:
            self.problems.append(os_problem(error, self.target.path))
