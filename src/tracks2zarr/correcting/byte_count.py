"""Tells how far a correction is: how many bytes of tracks files were read and written."""

from __future__ import annotations

from pathlib import Path

from tracks2zarr.common.progress import Progress
from tracks2zarr.parallel.processes import ProgressTable
from tracks2zarr.planning.plan import VideoPlan


def begin_counting(progress: Progress, plan: VideoPlan, total: int) -> ProgressTable:
    """Begin to tell a progress of a video, and return the table that its work reports to.

    Parameters
    ----------
    progress
        What is told.
    plan
        The plan of the video.
    total
        About how many bytes there are to read and to write.
    """
    slots = range(len(plan.clips))
    table = ProgressTable(len(slots))

    def show() -> None:
        progress.update(min(table.bytes_of(slots), total), [plan.video])

    table.on_report = show
    progress.begin([plan.video], total)
    return table


def size_of(path: Path) -> int:
    """Return the size of a file; 0 where it cannot be read, which whoever reads it says."""
    try:
        return path.stat().st_size
    except OSError:
        return 0
