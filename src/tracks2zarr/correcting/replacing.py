"""Converts a video again with another file for one of its clips."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace

from tracks2zarr.common.locks import LockedError
from tracks2zarr.common.posix import check_can_write
from tracks2zarr.common.problems import Problem, Tracks2ZarrError
from tracks2zarr.common.provenance import now
from tracks2zarr.common.system_problems import ensure_open_files_limit
from tracks2zarr.converting.one_video import VideoTask, convert_locked
from tracks2zarr.correcting import problems
from tracks2zarr.planning.plan import ClipPlan, Plan, VideoPlan
from tracks2zarr.store.commit import recover, recover_all
from tracks2zarr.store.group_mode import Action, Decision, seen_of, what_forbids
from tracks2zarr.store.planned import planned_otherwise
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.root import finalise_store, is_stale
from tracks2zarr.store.schemas import not_written
from tracks2zarr.store.store import Store
from tracks2zarr.store.store_mode import open_for_writing


def complete_killed_run(store: Store) -> None:
    """Undo or complete what a killed run left, which may have come as far as the root.

    Whatever hinders it hinders the correction, too, which says so.
    """
    with suppress(OSError, Tracks2ZarrError), _entered(store) as there:
        recover_all(there)
        if is_stale(there):
            finalise_store(there)


@contextmanager
def _entered(store: Store) -> Iterator[Store]:
    """Keep others from replacing a store while a block runs."""
    with open_for_writing(store, Plan(()), "a"), store.holding() as there:
        yield there


def check_replaceable(store: Store, receipt: Receipt) -> None:
    """Check that a video may be converted again.

    Raises
    ------
    Tracks2ZarrError
        If it is of another schema, or others added something to its group.
    """
    plan = receipt.plan
    if problem := not_written(store, plan) or what_forbids(store, plan.video):
        raise Tracks2ZarrError(problem)


#: A clip's new plan, and the receipt that the clip gets, but for what is counted.
type NewClip = tuple[ClipPlan, ClipReceipt]


def replace_clip(
    store: Store, receipt: Receipt, clip: str, new_clip: Callable[[], NewClip]
) -> tuple[Receipt, tuple[Problem, ...]]:
    """Convert a video again, as `create` does: one clip from its file, the others as they are.

    Parameters
    ----------
    store
        The store.
    receipt
        Of the video as it was looked at; it must be so still.
    clip
        The clip's id.
    new_clip
        Returns what the clip becomes. It is called once nothing forbids to replace the video, and
        no other run can: what it writes is not left behind where the store cannot be written.

    Returns
    -------
    receipt, problems
        The new receipt; and warnings.

    Raises
    ------
    Tracks2ZarrError
        If another run is at work on the video or has replaced it, or the conversion fails; the
        video is as it was then.
    """
    check_can_write()
    ensure_open_files_limit()
    video = receipt.video
    with _entered(store) as there:
        try:
            with there.video_lock(video):
                new = _converted(there, receipt, clip, new_clip)
        except LockedError:
            raise Tracks2ZarrError(problems.busy(store, video)) from None
        finalised = finalise_store(there)
    return new, finalised.problems


def _converted(
    store: Store, receipt: Receipt, clip: str, new_clip: Callable[[], NewClip]
) -> Receipt:
    """Convert a video whose lock this process holds."""
    recover(store, receipt.video, ())
    if store.read_receipt(receipt.video) != receipt:
        raise Tracks2ZarrError(problems.changed_meanwhile(store, receipt.video, clip))
    if not store.is_intact(receipt, read=True):
        raise Tracks2ZarrError(problems.damaged(store, receipt))
    check_replaceable(store, receipt)
    _plan_as_converted(store, receipt)
    outcome = convert_locked(store, _task(store, receipt, *new_clip()))
    if outcome.receipt is None:
        raise Tracks2ZarrError(outcome.problems)
    _plan_as_converted(store, outcome.receipt)
    return outcome.receipt


def _plan_as_converted(store: Store, receipt: Receipt) -> None:
    """Make the plan by which a video was converted the store's, unless that asks for another.

    Raises
    ------
    Tracks2ZarrError
        If another run has planned the video otherwise.
    """
    with store.root_lock():
        planned = store.read_plan()
        there = planned.by_id.get(receipt.video)
        if there is not None and not receipt.holds(there):
            raise Tracks2ZarrError(planned_otherwise(store, receipt.plan))
        store.write_plan(planned.joined(Plan((receipt.plan,))))


def _task(store: Store, receipt: Receipt, clip: ClipPlan, done: ClipReceipt) -> VideoTask:
    """Return the task of converting a video: one clip is read, and the others are kept."""
    plan = _with_clip(receipt.plan, clip)
    others = tuple(one for one in receipt.clips if one.clip != clip.clip)
    decision = Decision(
        Action.WRITE,
        plan,
        kept=replace(receipt, clips=others),
        seen=seen_of(store, receipt.video),
        corrected={clip.clip: done},
    )
    return VideoTask(
        store=store.path,
        work_root=store.temp,
        plan=plan,
        group_mode="w-",
        since=now(),
        decision=decision,
        folder=store.folder,
    )


def _with_clip(plan: VideoPlan, clip: ClipPlan) -> VideoPlan:
    return plan.with_clips(clip if one.clip == clip.clip else one for one in plan.clips)
