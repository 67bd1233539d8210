"""Decides what to do with each video of a plan, by the group mode."""

from __future__ import annotations

import glob
import hashlib
import os
from collections.abc import Callable, Mapping, Set
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import partial
from typing import Literal

from tracks2zarr.common.files import folder_stamp
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.common.unfetched import unfetched_in
from tracks2zarr.planning.plan import ClipPlan, Plan, VideoPlan
from tracks2zarr.store.ownership import foreign_problem, moving_away
from tracks2zarr.store.planned import busy_problem
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unchanged import unchanged_clips
from tracks2zarr.store.unverified import Unverified

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
    """

    action: Action
    plan: VideoPlan
    kept: Receipt | None = None
    problem: Problem | None = None
    seen: str = ""

    def kept_clip(self, clip: str) -> ClipReceipt | None:
        """Return the receipt of a clip that is kept, or None for one to be read."""
        return None if self.kept is None else self.kept.clip(clip)


def join(
    store: Store,
    plan: Plan,
    mode: Mode,
    *,
    since: str,
    keep_going: bool = False,
    rehash: bool = False,
) -> dict[str, Decision]:
    """Add a plan to its store's; refuse what the group mode forbids, all of it at once.

    Parameters
    ----------
    store
        The store.
    plan
        What is to be done.
    mode
        What to do where a video is there.
    since
        When the run began (UTC, ISO 8601).
    keep_going
        Whether to join the other videos although some are refused; for those, the store's
        plan stays as it is.
    rehash
        As for `decide`.

    Returns
    -------
    dict
        The decisions, by video; those that a living process is at work on are not among them.

    Raises
    ------
    Tracks2ZarrError
        If any video is refused, unless `keep_going`; the plan is not joined then.
    """
    # groups are read before the lock is taken, since other runs wait for it
    decide_one = partial(decide, store, mode=mode, since=since, rehash=rehash)
    decisions = _decide_all(store, plan, decide_one, {})
    with store.root_lock():
        decisions = _decide_all(store, plan, decide_one, decisions)
        busy = [video for video in plan.videos if video.video not in decisions]
        decisions |= _refused_as_busy(store, busy, mode)
        refused = {v: d.problem for v, d in decisions.items() if d.action is Action.REFUSE}
        if refused and not keep_going:
            raise Tracks2ZarrError(problem for problem in refused.values() if problem)
        there = store.read_plan()
        planned = there.by_id
        wanted = {video.video: planned.get(video.video, video) for video in busy}
        wanted |= {v: d.plan for v, d in decisions.items()}
        added = tuple(video for name, video in wanted.items() if name not in refused)
        store.write_plan(there.joined(Plan(added)))
    return decisions


def _decide_all(
    store: Store,
    plan: Plan,
    decide_one: Callable[..., Decision],
    earlier: Mapping[str, Decision],
) -> dict[str, Decision]:
    """Decide for the videos of a plan that no living process is at work on.

    Nothing is decided for one that cannot be read: whoever converts it meets the error.
    """
    decisions = {}
    for video in plan.videos:
        name = video.video
        if not store.is_running(name):
            with suppress(OSError):
                decisions[name] = decide_one(plan=video, earlier=earlier.get(name))
    return decisions


def _refused_as_busy(store: Store, busy: list[VideoPlan], mode: Mode) -> dict[str, Decision]:
    """Refuse the videos that another run is converting by another plan."""
    return {
        video.video: Decision(Action.REFUSE, video, problem=problem)
        for video in busy
        if (problem := busy_problem(store, video, adds=mode == "a"))
    }


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
    seen = _seen(store, plan.video)  # before it is read: what changes meanwhile is noticed
    if earlier is not None and earlier.seen == seen:
        return earlier
    decision = _decide(store, plan, mode, since, rehash=rehash)
    if decision.action is Action.WRITE and (problem := _what_forbids(store, plan.video)):
        decision = Decision(Action.REFUSE, plan, problem=problem)
    return replace(decision, seen=seen)


def _what_forbids(store: Store, video: str) -> Problem | None:
    """Return why a video's group may be replaced in no mode, or None."""
    problem = foreign_problem(store, video)
    if problem is None and (unfetched := unfetched_in(store.group(video))):
        problem = replace(unfetched, video=video)
    return problem


def _seen(store: Store, video: str) -> str:
    """Return a digest of a video's receipt and of the stamp of its group."""
    try:
        receipt = store.receipt_file(video).read_bytes()
    except FileNotFoundError:
        receipt = b""
    return f"{hashlib.sha256(receipt).hexdigest()} {folder_stamp(store.group(video))}"


def _decide(store: Store, plan: VideoPlan, mode: Mode, since: str, *, rehash: bool) -> Decision:
    receipt = store.read_receipt(plan.video)
    if receipt is None:
        return _without_receipt(store, plan, mode)
    if not store.is_intact(receipt, read=True):
        return _damaged(store, plan, receipt, mode, rehash=rehash)
    if mode == "w" and receipt.finished < since:
        return _replace(store, plan, receipt)
    unchanged = unchanged_clips(receipt, plan, rehash=rehash)
    if plan.fingerprint() == receipt.plan.fingerprint() and len(unchanged) == len(plan.clips):
        return _done(receipt, _with_places(receipt.plan, plan, unchanged))
    if mode == "w":
        return _replace(store, plan, receipt)
    if mode == "w-":
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt, unchanged))
    return _add(store, plan, receipt, unchanged)


def _done(receipt: Receipt, placed: VideoPlan, problem: Problem | None = None) -> Decision:
    """Decide for a video to which nothing is added, by its plan with new places."""
    if placed.places == receipt.plan.places:
        return Decision(Action.SKIP, receipt.plan, problem=problem)
    return Decision(Action.NOTE_PLACES, placed, problem=problem)


def _with_places(then: VideoPlan, plan: VideoPlan, unchanged: Set[str]) -> VideoPlan:
    """Return the plan of a finished video, with the places where unchanged sources lie now."""
    have = {clip.clip: clip for clip in then.clips}
    kept = [clip for clip in plan.clips if clip.clip in have]
    same = [clip for clip in kept if _is_same(clip, have[clip.clip], unchanged)]
    metadata_csv = plan.metadata_csv if len(same) == len(then.clips) else then.metadata_csv
    placed = replace(then, metadata_csv=metadata_csv).with_clips_of(then, then.clips)
    return placed.with_clips_of(plan, same)


def _without_receipt(store: Store, plan: VideoPlan, mode: Mode) -> Decision:
    """Decide for a video without a valid receipt: unfinished, or made by somebody else."""
    note = store.unverified(plan.video)
    if note is not None and mode != "w":
        return Decision(Action.REFUSE, plan, problem=_is_unverified(store, note))
    if note is not None or not store.has_group(plan.video):
        return Decision(Action.WRITE, plan)
    lost = sorted(store.clip_ids(plan.video) - _clip_ids(plan))
    if not lost or not store.is_from_tracks2zarr(plan.video):
        return Decision(Action.WRITE, plan)  # what a run of this plan left, or not ours
    return Decision(Action.REFUSE, plan, problem=_without_proof(store, plan, lost))


def _is_unverified(store: Store, note: Unverified) -> Problem:
    return Problem(
        kind="unverified-group",
        what="The store holds a group of the video that tracks2zarr did not write.",
        file=str(store.group(note.video)),
        found=note.why(),
        expected="no such group, or one that tracks2zarr wrote",
        remedy="Pass --group-mode w to replace it, or another store.",
        video=note.video,
    )


def _without_proof(store: Store, plan: VideoPlan, lost: list[str]) -> Problem:
    return Problem(
        kind="group-without-receipt",
        what="The store holds the video without its receipt, and with clips that would be lost.",
        file=str(store.group(plan.video)),
        found=f"{comma_list(lost)}, of which the plan knows nothing",
        expected="a receipt in .tracks2zarr, as a store has that was copied as a whole",
        remedy="Copy the store again, with .tracks2zarr; or move the group away: "
        + _moving_away(store, plan),
        video=plan.video,
    )


def _damaged(
    store: Store, plan: VideoPlan, receipt: Receipt, mode: Mode, *, rehash: bool
) -> Decision:
    """Decide for a group that is not what its receipt says: it is made anew.

    With ``a``, the clips that the plan lacks are made anew, too, from where they came.
    """
    lacking = [clip for clip in receipt.plan.clips if clip.clip not in _clip_ids(plan)]
    if mode != "a":
        return _replace(store, plan, receipt)
    if not lacking:
        return Decision(Action.WRITE, plan)
    if (receipt.plan.fps, receipt.plan.settings) != (plan.fps, plan.settings):
        unchanged = unchanged_clips(receipt, plan, rehash=rehash)
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt, unchanged))
    return Decision(Action.WRITE, plan.with_clips_of(receipt.plan, lacking))


def _replace(store: Store, plan: VideoPlan, receipt: Receipt) -> Decision:
    """Decide for a group that is to be replaced: no clip of it may be lost."""
    lost = sorted(_clip_ids(receipt.plan) - _clip_ids(plan))
    if not lost or not os.path.lexists(store.group(plan.video)):
        return Decision(Action.WRITE, plan)
    problem = Problem(
        kind="clips-would-be-lost",
        what="The store holds clips of the video that this run would remove.",
        file=str(store.group(plan.video)),
        found=f"{comma_list(lost)}, of which this run has no tracks file",
        expected="all clips that the store holds",
        remedy="Bring their tracks files back, or pass --group-mode a to keep the clips. To convert"
        f" the video without them, move it away first: {_moving_away(store, plan)}",
        video=plan.video,
    )
    return Decision(Action.REFUSE, plan, problem=problem)


def _clip_ids(plan: VideoPlan) -> set[str]:
    return {clip.clip for clip in plan.clips}


def _moving_away(store: Store, plan: VideoPlan) -> str:
    return moving_away(store, [store.group(plan.video)])


def _is_there(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> Problem:
    return Problem(
        kind="video-exists",
        what="The video is in the store already, from other input or settings.",
        file=str(store.group(plan.video)),
        found=f"{plan.video}, finished {receipt.finished[:16].replace('T', ' ')} UTC:"
        f" {_what_differs(plan, receipt, unchanged)}",
        expected="no such video, or the same input and settings",
        remedy=_remedy(store, plan, receipt, unchanged),
        video=plan.video,
    )


def _remedy(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> str:
    have = {clip.clip: clip for clip in receipt.plan.clips}
    kept = [clip for clip in plan.clips if clip.clip in have]
    gone = sorted(have.keys() - {clip.clip for clip in plan.clips})
    is_same = (plan.fps, plan.settings) == (receipt.plan.fps, receipt.plan.settings) and all(
        _is_same(clip, have[clip.clip], unchanged) for clip in kept
    )
    add = ""
    if is_same and len(kept) < len(plan.clips):
        add = "--group-mode a to add the clips that it lacks, "
    elif is_same:
        add = "--group-mode a to keep it as it is, "
    only = f"with --pattern '{glob.escape(plan.video)}-*' to leave the others as they are"
    if not gone:
        return f"Pass --group-mode w to replace it ({only}), {add}or another store."
    ways = f"Pass {add}or another store" if add else "Use another store"
    return (
        f"{ways}. To replace it, which removes {comma_list(gone)}, move it away"
        f" first ({only}): {_moving_away(store, plan)}"
    )


def _what_differs(plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> str:
    then = {clip.clip: clip for clip in receipt.plan.clips}
    now = {clip.clip: clip for clip in plan.clips}
    said = []
    if added := sorted(now.keys() - then.keys()):
        said.append(f"lacks {comma_list(added)}")
    if gone := sorted(then.keys() - now.keys()):
        said.append(f"holds {comma_list(gone)}, too")
    both = sorted(now.keys() & then.keys())
    if changed := [c for c in both if now[c].content() != then[c].content()]:
        said.append(f"other metadata for {comma_list(changed)}")
    if changed := [c for c in both if c not in unchanged]:
        said.append(f"another tracks file for {comma_list(changed)}")
    if (plan.fps, plan.settings, plan.layout) != (
        receipt.plan.fps,
        receipt.plan.settings,
        receipt.plan.layout,
    ):
        said.append("other settings")
    return "; ".join(said) or "something differs"


def _add(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> Decision:
    """Decide for a complete group that clips may be added to; what is there is kept."""
    then = receipt.plan
    if (then.fps, then.settings) != (plan.fps, plan.settings):
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt, unchanged))
    have = {clip.clip: clip for clip in then.clips}
    added = [clip for clip in plan.clips if clip.clip not in have]
    changed = [
        clip
        for clip in plan.clips
        if clip.clip in have and not _is_same(clip, have[clip.clip], unchanged)
    ]
    problem = _kept_although(store, plan, changed) if changed else None
    placed = _with_places(then, plan, unchanged)
    if not added:
        return _done(receipt, placed, problem)
    union = replace(placed.with_clips_of(plan, added), layout=plan.layout)
    return Decision(Action.WRITE, union, kept=receipt, problem=problem)


def _is_same(clip: ClipPlan, then: ClipPlan, unchanged: Set[str]) -> bool:
    return clip.content() == then.content() and clip.clip in unchanged


def _kept_although(store: Store, plan: VideoPlan, clips: list[ClipPlan]) -> Problem:
    return Problem(
        kind="clip-kept",
        what="Clips that the store holds are kept, although their input has changed.",
        file=str(store.group(plan.video)),
        found=f"other input for {comma_list([clip.clip for clip in clips])}",
        expected="the input that they were made from",
        remedy="Pass --group-mode w to convert the video anew.",
        severity="warning",
        video=plan.video,
    )
