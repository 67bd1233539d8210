"""How far a video is; the only module that decides in which order this is found out."""

from __future__ import annotations

import os
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

from tracks2zarr.common.files import read_content
from tracks2zarr.planning.plan import VideoPlan
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.store.unverified import Unverified


class State(StrEnum):
    """The state of a video; ``cancelled`` is known only from SLURM."""

    DONE = "done"
    FAILED = "failed"
    RUNNING = "running"
    PENDING = "pending"
    CANCELLED = "cancelled"
    MISSING = "missing"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True, kw_only=True)
class VideoInStore:
    """What a store has of one video.

    Parameters
    ----------
    store, video
        The store, and the video's id.
    state
        How far the video is; ``unknown`` for a group that another workflow made.
    plan
        The store's plan of it.
    receipt
        Its receipt, where it can be read, whether the group fits or not.
    note
        The note on a group that another workflow made, where it fits.
    fits_plan
        Whether the receipt is what the plan asks for; so it is where there is no plan.
    is_intact
        Whether the group is what its receipt says, by names and sizes; then the root lists it,
        whatever the plan asks for.
    added
        What others added to a group that is intact, such as arrays.
    """

    store: Store
    video: str
    state: State
    plan: VideoPlan | None = None
    receipt: Receipt | None = None
    note: Unverified | None = None
    fits_plan: bool = False
    is_intact: bool = False
    added: tuple[str, ...] = ()

    @property
    def is_kept(self) -> bool:
        """Whether it is whole, but made from other input or settings than the plan asks for."""
        return self.is_intact and not self.fits_plan

    @property
    def group(self) -> Path:
        """The folder of the group; it may not be there."""
        return self.store.group(self.video)

    @property
    def has_group(self) -> bool:
        """Whether there is a group, whole or not."""
        return self.store.has_group(self.video)

    @property
    def proof(self) -> Receipt | Unverified | None:
        """What tells the content that the group must have, where anything does."""
        return self.note if self.state is State.UNKNOWN else self.receipt

    def is_whole(self) -> bool:
        """Read the group, and tell whether it is what its receipt or its note says."""
        proof = self.proof
        return proof is not None and self.has_group and read_content(self.group) == proof.content

    def is_changed(self) -> bool:
        """Read the group, and tell whether it is not what its receipt or its note says."""
        if self.proof is None or not os.path.lexists(self.group):
            return False
        return read_content(self.group) != self.proof.content


def video_in_store(
    store: Store, video: str, plan: VideoPlan | None, *, holds_lock: bool = False
) -> VideoInStore:
    """Return what a store has of a video; no array is read.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    plan
        The store's plan of it.
    holds_lock
        Whether the caller holds the video's lock; else whoever holds it converts the video.
    """
    receipt = store.read_receipt(video)
    fits = receipt is not None and (plan is None or receipt.holds(plan))
    added = None if receipt is None else store.added_to(receipt, read=False)
    intact = added is not None
    # the receipt comes first: a finished video stays so while a run looks at it
    if fits and intact:
        state = State.DONE
    elif not holds_lock and store.is_running(video):
        state = State.RUNNING
    elif store.has_group(video) and not intact and not store.is_from_tracks2zarr(video):
        state = State.UNKNOWN
    elif fits:
        state = State.MISSING
    else:
        state = State.FAILED if store.failure_file(video).exists() else State.PENDING
    return VideoInStore(
        store=store,
        video=video,
        state=state,
        plan=plan,
        receipt=receipt,
        note=None if state is State.DONE else store.unverified(video),
        fits_plan=fits,
        is_intact=intact,
        added=added or (),
    )


def state_of(store: Store, plan: VideoPlan) -> State:
    """Return how far a planned video is."""
    return video_in_store(store, plan.video, plan).state


def receipt_if_done(store: Store, plan: VideoPlan) -> Receipt | None:
    """Return the receipt of a planned video that is done, else None."""
    found = video_in_store(store, plan.video, plan)
    return found.receipt if found.state is State.DONE else None
