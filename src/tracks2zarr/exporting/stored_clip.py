"""A clip of a store as exports take it: what is known of it, and its boxes some at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem, Tracks2ZarrError, one_line
from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.dataset.schema import ClipColumn
from tracks2zarr.group.reader import StoredBoxes, read_track_numbers, stored_boxes
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.store.receipt import Receipt


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredClip:
    """A clip of a finished video, or some frames of it.

    Parameters
    ----------
    store
        The folder of the store.
    group
        The folder of the video's group.
    number
        The clip's place among the clips of the video.
    video, clip
        Their ids.
    plan, video_plan
        The plan of the clip (its frames in the video, its escape, its source), and of the video.
    content
        The digest of the video's group.
    n_individuals
        The number of its tracks.
    frames
        The frames within the clip to export.
    is_stretch
        Whether these were asked for; then files for people to edit have frames without boxes, too.
    table_columns
        The further columns that the files of all clips have, where they are one table.
    """

    store: Path
    group: Path
    number: int
    video: str
    clip: str
    plan: ClipPlan
    video_plan: VideoPlan
    content: str
    n_individuals: int
    frames: range
    is_stretch: bool = False
    table_columns: tuple[ClipColumn, ...] = ()

    @property
    def fps(self) -> float:
        """Frames per second."""
        return self.video_plan.fps

    @property
    def stem(self) -> str:
        """The stem of the clip's file name: ``<video>-<clip>``."""
        return f"{self.video}-{self.clip}"

    def boxes(self) -> Iterator[StoredBoxes]:
        """Yield the boxes of these frames, in ascending order of frame, then of individual.

        Yields
        ------
        StoredBoxes
            Of some whole frames; frames without boxes are left out.

        Raises
        ------
        OSError
            If a file cannot be read.
        Tracks2ZarrError
            If the group is not as it was written.
        """
        try:
            for block in stored_boxes(self.group, self.number):
                boxes = block.by_frame()
                first, last = np.searchsorted(boxes.frame, [self.frames.start, self.frames.stop])
                if last > first:
                    yield boxes.rows(slice(int(first), int(last)))
        except ValueError as error:
            raise Tracks2ZarrError(_damaged(self, error)) from error

    def track_numbers(self) -> Int64s:
        """Return the track numbers of all its individuals, in the order of these."""
        try:
            return read_track_numbers(self.group, self.number)
        except ValueError as error:
            raise Tracks2ZarrError(_damaged(self, error)) from error

    def window(self, frames: slice) -> StoredClip:
        """Return the same clip with some of its frames."""
        return replace(self, frames=range(self.plan.n_frames)[frames], is_stretch=True)


def clips_of(store: Path, group: Path, receipt: Receipt) -> Iterator[StoredClip]:
    """Yield the clips of a finished video, in the order of the group."""
    pairs = zip(receipt.plan.clips, receipt.clips, strict=True)
    for number, (clip, done) in enumerate(pairs):
        yield StoredClip(
            store=store,
            group=group,
            number=number,
            video=receipt.video,
            clip=clip.clip,
            plan=clip,
            video_plan=receipt.plan,
            content=receipt.content.digest,
            n_individuals=done.n_individuals,
            frames=range(clip.n_frames),
        )


def image_name(clip: StoredClip, frame: int, images: str) -> str:
    """Return how the image of a frame is called, by a template (see `ExportFormat.write`)."""
    video_frame = clip.plan.first_frame + frame
    return images.format(video=clip.video, clip=clip.clip, frame=frame, video_frame=video_frame)


def _damaged(clip: StoredClip, error: ValueError) -> Problem:
    return Problem(
        kind="group-unreadable",
        what="The group cannot be read.",
        file=str(clip.group),
        found=one_line(error),
        expected="a group as it was written",
        remedy="Run 'tracks2zarr verify' to find out what differs, then convert the video again.",
        video=clip.video,
        clip=clip.clip,
    )
