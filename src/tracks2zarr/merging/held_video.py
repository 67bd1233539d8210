"""What a store has of one video, and how that stands to what another store has of it."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tracks2zarr.common.files import read_content
from tracks2zarr.common.problems import Problem, comma_list
from tracks2zarr.merging.older_groups import clip_ids, why_not
from tracks2zarr.planning.plan import Plan, VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import State, Store
from tracks2zarr.store.unverified import Unverified


@dataclass(frozen=True, slots=True, kw_only=True)
class Holding:
    """What a store has of one video.

    Parameters
    ----------
    store, video
        The store, and the video's id.
    state
        ``done``, ``unknown`` for a group of another workflow, or how far the video is.
    plan
        The store's plan of it.
    receipt
        Its receipt, where it can be read, whether the group fits or not.
    note
        The note on a group of another workflow, where it fits.
    is_current
        Whether the receipt is what the plan asks for; so it is where there is no plan.
    """

    store: Store
    video: str
    state: State
    plan: VideoPlan | None = None
    receipt: Receipt | None = None
    note: Unverified | None = None
    is_current: bool = False

    @property
    def group(self) -> Path:
        """The folder of the group; it may not be there."""
        return self.store.group(self.video)

    @property
    def is_there(self) -> bool:
        """Whether there is a group, whole or not."""
        return (self.group / "zarr.json").is_file()

    @property
    def can_move(self) -> bool:
        """Whether the video is finished, or a group that the older workflow made."""
        if self.state is State.UNKNOWN:
            return why_not(self.group) is None
        return self.state is State.DONE

    def is_whole(self) -> bool:
        """Read the group, and tell whether it is what its receipt or its note says."""
        proof = self.note if self.state is State.UNKNOWN else self.receipt
        return proof is not None and self.is_there and read_content(self.group) == proof.content

    def is_changed(self) -> bool:
        """Read the group, and tell whether it is not what its receipt or its note says."""
        proof = self.note if self.state is State.UNKNOWN else self.receipt
        if proof is None or not os.path.lexists(self.group):
            return False
        return read_content(self.group) != proof.content

    def original(self) -> str:
        """Return the digest of a group of another workflow, as that left it."""
        return self.note.original if self.note else read_content(self.group).digest


def holding(
    store: Store, video: str, plan: VideoPlan | None, *, is_locked: bool = False
) -> Holding:
    """Look at what a store has of a video.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    plan
        The store's plan of it.
    is_locked
        Whether the caller holds the video's lock; else who holds it is at work on the video.
    """
    receipt, note = store.read_receipt(video), store.unverified(video)
    current = receipt is not None and (plan is None or receipt.holds(plan))
    intact = receipt is not None and store.is_intact(receipt, read=False)
    there = (store.group(video) / "zarr.json").is_file()
    if not is_locked and store.is_running(video):
        state = State.RUNNING
    elif current and intact:
        state = State.DONE
    elif there and not intact and not store.is_ours(video):
        state = State.UNKNOWN
    elif current:
        state = State.MISSING
    else:
        state = State.FAILED if store.failure_file(video).exists() else State.PENDING
    return Holding(
        store=store,
        video=video,
        state=state,
        plan=plan,
        receipt=receipt,
        note=note,
        is_current=current,
    )


def holdings(store: Store) -> dict[str, Holding]:
    """Return all that a store has or plans, by video, sorted.

    Raises
    ------
    Tracks2ZarrError
        If its plan cannot be read.
    """
    plans = plans_of(store.read_plan())
    receipts = {path.stem for path in store.receipt_file("any").parent.glob("*.json")}
    names = sorted({*plans, *store.groups(), *receipts})
    return {name: holding(store, name, plans.get(name)) for name in names}


def plans_of(plan: Plan) -> dict[str, VideoPlan]:
    """Return the videos of a plan by id."""
    return {video.video: video for video in plan.videos}


class PlanView:
    """The plan of a store as it is on the disk; it is read again only where it has changed.

    Parameters
    ----------
    store
        The store.
    """

    def __init__(self, store: Store) -> None:
        self._store = store
        self._seen: tuple[int, int] | None = None
        self._plans: dict[str, VideoPlan] = {}

    def get(self, video: str) -> VideoPlan | None:
        """Return the plan of a video, or None where there is none now."""
        try:
            found = self._store.plan_file.stat()
        except FileNotFoundError:
            return None
        if self._seen != (found.st_ino, found.st_mtime_ns):
            self._plans = plans_of(self._store.read_plan())
            self._seen = found.st_ino, found.st_mtime_ns
        return self._plans.get(video)


class Relation(StrEnum):
    """How a source's video stands to the target's."""

    #: The target has nothing that could be lost.
    NEW = "new"
    #: The target has the very same.
    SAME = "same"
    CONFLICT = "conflict"


def relation(source: Holding, target: Holding) -> Relation:
    """Tell how what a source has of a video stands to what the target has of it.

    Receipts and notes decide; no group with a receipt or a note is read.
    """
    if _are_same(source, target):
        return Relation.SAME
    if not target.is_there:
        return Relation.NEW
    if target.state is State.UNKNOWN or target.receipt is not None:
        return Relation.CONFLICT
    # a group without a receipt, which a run left: lost is what the source has not got
    lost = clip_ids(target.group) - clip_ids(source.group)
    return Relation.CONFLICT if lost else Relation.NEW


def _are_same(source: Holding, target: Holding) -> bool:
    if source.state is State.UNKNOWN or target.state is State.UNKNOWN:
        return source.state is target.state and source.original() == target.original()
    if source.receipt is None or target.receipt is None or not source.is_current:
        return False
    return (
        source.receipt.fingerprint() == target.receipt.fingerprint()
        and source.receipt.content == target.receipt.content
    )


def conflict(source: Holding, target: Holding, remedy: str) -> Problem:
    """Return the problem of a video that two stores have, and not the same of it."""
    return Problem(
        kind="merge-conflict",
        what="Two of the stores have the video, and not the same of it.",
        file=str(source.group),
        found=f"{_described(source)}; in {target.store.path}: {_described(target)}",
        expected="one store that has the video, or the same in both",
        remedy=remedy,
        video=source.video,
    )


def _described(one: Holding) -> str:
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
