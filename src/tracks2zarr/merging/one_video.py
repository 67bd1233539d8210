"""One video brought from one store into another, so that a crash at any point is recovered.

A moved video leaves its source only when it is complete in the target. First its group goes, in
one step; its receipt stays until the source's plan has no entry for it any more, and tells the
next merge what is left to do.
"""

from __future__ import annotations

import errno
import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass, field, replace
from enum import StrEnum
from pathlib import Path
from typing import Literal

from tracks2zarr.common.files import read_content, write_atomically
from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.system_problems import os_problem
from tracks2zarr.dataset.schema import IndividualDim
from tracks2zarr.merging.copying import copy_folder
from tracks2zarr.merging.held_video import Holding, PlanView, Relation, conflict, holding, relation
from tracks2zarr.merging.marking_older import noted
from tracks2zarr.merging.older_groups import why_not
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.commit import Attempt, recover
from tracks2zarr.store.store import OURS, State, Store
from tracks2zarr.store.unverified import Unverified

#: What to do where two stores have a video, and not the same of it.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class MergedVideo:
    """What became of a video of a source.

    Parameters
    ----------
    video
        The video's id.
    source
        The store that it came from, or is still in.
    fate
        What became of it.
    state
        How far it was in the source.
    problem
        Why it was left, where the target has not got it either.
    unverified
        What must be known of it, where another workflow made it.
    """

    video: str
    source: Path
    fate: Fate
    state: State
    problem: Problem | None = None
    unverified: str | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Bringing:
    """The way from one store into another.

    Parameters
    ----------
    source, target
        The stores.
    copy
        Whether the source stays as it is.
    on_conflict
        What to do where the target has a video, and not the same of it.
    individual_dim
        The name that the dimension of individuals gets in groups of the older workflow.
    planned_there, planned_here
        The plans of the source and of the target.
    moved
        The videos whose receipts are all that is left of them in the source.
    """

    source: Store
    target: Store
    copy: bool
    on_conflict: OnConflict
    individual_dim: IndividualDim | None
    planned_there: PlanView
    planned_here: PlanView
    moved: list[str] = field(default_factory=list)

    def bring(self, video: str) -> MergedVideo:
        """Bring a video into the target, unless it is not finished, or somebody is at work on it.

        What fails is returned, not raised, so that other videos go on.
        """
        problem: Problem | None
        try:
            with self._locked(video):
                there = holding(self.source, video, self.planned_there.get(video), is_locked=True)
                here = holding(self.target, video, self.planned_here.get(video), is_locked=True)
                return self._bring_locked(there, here)
        except LockedError as error:
            problem = self._busy(video, Path(str(error)))
            return self._ended(video, Fate.LEFT, State.RUNNING, problem)
        except OSError as error:
            problem = replace(os_problem(error, self.target.path), video=video)
            return self._ended(video, Fate.LEFT, State.FAILED, problem)

    @contextmanager
    def _locked(self, video: str) -> Iterator[None]:
        """Hold a video in both stores, and clear away what dead attempts at it left."""
        with ExitStack() as stack:
            stack.enter_context(self.target.video_lock(video))
            recover(self.target, video, ())
            if not self.copy:
                stack.enter_context(self.source.video_lock(video))
                recover(self.source, video, ())
            elif (self.source.path / OURS).is_dir():
                with suppress(OSError):  # a source that is read-only; digests tell of changes
                    stack.enter_context(self.source.video_lock(video))
            yield

    def _bring_locked(self, there: Holding, here: Holding) -> MergedVideo:
        video, how, problem = there.video, relation(there, here), None
        if how is Relation.SAME and here.is_whole():
            if not self.copy and there.is_changed():
                problem = self._damaged(there).as_warning()
                return self._ended(video, Fate.LEFT, State.MISSING, problem)
            self._complete(there, here)
            self._leave(there)
            return self._ended(video, Fate.SAME, there.state, unverified=here.note)
        if not there.can_move:
            if here.state is not State.DONE:
                problem = self._unfinished(there)
            return self._ended(video, Fate.LEFT, there.state, problem)
        if how is Relation.CONFLICT and self.on_conflict == "skip":
            return self._ended(video, Fate.SKIPPED, there.state)
        if how is Relation.CONFLICT and self.on_conflict == "error":
            problem = conflict(there, here, "Another run put it there meanwhile. Merge again.")
            return self._ended(video, Fate.LEFT, there.state, problem)
        return self._take(there)

    def _ended(
        self,
        video: str,
        fate: Fate,
        state: State,
        problem: Problem | None = None,
        unverified: Unverified | None = None,
    ) -> MergedVideo:
        return MergedVideo(
            video=video,
            source=self.source.path,
            fate=fate,
            state=state,
            problem=problem,
            unverified=None if unverified is None else unverified.why(),
        )

    # ---- taking

    def _take(self, there: Holding) -> MergedVideo:
        """Copy a video, check the copy, put it into its place; then it leaves its source."""
        video, before = there.video, read_content(there.group)
        proof = there.note if there.state is State.UNKNOWN else there.receipt
        if proof is not None and proof.content != before:
            return self._ended(video, Fate.LEFT, State.MISSING, self._damaged(there))
        note = None
        attempt = Attempt.begin(self.target, video, self.target.temp)
        try:
            copy_folder(there.group, attempt.group, link=not self.copy)
            if read_content(attempt.group) != before:
                raise OSError(errno.EIO, "the copy differs from the original", str(there.group))
            if there.state is State.UNKNOWN:
                note = noted(there, attempt.group, before, self.individual_dim, attempt.name)
                self._take_record(there)
                attempt.commit(note)
            elif there.receipt is not None:
                plan = there.plan or there.receipt.plan
                self._plan(plan)
                self._take_record(there)
                attempt.commit(replace(there.receipt, attempt=attempt.name))
                self._plan(plan)  # a merge out of the target may just have dropped it
        finally:
            attempt.end(video)
        self._leave(there)
        fate = Fate.COPIED if self.copy else Fate.MOVED
        return self._ended(video, fate, there.state, unverified=note)

    def _plan(self, plan: VideoPlan) -> None:
        """Let the target's plan have this of a video."""
        with self.target.root_lock():
            if self.planned_here.get(plan.video) != plan:
                self.target.write_plan(self.target.read_plan().joined(Plan((plan,))))

    def _take_record(self, there: Holding) -> None:
        """Take along what tasks left of the video; it is there before the receipt is."""
        path = there.store.record_file(there.video)
        if path.is_file():
            write_atomically(self.target.record_file(there.video), path.read_bytes())

    def _complete(self, there: Holding, here: Holding) -> None:
        """Do what a killed merge, or a move by hand, did not come to, where the group is there."""
        if here.state is State.UNKNOWN and here.note is not None:
            self.target.write_note(here.note)
            return
        if here.receipt is not None:
            self.target.note_file(here.video).unlink(missing_ok=True)
            kept = here.plan if here.is_current else there.plan
            self._plan(kept or here.receipt.plan)
            if not self.target.record_file(here.video).exists():
                self._take_record(there)

    # ---- leaving

    def _leave(self, there: Holding) -> None:
        """Remove from the source what the target has now; a receipt stays until `tidy`."""
        if self.copy:
            return
        source, video = there.store, there.video
        if os.path.lexists(there.group):
            trash = Attempt.begin(source, video, source.temp)
            there.group.rename(trash.group)
            trash.end(video)
        source.record_file(video).unlink(missing_ok=True)
        source.failure_file(video).unlink(missing_ok=True)
        source.note_file(video).unlink(missing_ok=True)
        if there.state is State.UNKNOWN:
            source.receipt_file(video).unlink(missing_ok=True)
        elif there.receipt is not None:
            self.moved.append(video)

    def tidy(self) -> None:
        """Take what was moved out of the source's plan, and then its receipts."""
        if not self.moved:
            return
        with self.source.root_lock():
            gone = {video for video in self.moved if not self.source.group(video).exists()}
            plan = self.source.read_plan()
            kept = tuple(video for video in plan.videos if video.video not in gone)
            if len(kept) < len(plan.videos):
                self.source.write_plan(Plan(kept))
            for video in sorted(gone):
                self._forget(video)

    def _forget(self, video: str) -> None:
        try:
            with self.source.video_lock(video):
                if not self.source.group(video).exists():
                    self.source.receipt_file(video).unlink(missing_ok=True)
        except LockedError:
            return  # somebody makes it anew

    # ---- what is said of those that are left

    def _busy(self, video: str, lock: Path) -> Problem:
        store = self.source if lock.is_relative_to(self.source.path) else self.target
        return Problem(
            kind="merge-busy",
            what="A run is at work on a video, so it was left where it is.",
            file=str(store.group(video)),
            found="a run that has not ended",
            expected="a video that nobody is at work on",
            remedy="Wait until the run has ended, then merge again.",
            video=video,
        )

    def _unfinished(self, there: Holding) -> Problem:
        if there.state is State.UNKNOWN:
            return Problem(
                kind="merge-unknown-group",
                what="A group that is no dataset of the older workflow was left where it is.",
                file=str(there.group),
                found=why_not(there.group),
                expected="a group that tracks2zarr or the older workflow made",
                remedy="Nothing, if it is yours. See howto/older-workflow.md for what is merged.",
                video=there.video,
            )
        failure = self.source.read_failure(there.video) if there.state is State.FAILED else []
        return Problem(
            kind="merge-unfinished",
            what="A video that is not finished was left where it is.",
            file=str(there.group),
            found=f"{there.state}: {failure[0].what}" if failure else str(there.state),
            expected="a video that is done",
            remedy=f"Finish it in its own store, then merge again; or in {self.target.path}, whose"
            " plan has it now: 'tracks2zarr create' with --store-mode a.",
            video=there.video,
        )

    def _damaged(self, there: Holding) -> Problem:
        return Problem(
            kind="merge-damaged",
            what="The files of a video are not those that were written, so it was left.",
            file=str(there.group),
            found="another digest than the one in its receipt",
            expected="the files that were written",
            remedy="Run 'tracks2zarr create' again with --store-mode a, in either store.",
            video=there.video,
        )
