"""What a merge removes from a source, so that a killed merge can run again.

The group goes first, in one step. The receipt stays until the plan has no entry for the video any
more: it tells the next merge what is left to do.
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from tracks2zarr.common.locks import LockedError
from tracks2zarr.planning.plan import Plan
from tracks2zarr.store.commit import Attempt
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import State, VideoInStore


@dataclass(frozen=True, slots=True)
class MovedVideos:
    """The videos that the target has now, and of which the source still has the receipts.

    Parameters
    ----------
    source
        The store that they leave.
    videos
        Their ids.
    """

    source: Store
    videos: list[str] = field(default_factory=list)

    def remove(self, video: VideoInStore) -> None:
        """Remove a video that the target has; its receipt stays until `forget`."""
        source, name = self.source, video.video
        if os.path.lexists(video.group):
            trash = Attempt.begin(source, name, source.temp)
            video.group.rename(trash.group)
            trash.end(name)
        source.record_file(name).unlink(missing_ok=True)
        source.failure_file(name).unlink(missing_ok=True)
        source.note_file(name).unlink(missing_ok=True)
        if video.state is State.UNKNOWN:
            source.receipt_file(name).unlink(missing_ok=True)
        elif video.receipt is not None:
            self.videos.append(name)

    def forget(self) -> None:
        """Take the videos out of the source's plan, then remove their receipts."""
        if not self.videos:
            return
        with self.source.root_lock():
            gone = {name for name in self.videos if not self.source.group(name).exists()}
            plan = self.source.read_plan()
            kept = tuple(video for video in plan.videos if video.video not in gone)
            if len(kept) < len(plan.videos):
                self.source.write_plan(Plan(kept))
            for name in sorted(gone):
                self._remove_receipt(name)

    def _remove_receipt(self, name: str) -> None:
        try:
            with self.source.video_lock(name):
                if not self.source.group(name).exists():
                    self.source.receipt_file(name).unlink(missing_ok=True)
        except LockedError:
            return  # somebody makes it anew
