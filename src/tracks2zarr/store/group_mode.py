"""Decides what to do with each video of a plan, by the group mode."""

from __future__ import annotations

import glob
import hashlib
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Literal

from tracks2zarr.common.files import folder_stamp
from tracks2zarr.common.problems import Problem, Tracks2ZarrError, comma_list
from tracks2zarr.planning.plan import ClipPlan, Plan, VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store

#: ``w-``: fail if it is there; ``w``: replace it; ``a``: add to it.
Mode = Literal["w-", "w", "a"]


class Action(StrEnum):
    """What is to be done for a video."""

    WRITE = "write"
    SKIP = "skip"
    REFUSE = "refuse"


@dataclass(frozen=True, slots=True)
class Decision:
    """What is to be done for a video, and why.

    Parameters
    ----------
    action
        What is to be done.
    plan
        The plan by which it is done; with ``a`` it has the clips that are kept, too.
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


def join(
    store: Store, plan: Plan, mode: Mode, *, since: str, keep_going: bool = False
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
    decisions = _decide_all(store, plan, mode, since, {})
    with store.root_lock():
        decisions = _decide_all(store, plan, mode, since, decisions)
        refused = {v: d.problem for v, d in decisions.items() if d.action is Action.REFUSE}
        if refused and not keep_going:
            raise Tracks2ZarrError(problem for problem in refused.values() if problem)
        wanted = plan.by_id | {v: d.plan for v, d in decisions.items()}
        added = tuple(video for name, video in wanted.items() if name not in refused)
        store.write_plan(store.read_plan().joined(Plan(added)))
    return decisions


def _decide_all(
    store: Store, plan: Plan, mode: Mode, since: str, earlier: Mapping[str, Decision]
) -> dict[str, Decision]:
    """Decide for the videos of a plan that no living process is at work on.

    Nothing is decided for one that cannot be read: whoever converts it meets the error.
    """
    decisions = {}
    for video in plan.videos:
        name = video.video
        if not store.is_running(name):
            with suppress(OSError):
                decisions[name] = decide(store, video, mode, since=since, earlier=earlier.get(name))
    return decisions


def decide(
    store: Store, plan: VideoPlan, mode: Mode, *, since: str, earlier: Decision | None = None
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

    Returns
    -------
    Decision
    """
    seen = _seen(store, plan.video)  # before it is read: what changes meanwhile is noticed
    if earlier is not None and earlier.seen == seen:
        return earlier
    return replace(_decide(store, plan, mode, since), seen=seen)


def _seen(store: Store, video: str) -> str:
    """Return a digest of a video's receipt and of the stamp of its group."""
    try:
        receipt = store.receipt_file(video).read_bytes()
    except FileNotFoundError:
        receipt = b""
    return f"{hashlib.sha256(receipt).hexdigest()} {folder_stamp(store.group(video))}"


def _decide(store: Store, plan: VideoPlan, mode: Mode, since: str) -> Decision:
    receipt = store.read_receipt(plan.video)
    if receipt is None:
        return _without_receipt(store, plan, mode)
    if not store.is_intact(receipt, read=True):
        return _damaged(store, plan, receipt, mode)
    same = receipt.holds(plan)
    if same and (mode != "w" or receipt.finished >= since):
        return Decision(Action.SKIP, receipt.plan)
    if mode == "w":
        return Decision(Action.WRITE, plan)
    if mode == "w-":
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt))
    return _add(store, plan, receipt)


def _without_receipt(store: Store, plan: VideoPlan, mode: Mode) -> Decision:
    """Decide for a video without a valid receipt: unfinished, or made by somebody else."""
    if not store.has_group(plan.video) or mode == "w":
        return Decision(Action.WRITE, plan)
    if store.is_from_tracks2zarr(plan.video):
        lost = sorted(store.clip_ids(plan.video) - {clip.clip for clip in plan.clips})
        if not lost:  # what a run of this plan left behind
            return Decision(Action.WRITE, plan)
        return Decision(Action.REFUSE, plan, problem=_without_proof(store, plan, lost))
    problem = Problem(
        kind="foreign-group",
        what="The store holds a group of this name that tracks2zarr did not write.",
        file=str(store.group(plan.video)),
        found="a group without a receipt",
        expected="no such group, or one that tracks2zarr wrote",
        remedy="Pass --group-mode w to replace it, or another store.",
        video=plan.video,
    )
    return Decision(Action.REFUSE, plan, problem=problem)


def _without_proof(store: Store, plan: VideoPlan, lost: list[str]) -> Problem:
    return Problem(
        kind="group-without-receipt",
        what="The store holds the video without its receipt, and with clips that would be lost.",
        file=str(store.group(plan.video)),
        found=f"{comma_list(lost)}, of which the plan knows nothing",
        expected="a receipt in .tracks2zarr, as a store has that was copied as a whole",
        remedy="Copy the store again, with .tracks2zarr; or replace the video: --group-mode w.",
        video=plan.video,
    )


def _damaged(store: Store, plan: VideoPlan, receipt: Receipt, mode: Mode) -> Decision:
    """Decide for a group that is not what its receipt says: it is made anew.

    With ``a``, the clips that the plan lacks are made anew, too, from where they came.
    """
    planned = {clip.clip for clip in plan.clips}
    lacking = [clip for clip in receipt.plan.clips if clip.clip not in planned]
    if mode != "a" or not lacking:
        return Decision(Action.WRITE, plan)
    if (receipt.plan.fps, receipt.plan.settings) != (plan.fps, plan.settings):
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt))
    return Decision(Action.WRITE, plan.with_clips([*plan.clips, *lacking]))


def _is_there(store: Store, plan: VideoPlan, receipt: Receipt) -> Problem:
    return Problem(
        kind="video-exists",
        what="The video is in the store already, from other input or settings.",
        file=str(store.group(plan.video)),
        found=f"{plan.video}, finished {receipt.finished[:16].replace('T', ' ')} UTC:"
        f" {_what_differs(plan, receipt)}",
        expected="no such video, or the same input and settings",
        remedy=_remedy(plan, receipt),
        video=plan.video,
    )


def _remedy(plan: VideoPlan, receipt: Receipt) -> str:
    have = {clip.clip: clip for clip in receipt.plan.clips}
    kept = [clip for clip in plan.clips if clip.clip in have]
    gone = sorted(have.keys() - {clip.clip for clip in plan.clips})
    is_same = (plan.fps, plan.settings) == (receipt.plan.fps, receipt.plan.settings) and all(
        _is_same(clip, have[clip.clip], receipt) for clip in kept
    )
    add = ""
    if is_same and len(kept) < len(plan.clips):
        add = "--group-mode a to add the clips that it lacks, "
    elif is_same:
        add = "--group-mode a to keep it as it is, "
    replaced = f"replace it, which removes {comma_list(gone)}" if gone else "replace it"
    only = f"with --pattern '{glob.escape(plan.video)}-*' to leave the others as they are"
    return f"Pass --group-mode w to {replaced} ({only}), {add}or another store."


def _what_differs(plan: VideoPlan, receipt: Receipt) -> str:
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
    if changed := [c for c in both if not receipt.holds_source(now[c])]:
        said.append(f"another tracks file for {comma_list(changed)}")
    if (plan.fps, plan.settings, plan.layout) != (
        receipt.plan.fps,
        receipt.plan.settings,
        receipt.plan.layout,
    ):
        said.append("other settings")
    return "; ".join(said) or "something differs"


def _add(store: Store, plan: VideoPlan, receipt: Receipt) -> Decision:
    """Decide for a complete group that clips may be added to; what is there is kept."""
    then = receipt.plan
    if (then.fps, then.settings) != (plan.fps, plan.settings):
        return Decision(Action.REFUSE, plan, problem=_is_there(store, plan, receipt))
    have = {clip.clip: clip for clip in then.clips}
    added = [clip for clip in plan.clips if clip.clip not in have]
    changed = [
        clip
        for clip in plan.clips
        if clip.clip in have and not _is_same(clip, have[clip.clip], receipt)
    ]
    problem = _kept_although(store, plan, changed) if changed else None
    if not added:
        return Decision(Action.SKIP, then, problem=problem)
    union = replace(then.with_clips([*then.clips, *added]), layout=plan.layout)
    return Decision(Action.WRITE, union, kept=receipt, problem=problem)


def _is_same(clip: ClipPlan, then: ClipPlan, receipt: Receipt) -> bool:
    return clip.content() == then.content() and receipt.holds_source(clip)


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
