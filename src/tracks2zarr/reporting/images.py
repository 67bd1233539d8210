"""Draws one video for the report, with the numbers beside its images."""

from __future__ import annotations

import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tracks2zarr.common.problems import Problem, one_line
from tracks2zarr.parallel.processes import report_bytes
from tracks2zarr.reporting.figures import ImageSize, extent_of, report_images
from tracks2zarr.reporting.sample import ClipSample, sample_clip
from tracks2zarr.store.receipt import Receipt
from tracks2zarr.store.store import Store


@dataclass(frozen=True, slots=True, kw_only=True)
class ClipImages:
    """The images of one clip, and what its table says.

    Parameters
    ----------
    clip
        The clip's id.
    trajectories, distributions
        Images, WebP.
    step
        Every how many frames a point of the trajectories was drawn.
    median_in_view, least_in_view, most_in_view
        Individuals in view, over the frames.
    empty_frames
        Frames without any individual.
    median_track_seconds
        How long an individual is in view; 0 for a clip without any.
    confidence_outside, confidence_absent
        Boxes with a confidence below 0 or above 1, and without one.
    """

    clip: str
    trajectories: bytes
    distributions: bytes
    step: int
    median_in_view: float
    least_in_view: int
    most_in_view: int
    empty_frames: int
    median_track_seconds: float
    confidence_outside: int
    confidence_absent: int


@dataclass(frozen=True, slots=True)
class VideoImages:
    """The clips of one video, by id; or why it could not be drawn."""

    video: str
    clips: tuple[ClipImages, ...]
    problem: Problem | None = None


def draw_video(store: Path, receipt: Receipt, size: ImageSize) -> VideoImages:
    """Read and draw all clips of a finished video.

    Parameters
    ----------
    store
        The folder of the store.
    receipt
        The video's receipt.
    size
        How sharp the images are.

    Returns
    -------
    VideoImages
        A group that cannot be read is a problem in it.
    """
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error", RuntimeWarning)  # of numbers that no box has
            samples = [sample_clip(Store(store), receipt, clip.clip) for clip in receipt.plan.clips]
            extent = extent_of(samples)
    except RuntimeWarning:
        return VideoImages(
            receipt.video, (), _unreadable(store, receipt, "numbers that no box has")
        )
    except (OSError, ValueError, RuntimeError) as error:
        found = f"{type(error).__name__}: {error}"
        return VideoImages(receipt.video, (), _unreadable(store, receipt, found))
    return VideoImages(
        receipt.video, tuple(_clip_images(sample, extent, size) for sample in samples)
    )


def _unreadable(store: Path, receipt: Receipt, found: str) -> Problem:
    return Problem(
        kind="not-drawn",
        what="The group of a video is damaged, so it was not drawn.",
        file=str(store / receipt.video),
        found=one_line(found),
        expected="the group that its receipt describes",
        remedy=f"Run: tracks2zarr verify {shlex.quote(str(store))}",
        video=receipt.video,
    )


def _clip_images(sample: ClipSample, extent: tuple[float, float], size: ImageSize) -> ClipImages:
    report_bytes(0, 0)  # raises where the run is to stop
    trajectories, distributions = report_images(sample, extent, size)
    lengths = sample.track_frames[sample.track_frames > 0]
    return ClipImages(
        clip=sample.plan.clip,
        trajectories=trajectories,
        distributions=distributions,
        step=sample.trajectories.step,
        median_in_view=float(np.median(sample.in_view)),
        least_in_view=int(sample.in_view.min()),
        most_in_view=int(sample.in_view.max()),
        empty_frames=sample.empty_frames,
        median_track_seconds=float(np.median(lengths)) / sample.fps if len(lengths) else 0.0,
        confidence_outside=sample.confidence_outside,
        confidence_absent=sample.confidence_absent,
    )
