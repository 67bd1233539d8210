"""Decides what to do with each video of a plan, by the group mode."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterable, Mapping, Set
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Literal, Self

from tracks2zarr.common.files import folder_stamp, read_file
from tracks2zarr.common.problems import Problem
from tracks2zarr.common.unfetched import unfetched_in
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store import group_mode_problems as problems
from tracks2zarr.store.corrections import dropped, with_corrections, without_corrections
from tracks2zarr.store.ownership import additions_warning, foreign_problem
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unchanged import is_same_clip, unchanged_clips
from tracks2zarr.store.unreadable import broken_receipt

#: ``w-``: fail if it is there; ``w``: replace it; ``a``: add to it.
Mode = Literal["w-", "w", "a"]


class Action(StrEnum):
    """What is to be done for a video."""

    WRITE = "write"
    NOTE_PLACES = "note places"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for a video, and why.

    Parameters
    ----------
    action
        What is to be done; ``note places`` if the video is done, and sources were moved.
    plan
        The plan by which it is done; with ``a`` it has the clips that are kept, too. It names the
        places where sources lie now.
    kept
        The receipt of the group whose clips are kept.
    problem
        Why it is refused, or what the user should know.
    seen
        A digest of what the store held when that was decided: the receipt, and the stamp of
        the group. While they are the same, the decision stands.
    corrected
        By clip, for those to be read from a file that a correction chose: the receipt that the
        clip gets, but for what is counted.
    """

    action: Action
    plan: VideoPlan
    kept: Receipt | None = None
    problem: Problem | None = None
    seen: str = ""
    corrected: Mapping[str, ClipReceipt] = field(default_factory=dict)

    @classmethod
    def refused(cls, plan: VideoPlan, problem: Problem) -> Self:
        """Refuse a video."""
        return cls(Action.REFUSE, plan, problem=problem)

    def kept_clip(self, clip: str) -> ClipReceipt | None:
        """Return the receipt of a clip that is kept, or None for one to be read."""
        return None if self.kept is None else self.kept.clip(clip)


def problems_of(decisions: Iterable[Decision]) -> tuple[Problem, ...]:
    """Return what the user should know of some videos: why they are refused, or warnings."""
    return tuple(decision.problem for decision in decisions if decision.problem)


def decide(
    store: Store,
    plan: VideoPlan,
    mode: Mode,
    *,
    since: str,
    earlier: Decision | None = None,
    rehash: bool = False,
) -> Decision:
    """Decide what is to be done for a video.

    Parameters
    ----------
    store
        The store.
    plan
        The video's plan.
    mode
        The group mode.
    since
        When the run began (UTC, ISO 8601): with ``w``, a group that another run finished
        later than this is not replaced again.
    earlier
        What was decided before by the same plan, mode and `since`. It stands, and no group is
        read, unless the receipt or the group has changed since.
    rehash
        Whether to hash every tracks file, whatever its stamp.

    Returns
    -------
    Decision
    """
    seen = seen_of(store, plan.video)  # before it is read: what changes meanwhile is noticed
    if earlier is not None and earlier.seen == seen:
        return earlier
    decision = _decide(store, plan, mode, since, rehash=rehash)
    if decision.action is Action.WRITE and (problem := what_forbids(store, plan.video)):
        decision = Decision.refused(plan, problem)
    if decision.action in {Action.SKIP, Action.NOTE_PLACES}:
        decision = _beside_additions(store, decision)
    return replace(decision, seen=seen)


def _beside_additions(store: Store, decision: Decision) -> Decision:
    """Leave a finished video as it is where others added something to its group, and say so."""
    receipt = store.read_receipt(decision.plan.video)
    added = None if receipt is None else store.added_to(receipt, read=False)
    if receipt is None or not added:
        return decision
    problem = decision.problem or additions_warning(store, receipt.video, added)
    return Decision(Action.SKIP, receipt.plan, problem=problem)


def what_forbids(store: Store, video: str) -> Problem | None:
    """Return why a video's group may not be replaced, whatever is asked for, or None."""
    problem = foreign_problem(store, video)
    if problem is None and (unfetched := unfetched_in(store.group(video))):
        problem = replace(unfetched, video=video)
    return problem


def seen_of(store: Store, video: str) -> str:
    """Return a digest of a video's receipt and of the stamp of its group."""
    try:
        receipt = read_file(store.receipt_file(video))
    except FileNotFoundError:
        receipt = b""
    return f"{hashlib.sha256(receipt).hexdigest()} {folder_stamp(store.group(video))}"


def _decide(store: Store, plan: VideoPlan, mode: Mode, since: str, *, rehash: bool) -> Decision:
    receipt, anew = store.read_receipt(plan.video), without_corrections(plan)
    if receipt is None:
        decision = _without_receipt(store, anew, mode)
        return replace(decision, problem=decision.problem or broken_receipt(store, plan.video))
    plan = with_corrections(plan, receipt)
    is_replaced = mode == "w" and receipt.finished < since
    if not store.is_intact(receipt, read=True):
        return _damaged(store, anew if is_replaced else plan, receipt, mode, rehash=rehash)
    if is_replaced:
        return _replace(store, anew, receipt)
    unchanged = unchanged_clips(receipt, plan, rehash=rehash)
    if plan.fingerprint() == receipt.plan.fingerprint() and len(unchanged) == len(plan.clips):
        return _done(receipt, _with_places(receipt.plan, plan, unchanged))
    if mode == "w" and plan == anew:
        return _replace(store, anew, receipt)
    if mode != "a":  # with "w", it was corrected since the run began
        return Decision.refused(plan, problems.video_exists(store, plan, receipt, unchanged))
    return _add(store, plan, receipt, unchanged)


def _done(receipt: Receipt, placed: VideoPlan, problem: Problem | None = None) -> Decision:
    """Decide for a video to which nothing is added, by its plan with new places."""
    if placed.places == receipt.plan.places:
        return Decision(Action.SKIP, receipt.plan, problem=problem)
    return Decision(Action.NOTE_PLACES, placed, problem=problem)


def _with_places(then: VideoPlan, plan: VideoPlan, unchanged: Set[str]) -> VideoPlan:
    """Return the plan of a finished video, with the places where unchanged sources lie now."""
    have = then.by_clip
    kept = [clip for clip in plan.clips if clip.clip in have]
    same = [clip for clip in kept if is_same_clip(clip, have[clip.clip], unchanged)]
    metadata_csv = plan.metadata_csv if len(same) == len(then.clips) else then.metadata_csv
    placed = replace(then, metadata_csv=metadata_csv).with_clips_of(then, then.clips)
    return placed.with_clips_of(plan, same)


def _without_receipt(store: Store, plan: VideoPlan, mode: Mode) -> Decision:
    """Decide for a video without a valid receipt: unfinished, or made by somebody else."""
    note = store.unverified(plan.video)
    if note is not None and mode != "w":
        return Decision.refused(plan, problems.unverified_group(store, note))
    if note is not None or not store.has_group(plan.video):
        return Decision(Action.WRITE, plan)
    lost = sorted(store.clip_ids(plan.video) - plan.by_clip.keys())
    if not lost or not store.is_from_tracks2zarr(plan.video):
        return Decision(Action.WRITE, plan)  # what a run of this plan left, or not ours
    return Decision.refused(plan, problems.without_receipt(store, plan, lost))


def _damaged(
    store: Store, plan: VideoPlan, receipt: Receipt, mode: Mode, *, rehash: bool
) -> Decision:
    """Decide for a group that is not what its receipt says: it is made anew.

    With ``a``, the clips that the plan lacks are made anew, too, from where they came. Corrections
    that the plan has are kept: they are of the original tracks file as it was.
    """
    planned = plan.by_clip
    if corrected := {clip.clip for clip in plan.clips if clip.corrected is not None}:
        unchanged = unchanged_clips(receipt, plan, rehash=rehash)
        if not corrected <= unchanged:
            return Decision.refused(plan, problems.video_exists(store, plan, receipt, unchanged))
    lacking = [clip for clip in receipt.plan.clips if clip.clip not in planned]
    if mode != "a":
        return _replace(store, plan, receipt)
    if not lacking:
        return _write(plan, receipt)
    if receipt.plan.common != plan.common:
        unchanged = unchanged_clips(receipt, plan, rehash=rehash)
        return Decision.refused(plan, problems.video_exists(store, plan, receipt, unchanged))
    return _write(plan.with_clips_of(receipt.plan, lacking), receipt)


def _write(plan: VideoPlan, receipt: Receipt) -> Decision:
    """Decide to make a group anew, corrected clips from their corrected files."""
    corrected = {clip.clip for clip in plan.clips if clip.corrected is not None}
    then = {done.clip: done for done in receipt.clips if done.clip in corrected}
    return Decision(Action.WRITE, plan, corrected=then)


def _replace(store: Store, plan: VideoPlan, receipt: Receipt) -> Decision:
    """Decide for a group that is to be replaced: no clip of it may be lost."""
    lost = sorted(receipt.plan.by_clip.keys() - plan.by_clip.keys())
    if not lost or not os.path.lexists(store.group(plan.video)):
        decision = _write(plan, receipt)
        return replace(decision, problem=dropped(store.path, receipt, plan))
    return Decision.refused(plan, problems.clips_would_be_lost(store, plan, lost))


def _add(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> Decision:
    """Decide for a complete group that clips may be added to; what is there is kept."""
    then = receipt.plan
    if then.common != plan.common:
        return Decision.refused(plan, problems.video_exists(store, plan, receipt, unchanged))
    have = then.by_clip
    added = [clip for clip in plan.clips if clip.clip not in have]
    changed = [
        clip
        for clip in plan.clips
        if clip.clip in have and not is_same_clip(clip, have[clip.clip], unchanged)
    ]
    problem = problems.clips_kept(store, plan, changed) if changed else None
    placed = _with_places(then, plan, unchanged)
    if not added:
        return _done(receipt, placed, problem)
    union = replace(placed.with_clips_of(plan, added), layout=plan.layout)
    return Decision(Action.WRITE, union, kept=receipt, problem=problem)
