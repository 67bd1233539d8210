"""Figures of clips: two images per clip for the report, one figure for a paper."""

from __future__ import annotations

import io
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from tracks2zarr.reporting.panels import PANELS, STYLE, draw_trajectories
from tracks2zarr.reporting.sample import ClipSample

if TYPE_CHECKING:
    from matplotlib.figure import Figure

#: The width and height of the images in the report, in inches.
_IMAGE = (6.4, 4.0)


@dataclass(frozen=True, slots=True)
class ImageSize:
    """How sharp an image is, and so how large: dots an inch, and the quality of WebP."""

    dpi: int
    quality: int

    @property
    def pixels(self) -> tuple[int, int]:
        """Its width and height."""
        return round(_IMAGE[0] * self.dpi), round(_IMAGE[1] * self.dpi)

    @classmethod
    def for_clips(cls, n_clips: int) -> ImageSize:
        """Return the size with which a report of this many clips stays a few MB."""
        if n_clips <= _FEW_CLIPS:
            return cls(dpi=150, quality=60)
        return cls(dpi=105, quality=40) if n_clips <= _SOME_CLIPS else cls(dpi=75, quality=30)


_FEW_CLIPS, _SOME_CLIPS = 60, 400


def extent_of(samples: Sequence[ClipSample]) -> tuple[float, float]:
    """Return the largest x and y of any box of some clips, so that all are drawn alike."""
    corners = [
        sample.trajectories.position.max(axis=0)
        for sample in samples
        if len(sample.trajectories.position)
    ]
    if not corners:
        return 1.0, 1.0
    x, y = np.max(corners, axis=0).tolist()
    return max(x * 1.02, 1.0), max(y * 1.02, 1.0)


def report_images(
    sample: ClipSample, extent: tuple[float, float], size: ImageSize
) -> tuple[bytes, bytes]:
    """Return the two images of a clip in the report, as WebP: trajectories, distributions."""
    import matplotlib as mpl

    with mpl.rc_context(STYLE):
        trajectories, distributions = _image(), _image()
        draw_trajectories(trajectories.subplots(), sample, extent)
        trajectories.subplots_adjust(left=0.1, right=0.985, bottom=0.1, top=0.93)
        for axes, draw in zip(distributions.subplots(2, 2).flat, PANELS.values(), strict=True):
            draw(axes, sample)
        distributions.subplots_adjust(0.09, 0.1, 0.985, 0.95, wspace=0.25, hspace=0.45)
        return _webp(trajectories, size), _webp(distributions, size)


def clip_figure(
    sample: ClipSample, panels: Sequence[str], extent: tuple[float, float], title: str
) -> Figure:
    """Return a figure with some panels of a clip: the trajectories large, the others below.

    Parameters
    ----------
    sample
        The clip.
    panels
        Their names: ``trajectories``, or one of `PANELS`.
    extent
        The largest x and y that are shown, in pixels.
    title
        What stands above; may be empty.
    """
    small = [name for name in panels if name in PANELS]
    large = len(small) < len(panels)
    from matplotlib.figure import Figure

    rows = -(-len(small) // 2)
    height = 4.4 * large + 2.1 * rows
    figure = Figure(figsize=(7.0, height + 0.3 * bool(title)), layout="constrained")
    heights = [4.4] * large + [2.1] * rows
    grid = figure.add_gridspec(len(heights), 2, height_ratios=heights)
    if large:
        draw_trajectories(figure.add_subplot(grid[0, :]), sample, extent)
    for number, name in enumerate(small):
        row, column = divmod(number, 2)
        is_alone = number == len(small) - 1 and column == 0
        PANELS[name](
            figure.add_subplot(grid[row + large, slice(None) if is_alone else column]), sample
        )
    if title:
        figure.suptitle(title, x=0.01, ha="left", fontsize=10)
    return figure


def _image() -> Figure:
    """Return an empty image of the report; its margins are fixed, which draws twice as fast."""
    from matplotlib.figure import Figure

    return Figure(figsize=_IMAGE)


def _webp(figure: Figure, size: ImageSize) -> bytes:
    buffer = io.BytesIO()
    how = {"quality": size.quality, "method": 2}
    figure.savefig(buffer, format="webp", dpi=size.dpi, pil_kwargs=how)
    return buffer.getvalue()
