"""Moves or copies one video from one store into another, recoverable at any point.

A moved video leaves its source only when it is complete in the target.
"""

from __future__ import annotations

import errno
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from tracks2zarr.common.display import OneLine
from tracks2zarr.common.files import read_content, write_atomically
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.merging import problems
from tracks2zarr.merging.copying import copy_folder
from tracks2zarr.merging.leaving_source import MovedVideos
from tracks2zarr.merging.marking_older import rename_and_describe
from tracks2zarr.merging.two_stores import Match, can_move, compare
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.paths import OWN_FOLDER
from tracks2zarr.store.planned import planned_video
from tracks2zarr.store.store import Store
from tracks2zarr.store.unreadable import UNREADABLE, unreadable_problem
from tracks2zarr.store.unverified import Unverified
from tracks2zarr.store.video_state import State, VideoInStore, video_in_store

#: What to do where two stores have different versions of a video.
OnConflict = Literal["error", "skip", "replace"]


class Fate(StrEnum):
    """What became of a video of a source."""

    MOVED = "moved"
    COPIED = "copied"
    #: The target had it already.
    SAME = "same"
    #: The target has another one, which was to be kept.
    SKIPPED = "skipped"
    LEFT = "left"


@dataclass(frozen=True, slots=True, kw_only=True, repr=False)
class MergedVideo(OneLine):
    """What became of a video of a source.

    Parameters
    ----------
    video
        The video's id.
    source
        The store that it came from, or is still in.
    fate
        What happened to it.
    state
        Its state in the source.
    problem
        Why it was left in the source, if the target does not have it either.
    unverified
        What is known about it, if another workflow made it.
    """

    video: str
    source: Path
    fate: Fate
    state: State
    problem: Problem | None = None
    unverified: str | None = None

    def __str__(self) -> str:
        words = {
            Fate.SAME: "there already",
            Fate.SKIPPED: "skipped, as another one is in the target",
            Fate.LEFT: f"left, as it is {self.state}"
            + ("" if self.problem else "; the target has it"),
        }
        return one_line(f"{self.video}: {words.get(self.fate, self.fate)} ({self.source.name})")


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoMerger:
    """Merges the videos of one store into another, one by one.

    Parameters
    ----------
    source, target
        The stores.
    copy
        Whether the source stays as it is.
    on_conflict
        What to do where the target has a different version of a video.
    individual_dim
        The name that the dimension of individuals gets in groups of the older workflow.
    moved
        The videos that the source has given away.
    """

    source: Store
    target: Store
    copy: bool
    on_conflict: OnConflict
    individual_dim: IndividualDim | None
    moved: MovedVideos

    def merge(self, video: str) -> MergedVideo:
        """Move or copy a video, unless it is not finished, or a run converts it.

        What fails is returned, not raised, so that other videos go on.
        """
        try:
            with self._locked(video):
                plan = planned_video(self.source, video)
                source = video_in_store(self.source, video, plan, holds_lock=True)
                plan = planned_video(self.target, video)
                target = video_in_store(self.target, video, plan, holds_lock=True)
                return self._merge_locked(source, target)
        except LockedError as error:
            in_source = Path(str(error)).is_relative_to(self.source.path)
            problem = problems.busy(self.source if in_source else self.target, video)
            return self._ended(video, Fate.LEFT, State.RUNNING, problem)
        except UNREADABLE as error:
            problem = self._unreadable(video, error)
            return self._ended(video, Fate.LEFT, State.FAILED, problem)

    def _unreadable(self, video: str, error: OSError | Tracks2ZarrError) -> Problem:
        """Return what could not be read, or written, of a video in one of the two stores."""
        if isinstance(error, Tracks2ZarrError):
            return error.problems[0]
        in_source = error.filename and Path(error.filename).is_relative_to(self.source.path)
        return unreadable_problem(self.source if in_source else self.target, video, error)

    @contextmanager
    def _locked(self, video: str) -> Iterator[None]:
        """Hold a video in both stores, and clear away what dead attempts at it left."""
        with ExitStack() as stack:
            stack.enter_context(self.target.video_lock(video))
            recover(self.target, video, ())
            if not self.copy:
                stack.enter_context(self.source.video_lock(video))
                recover(self.source, video, ())
            elif (self.source.path / OWN_FOLDER).is_dir():
                with suppress(OSError):  # a source that is read-only; digests tell of changes
                    stack.enter_context(self.source.video_lock(video))
            yield

    def _merge_locked(self, source: VideoInStore, target: VideoInStore) -> MergedVideo:
        video, match = source.video, compare(source, target)
        if match is Match.SAME and target.is_whole():
            return self._leave_to_target(source, target)
        if not can_move(source):
            has_it = target.state is State.DONE
            problem = None if has_it else problems.unfinished(source, self.target.path)
            return self._ended(video, Fate.LEFT, source.state, problem)
        if match is Match.CONFLICT and self.on_conflict == "skip":
            return self._ended(video, Fate.SKIPPED, source.state)
        if match is Match.CONFLICT and self.on_conflict == "error":
            remedy = "Another run put it there meanwhile. Merge again."
            problem = problems.conflict(source, target, remedy)
            return self._ended(video, Fate.LEFT, source.state, problem)
        foreign = foreign_problem(self.target, video)
        if foreign is not None:
            fate = Fate.SKIPPED if self.on_conflict == "skip" else Fate.LEFT
            problem = None if self.on_conflict == "skip" else foreign
            return self._ended(video, fate, source.state, problem)
        return self._transfer(source)

    def _leave_to_target(self, source: VideoInStore, target: VideoInStore) -> MergedVideo:
        """Remove a video from the source where the target has the very same."""
        if not self.copy and source.is_changed():
            problem = self._changed(source).as_warning()
            return self._ended(source.video, Fate.LEFT, State.MISSING, problem)
        self._complete(source, target)
        if not self.copy:
            self.target.make_durable(target.video)  # whoever put it there may not have waited
            self.moved.remove(source)
        return self._ended(source.video, Fate.SAME, source.state, note=target.note)

    def _changed(self, source: VideoInStore) -> Problem:
        """Return the problem of a video that is not as it was written: damaged, or added to."""
        foreign = foreign_problem(self.source, source.video)
        is_added_to = foreign is not None and foreign.kind == "foreign-arrays"
        return foreign if foreign and is_added_to else problems.damaged(source)

    def _ended(
        self,
        video: str,
        fate: Fate,
        state: State,
        problem: Problem | None = None,
        note: Unverified | None = None,
    ) -> MergedVideo:
        return MergedVideo(
            video=video,
            source=self.source.path,
            fate=fate,
            state=state,
            problem=problem,
            unverified=None if note is None else note.why(),
        )

    def _transfer(self, source: VideoInStore) -> MergedVideo:
        """Copy a video, check the copy, put it into its place; then it leaves its source."""
        video, content = source.video, read_content(source.group)
        if source.proof is not None and source.proof.content != content:
            return self._ended(video, Fate.LEFT, State.MISSING, self._changed(source))
        note = None
        attempt = Attempt.begin(self.target, video, self.target.temp)
        try:
            copy_folder(source.group, attempt.group, link=not self.copy)
            if read_content(attempt.group) != content:
                raise OSError(errno.EIO, "the copy differs from the original", str(source.group))
            if source.state is State.UNKNOWN:
                note = rename_and_describe(
                    source, attempt.group, content, self.individual_dim, attempt.name
                )
                self._copy_record(source)
                attempt.commit(note)
            elif source.receipt is not None:
                plan = source.plan or source.receipt.plan
                self._add_to_plan(plan)
                self._copy_record(source)
                attempt.commit(replace(source.receipt, attempt=attempt.name))
                self._add_to_plan(plan)  # a merge out of the target may just have dropped it
        finally:
            attempt.end(video)
        if not self.copy:
            self.moved.remove(source)
        fate = Fate.COPIED if self.copy else Fate.MOVED
        return self._ended(video, fate, source.state, note=note)

    def _add_to_plan(self, plan: VideoPlan) -> None:
        """Add a video's plan to the target's, or replace it there."""
        with self.target.root_lock():
            if planned_video(self.target, plan.video) != plan:
                self.target.write_plan(self.target.read_plan().joined(Plan((plan,))))

    def _copy_record(self, source: VideoInStore) -> None:
        """Copy what tasks recorded of the video; it is in the target before the receipt is."""
        path = source.store.record_file(source.video)
        if path.is_file():
            record = self.target.to_write(self.target.record_file(source.video))
            write_atomically(record, path.read_bytes())

    def _complete(self, source: VideoInStore, target: VideoInStore) -> None:
        """Do what a killed merge, or a move by hand, did not come to, where the group is there."""
        if target.state is State.UNKNOWN and target.note is not None:
            self.target.write_note(target.note)
            return
        if target.receipt is not None:
            self.target.note_file(target.video).unlink(missing_ok=True)
            plan = target.plan if target.fits_plan else source.plan
            self._add_to_plan(plan or target.receipt.plan)
            if not self.target.record_file(target.video).exists():
                self._copy_record(source)
