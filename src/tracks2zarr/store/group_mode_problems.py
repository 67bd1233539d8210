"""The problems of videos that a group mode refuses, or does otherwise than the user may expect."""

from __future__ import annotations

from collections.abc import Sequence, Set

from tracks2zarr.common.problems import Problem, comma_list, same_command
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.commands import create_command
from tracks2zarr.store.differences import video_differences
from tracks2zarr.store.ownership import moving_away
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unchanged import is_same_clip
from tracks2zarr.store.unverified import Unverified

_ADD = ("--store-mode", "a", "--group-mode", "a")
_REPLACE = ("--store-mode", "a", "--group-mode", "w")


def unverified_group(store: Store, note: Unverified) -> Problem:
    """Return the problem of a group that another workflow made."""
    return Problem(
        kind="unverified-group",
        what="The store has a group of the video that tracks2zarr did not write.",
        file=str(store.group(note.video)),
        found=note.why(),
        expected="no such group, or one that tracks2zarr wrote",
        remedy=f"To replace it, run {same_command(*_REPLACE)}; or pass another store.",
        video=note.video,
    )


def without_receipt(store: Store, plan: VideoPlan, lost: Sequence[str]) -> Problem:
    """Return the problem of a group without a receipt that holds clips the plan lacks."""
    return Problem(
        kind="group-without-receipt",
        what="The store has the video without its receipt, with clips that would be lost.",
        file=str(store.group(plan.video)),
        found=f"{comma_list(lost)}, which the plan does not have",
        expected="a receipt in .tracks2zarr, which is copied with the whole store",
        remedy="Copy the store again, with .tracks2zarr; or move the group away: "
        + _moving_away(store, plan),
        video=plan.video,
    )


def clips_would_be_lost(store: Store, plan: VideoPlan, lost: Sequence[str]) -> Problem:
    """Return the problem of a group that holds clips that the plan lacks, and is to be replaced."""
    return Problem(
        kind="clips-would-be-lost",
        what="The store has clips of the video that this run would remove.",
        file=str(store.group(plan.video)),
        found=f"{comma_list(lost)}, for which this run has no tracks files",
        expected="all clips that the store has",
        remedy="Bring their tracks files back; or, to keep the clips, run"
        f" {same_command(*_ADD)}; or, to convert the video without them, move it away first:"
        f" {_moving_away(store, plan)}",
        video=plan.video,
    )


def video_exists(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> Problem:
    """Return the problem of a video that was made from other input or settings."""
    return Problem(
        kind="video-exists",
        what="The store already has the video, from different input or settings.",
        file=str(store.group(plan.video)),
        found=f"{plan.video}, finished {receipt.finished[:16].replace('T', ' ')} UTC:"
        f" {_what_differs(plan, receipt, unchanged)}",
        expected="no such video, or the same input and settings",
        remedy=_remedy(store, plan, receipt, unchanged),
        video=plan.video,
    )


def _remedy(store: Store, plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> str:
    have = receipt.plan.by_clip
    kept = [clip for clip in plan.clips if clip.clip in have]
    gone = sorted(have.keys() - plan.by_clip.keys())
    is_same = plan.common == receipt.plan.common and all(
        is_same_clip(clip, have[clip.clip], unchanged) for clip in kept
    )
    is_corrected = any(clip.corrected for clip in plan.clips)
    only = "--video", plan.video
    ways = []
    if is_corrected and not is_same:
        ways.append("Bring its input and settings back as they were")
    elif not gone and not is_corrected:
        ways.append(f"To replace it, run {same_command(*_REPLACE, *only)}")
    if is_same:
        aim = "To add the clips that it lacks" if len(kept) < len(plan.clips) else "To keep it"
        ways.append(f"{aim}, run {same_command(*_ADD)}")
    ways.append("Or pass another store" if ways else "Pass another store")
    if gone:
        away, again = _moving_away(store, plan), same_command("--store-mode", "a", *only)
        ways.append(
            f"To convert it without {comma_list(gone)}, move it away ({away}), then run {again}"
        )
    elif is_corrected:
        anew = create_command(store.path, plan, replace=True)
        ways.append(f"Or, to convert its original files, without its corrections, run: {anew}")
    return "; ".join([ways[0], *(way[0].lower() + way[1:] for way in ways[1:])])


def _what_differs(plan: VideoPlan, receipt: Receipt, unchanged: Set[str]) -> str:
    said = list(video_differences(receipt.plan, plan))
    both = sorted(plan.by_clip.keys() & receipt.plan.by_clip.keys())
    if changed := [clip for clip in both if clip not in unchanged]:
        said.append(f"another tracks file for {comma_list(changed)}")
    return "; ".join(said) or "something differs"


def clips_kept(store: Store, plan: VideoPlan, clips: list[ClipPlan]) -> Problem:
    """Return the warning that clips are kept although their input has changed."""
    return Problem(
        kind="clip-kept",
        what="Clips in the store are kept, although their input has changed.",
        file=str(store.group(plan.video)),
        found=f"other input for {comma_list([clip.clip for clip in clips])}",
        expected="the input that they were made from",
        remedy=f"To convert the video again, run {same_command(*_REPLACE, '--video', plan.video)}",
        severity="warning",
        video=plan.video,
    )


def _moving_away(store: Store, plan: VideoPlan) -> str:
    return moving_away(store, [store.group(plan.video)])
