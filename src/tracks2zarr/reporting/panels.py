"""The panels of a clip's figures; each function draws one on matplotlib axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.reporting import PANEL_NAMES
from tracks2zarr.reporting.sample import ClipSample

if TYPE_CHECKING:
    from matplotlib.axes import Axes

#: Colours that people with any colour vision can tell apart (Okabe and Ito 2008, "Color
#: Universal Design"): before the escape, during it, without animals, all else.
OUTBOUND, ESCAPE, GAP, OTHER = "#0072b2", "#d55e00", "#cc79a7", "#009e73"
#: Settings of matplotlib for all figures.
STYLE: Any = {
    "axes.grid": True,
    "axes.axisbelow": True,
    "axes.labelsize": 8,
    "axes.linewidth": 0.6,
    "axes.spines.right": False,
    "axes.spines.top": False,
    "axes.titlelocation": "left",
    "axes.titlesize": 9,
    "font.size": 8,
    "grid.alpha": 0.25,
    "grid.linewidth": 0.5,
    "legend.fontsize": 8,
    "legend.borderpad": 0.2,
    "legend.edgecolor": "none",
    "legend.framealpha": 0.8,
    "lines.linewidth": 1.0,
    "path.simplify": True,
    "pdf.fonttype": 42,
    "svg.fonttype": "none",
    "xtick.labelsize": 7,
    "ytick.labelsize": 7,
}
#: How many bins of time are drawn of the individuals in view.
_BINS_DRAWN = 600
_MINUTE = 60.0


def draw_trajectories(axes: Axes, sample: ClipSample, extent: tuple[float, float]) -> None:
    """Draw all trajectories over the frame, before and from the escape on in two colours.

    Parameters
    ----------
    axes
        Where to draw.
    sample
        The clip.
    extent
        The largest x and y that are shown, in pixels.
    """
    points = sample.trajectories
    escape = sample.plan.escape
    escapes = points.frame >= (escape if escape is not None else sample.plan.n_frames)
    parts = [(~escapes, OUTBOUND, "outbound" if escape is not None else "no escape")]
    if escape is not None:
        parts.append((escapes, ESCAPE, "escape"))
    for chosen, colour, label in parts:
        x, y = _lines(points.position[chosen], _breaks(sample, chosen))
        alpha = 0.75 if len(np.unique(points.individual)) < 300 else 0.5
        axes.plot(x, y, color=colour, linewidth=0.6, alpha=alpha, label=label)
    single = points.begins & np.append(points.begins[1:], True)
    if single.any():
        colours = np.where(escapes[single], ESCAPE, OUTBOUND)
        x, y = points.position[single].T
        axes.scatter(x, y, s=1, c=colours, linewidths=0)
    axes.set(xlim=(0, extent[0]), ylim=(extent[1], 0), aspect="equal", title="Trajectories")
    axes.set(xlabel="x (pixels)", ylabel="y (pixels)")
    legend = axes.legend(loc="lower right", bbox_to_anchor=(1.0, 1.0), ncols=2, borderaxespad=0.1)
    for line in legend.get_lines():
        line.set(linewidth=2, alpha=1)


def _breaks(sample: ClipSample, chosen: NDArray[np.bool_]) -> NDArray[np.bool_]:
    """Return at which of the chosen points a line begins."""
    points = sample.trajectories
    begins, individual = points.begins[chosen], points.individual[chosen]
    first = np.ones(len(begins), np.bool_)
    first[1:] = np.diff(individual) != 0
    return begins | first


def _lines(position: NDArray[np.float32], begins: NDArray[np.bool_]) -> tuple[Any, Any]:
    """Return x and y with a NaN before each line."""
    at = np.flatnonzero(begins)
    return np.insert(position[:, 0], at, np.nan), np.insert(position[:, 1], at, np.nan)


def draw_in_view(axes: Axes, sample: ClipSample) -> None:
    """Draw how many individuals are in view over time, and the frames without any."""
    edges = np.linspace(0, sample.plan.n_frames, min(_BINS_DRAWN, sample.plan.n_frames) + 1)
    starts = np.unique(edges[:-1].astype(np.int64))
    low = np.minimum.reduceat(sample.in_view, starts)
    high = np.maximum.reduceat(sample.in_view, starts)
    sizes = np.diff(np.append(starts, sample.plan.n_frames))
    mean = np.add.reduceat(sample.in_view, starts) / sizes
    unit, scale = _time_unit(sample)
    time = np.append(starts, sample.plan.n_frames) / scale
    axes.stairs(high, time, baseline=low, fill=True, color=OUTBOUND, alpha=0.3, linewidth=0)
    axes.stairs(mean, time, baseline=None, color=OUTBOUND, linewidth=0.9)
    _draw_gaps(axes, sample, scale)
    if sample.plan.escape is not None:
        axes.axvline(sample.plan.escape / scale, color=ESCAPE, linewidth=1.2, label="escape begins")
    axes.set(xlim=(0, sample.plan.n_frames / scale), title="Individuals in view")
    axes.set(xlabel=f"time in the clip ({unit})", ylabel="individuals")
    axes.set_ylim(0, max(1, int(sample.in_view.max(initial=0))) * 1.08)
    if axes.get_legend_handles_labels()[0]:
        axes.legend(loc="lower right")


def _draw_gaps(axes: Axes, sample: ClipSample, scale: float) -> None:
    """Shade the frames without any individual."""
    empty = np.concatenate([[False], sample.in_view == 0, [False]])
    begins, ends = np.flatnonzero(np.diff(empty.astype(np.int8))).reshape(-1, 2).T / scale
    spans = [(begin, end - begin) for begin, end in zip(begins, ends, strict=True)]
    if spans:
        top = axes.get_xaxis_transform()
        axes.broken_barh(
            spans, (0, 1), transform=top, color=GAP, alpha=0.5, linewidth=0.5, label="none in view"
        )


def _time_unit(sample: ClipSample) -> tuple[str, float]:
    """Return the unit of time for a clip, and the frames that it has."""
    if sample.plan.n_frames / sample.fps > 3 * _MINUTE:
        return "min", sample.fps * _MINUTE
    return "s", sample.fps


def draw_track_lengths(axes: Axes, sample: ClipSample) -> None:
    """Draw for how long the individuals are in view, on a logarithmic scale."""
    from matplotlib.ticker import LogLocator, NullFormatter

    seconds = sample.track_frames[sample.track_frames > 0] / sample.fps
    axes.set(title="Track lengths", xlabel="time in view (s)", ylabel="individuals")
    if not len(seconds):
        _say_empty(axes)
        return
    shortest, longest = 1 / sample.fps, max(float(seconds.max()), 2 / sample.fps)
    edges = np.geomspace(shortest * 0.99, longest * 1.01, 31)
    axes.stairs(np.histogram(seconds, edges)[0], edges, fill=True, color=OTHER)
    axes.set_xscale("log")
    axes.xaxis.set_major_locator(LogLocator(subs=(1, 2, 5), numticks=6))
    axes.xaxis.set_minor_formatter(NullFormatter())
    axes.xaxis.set_major_formatter("{x:g}")


def draw_confidence(axes: Axes, sample: ClipSample) -> None:
    """Draw the distribution of confidence over all boxes."""
    axes.set(title="Confidence", xlabel="confidence", ylabel="boxes")
    if not sample.confidence.sum():
        _say_empty(axes, "no confidence between 0 and 1" if sample.n_boxes else "no boxes")
        return
    edges = np.linspace(0, 1, len(sample.confidence) + 1)
    axes.stairs(sample.confidence, edges, fill=True, color=OTHER)
    axes.set_xlim(0, 1)
    axes.yaxis.set_major_formatter(_engineering())


def draw_box_sizes(axes: Axes, sample: ClipSample) -> None:
    """Draw the distribution of the widths and heights of all boxes."""
    axes.set(title="Box sizes", xlabel="pixels", ylabel="boxes")
    if not sample.n_boxes:
        _say_empty(axes)
        return
    last = max(_upper(sample.width), _upper(sample.height))
    bins = max(1, -(-last // 60))
    for counts, colour, label in (
        (sample.width, OTHER, "width"),
        (sample.height, OUTBOUND, "height"),
    ):
        padded = np.zeros(-(-last // bins) * bins, np.int64)
        shown = counts[: len(padded)]
        padded[: len(shown)] = shown
        values = padded.reshape(-1, bins).sum(axis=1)
        edges = np.arange(len(values) + 1) * bins
        axes.stairs(values, edges, color=colour, label=label, linewidth=1.1)
    axes.set_xlim(0, last)
    axes.legend(loc="upper right")
    axes.yaxis.set_major_formatter(_engineering())


def _upper(counts: NDArray[np.int64]) -> int:
    """Return the size in pixels below which 99.9 % of the boxes are."""
    total = counts.cumsum()
    return int(np.searchsorted(total, total[-1] * 0.999)) + 2


def _engineering() -> Any:
    from matplotlib.ticker import EngFormatter

    return EngFormatter(sep="")


def _say_empty(axes: Axes, words: str = "no boxes") -> None:
    axes.text(0.5, 0.5, words, ha="center", va="center", transform=axes.transAxes, color="gray")
    axes.set(xticks=[], yticks=[])


#: The panels by their names, those of the whole frame apart.
PANELS: dict[str, Callable[[Axes, ClipSample], None]] = dict(
    zip(
        PANEL_NAMES[1:],
        (draw_in_view, draw_track_lengths, draw_confidence, draw_box_sizes),
        strict=True,
    )
)
