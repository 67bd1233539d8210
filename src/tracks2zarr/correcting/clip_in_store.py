"""The clip that is to be corrected, as its store has it."""

from __future__ import annotations

import os
from dataclasses import dataclass

from tracks2zarr.common.names import composed
from tracks2zarr.common.problems import Tracks2ZarrError
from tracks2zarr.correcting import problems
from tracks2zarr.correcting.replacing import check_replaceable, complete_killed_run
from tracks2zarr.loading.load_clip import check_finished, clip_number
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.receipt import ClipReceipt, Receipt
from tracks2zarr.store.store import Store
from tracks2zarr.tracks.via import NAME as VIA


@dataclass(frozen=True, slots=True)
class ClipInStore:
    """A clip of a finished video.

    Parameters
    ----------
    store
        The store.
    receipt
        The video's receipt.
    clip
        The clip's plan in it.
    done
        The clip's own receipt in it.
    """

    store: Store
    receipt: Receipt
    clip: ClipPlan
    done: ClipReceipt

    @property
    def plan(self) -> VideoPlan:
        """The plan by which the video was converted."""
        return self.receipt.plan

    @property
    def stem(self) -> str:
        """The stem of the clip's file name: ``<video>-<clip>``."""
        return f"{self.receipt.video}-{self.clip.clip}"

    @classmethod
    def find(
        cls, store: str | os.PathLike[str], video: str, clip: str | int, *, dry_run: bool
    ) -> ClipInStore:
        """Return a clip that can be corrected.

        Unless nothing may be changed, what a killed run left is undone or completed first.

        Raises
        ------
        Tracks2ZarrError
            If there is no such store, video or clip; the video is not finished, was not made from
            VIA tracks, or may not be replaced.
        """
        there, video = existing_store(store), composed(video)
        if not dry_run:
            complete_killed_run(there)
        receipt, _ = check_finished(there, video)
        ids = [one.clip for one in receipt.plan.clips]
        number = clip_number(there, video, composed(clip) if isinstance(clip, str) else clip, ids)
        if receipt.plan.format != VIA:
            raise Tracks2ZarrError(problems.other_format(there, receipt.plan))
        check_replaceable(there, receipt)
        return cls(there, receipt, receipt.plan.clips[number], receipt.clips[number])
