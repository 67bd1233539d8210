"""Problems that keep a video where it is."""

from __future__ import annotations

from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list, same_command
from tracks2zarr.merging.older_groups import why_not
from tracks2zarr.store.commands import converting
from tracks2zarr.store.ownership import moving_away
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State, VideoInStore


def conflict(source: VideoInStore, target: VideoInStore, remedy: str) -> Problem:
    """Return the problem of a video of which two stores have different versions."""
    return Problem(
        kind="merge-conflict",
        what="Two of the stores have different versions of the video.",
        file=str(source.group),
        found=f"{_described(source)}; in {target.store.path}: {_described(target)}",
        expected="one store that has the video, or the same in both",
        remedy=remedy,
        video=source.video,
    )


def _described(one: VideoInStore) -> str:
    if one.state is State.UNKNOWN:
        return "a group of another workflow"
    if one.receipt is None:
        return "a group without a receipt"
    plan = one.receipt.plan
    when = one.receipt.finished[:16].replace("T", " ")
    clips = comma_list([clip.clip for clip in plan.clips], 4)
    return (
        f"{clips}, {one.receipt.n_boxes:,} boxes, '{plan.settings.individual_dim}',"
        f" finished {when} UTC, {one.receipt.content.digest[7:15]}"
    )


def clips_lost(source: VideoInStore, target: VideoInStore) -> Problem | None:
    """Return the problem of a video that would lose clips if the source's replaced it, or None."""
    names = source.store.clip_ids(source.video)
    clips = target.receipt.plan.clips if target.receipt and target.has_group else ()
    lost = [clip.clip for clip in clips if clip.clip not in names]
    if not lost:
        return None
    command = moving_away(target.store, [target.group])
    return Problem(
        kind="clips-would-be-lost",
        what="The target has clips of the video that the source does not have.",
        file=str(target.group),
        found=comma_list(lost),
        expected="all clips that the target has",
        remedy=f"To keep the target's video, run {same_command('--on-conflict', 'skip')}; to take"
        f" the source's without these clips, move the target's away first: {command}",
        video=source.video,
    )


def busy(store: Store, video: str) -> Problem:
    """Return the problem of a video that a run converts, in the source or the target."""
    return Problem(
        kind="merge-busy",
        what="A run is working on a video, so the video was left where it is.",
        file=str(store.group(video)),
        found="a run that has not ended",
        expected="a video that no run is working on",
        remedy="Wait until the run has ended, then merge again.",
        video=video,
    )


def unfinished(source: VideoInStore, target: Path) -> Problem:
    """Return the problem of a video that cannot be moved: it is not finished, or not known."""
    if source.state is State.UNKNOWN:
        return Problem(
            kind="merge-unknown-group",
            what="A group that is not a dataset of the older workflow was left where it is.",
            file=str(source.group),
            found=why_not(source.group),
            expected="a group that tracks2zarr or the older workflow made",
            remedy="Nothing, if it is yours. See howto/older-workflow.md for what is merged.",
            video=source.video,
        )
    failed = source.state is State.FAILED
    failure = source.store.read_failure(source.video) if failed else []
    return Problem(
        kind="merge-unfinished",
        what="A video that is not finished was left where it is.",
        file=str(source.group),
        found=f"{source.state}: {failure[0].what}" if failure else str(source.state),
        expected="a video that is done",
        remedy="Finish it in its own store, then merge again:"
        f" {converting(source.store, source.video)}; or in {target}, whose plan has it now:"
        f" {converting(Store(target), source.video)}",
        video=source.video,
    )


def damaged(source: VideoInStore) -> Problem:
    """Return the problem of a video whose files are not those that its receipt tells of."""
    return Problem(
        kind="merge-damaged",
        what="The files of a video are not those that were written, so it was left.",
        file=str(source.group),
        found="another digest than the one in its receipt",
        expected="the files that were written",
        remedy="Convert the video again, then merge again:"
        f" {converting(source.store, source.video)}",
        video=source.video,
    )
