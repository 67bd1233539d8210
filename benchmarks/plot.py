"""Plots of the benchmarks, as SVG."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from matplotlib.axes import Axes

_COLOURS = {"by hand": "#999999", "floor": "#56b4e9"}
_OURS = "#d55e00"
#: The same measurements give the same file.
_SETTINGS = {"svg.fonttype": "none", "svg.hashsalt": "benchmarks", "font.size": 9}


def write_bars(path: Path, title: str, seconds: Mapping[str, float]) -> None:
    """Write a plot with a bar for each program, as long as its time.

    Parameters
    ----------
    path
        The file.
    title
        What stands above the bars.
    seconds
        The time of each program.
    """
    names = [name.replace("`", "") for name in seconds]
    colours = [_COLOURS.get(name, _OURS) for name in seconds]
    with _figure(path, title, 0.3 * len(seconds) + 0.6) as axes:
        bars = axes.barh(names, [*seconds.values()], color=colours)
        axes.bar_label(bars, fmt="{:.1f} s", padding=4)
        axes.invert_yaxis()
        axes.margins(x=0.12)
        axes.xaxis.set_visible(False)
        axes.spines[["left", "bottom"]].set_visible(False)
        axes.tick_params(left=False)


def write_curve(path: Path, title: str, memory: Sequence[tuple[float, int]]) -> None:
    """Write a plot of memory over time.

    Parameters
    ----------
    path
        The file.
    title
        What stands above the curve.
    memory
        Seconds and bytes.
    """
    seconds, used = zip(*memory, strict=True)
    with _figure(path, title, 2.4) as axes:
        axes.plot(seconds, [one / 1e6 for one in used], color=_OURS, linewidth=1.2)
        axes.set(xlabel="seconds", ylabel="MB", xlim=(0, seconds[-1]), ylim=(0, None))


@contextmanager
def _figure(path: Path, title: str, height: float) -> Iterator[Axes]:
    """Draw into one pair of axes, and save them."""
    import matplotlib as mpl
    from matplotlib.figure import Figure

    with mpl.rc_context(_SETTINGS):  # type: ignore[arg-type]
        figure = Figure(figsize=(6.4, height), layout="constrained")
        axes = figure.subplots()
        axes.set_title(title, loc="left", fontsize=10, fontweight="bold")
        axes.spines[["right", "top"]].set_visible(False)
        yield axes
        figure.savefig(path, metadata={"Date": None})
