"""The columns of a drafted metadata CSV, and what is known of each."""

from __future__ import annotations

import csv
import io
from collections.abc import Callable, Iterable, Mapping
from typing import Literal, get_args

from tracks2zarr.planning import metadata_cells
from tracks2zarr.planning.clip_extent import ClipExtent
from tracks2zarr.planning.metadata_layouts import PLAIN

#: The layout that is written: that of the guide, with escapes, or the plain one.
LayoutName = Literal["plain", "guide"]
LAYOUTS: tuple[LayoutName, ...] = get_args(LayoutName)

#: Stands for the extension of a clip's name, which nobody compares.
_EXTENSION = ".mp4"

type _Cell = Callable[[ClipExtent, float | None], object]


def _nothing(_extent: ClipExtent, _fps: float | None) -> object:
    return None


def _clip_name(extent: ClipExtent, _fps: float | None) -> object:
    return f"{extent.clip}{_EXTENSION}"


def _fps(_extent: ClipExtent, fps: float | None) -> object:
    return None if fps is None else f"{fps:.12g}"


def _first(extent: ClipExtent, _fps: float | None) -> object:
    return extent.first_frame


def _last(extent: ClipExtent, _fps: float | None) -> object:
    return extent.last_frame


def _from_one(cell: _Cell) -> _Cell:
    """Return the cell of a frame that is counted from 1."""

    def counted(extent: ClipExtent, fps: float | None) -> object:
        frame = cell(extent, fps)
        return frame + 1 if isinstance(frame, int) else None

    return counted


_CELLS: Mapping[LayoutName, Mapping[str, _Cell]] = {
    "plain": {
        metadata_cells.VIDEO: _nothing,
        PLAIN.clip: _clip_name,
        metadata_cells.FPS: _fps,
        PLAIN.extent.first: _first,
        PLAIN.extent.last: _last,
    },
    "guide": {
        metadata_cells.VIDEO: _nothing,
        metadata_cells.CLIP: _clip_name,
        metadata_cells.FPS: _fps,
        metadata_cells.START: _from_one(_first),
        metadata_cells.END: _from_one(_last),
        metadata_cells.ESCAPE: _nothing,
        metadata_cells.ESCAPE_TYPE: _nothing,
    },
}
#: Columns that may stay empty.
_OPTIONAL = frozenset({metadata_cells.ESCAPE, metadata_cells.ESCAPE_TYPE})


def csv_text(extents: Iterable[ClipExtent], layout: LayoutName, fps: float | None) -> str:
    """Return a metadata CSV with one row per clip; what is unknown is empty.

    Parameters
    ----------
    extents
        The clips.
    layout
        Which columns it has.
    fps
        Frames per second; None where it is unknown.
    """
    text = io.StringIO()
    writer = csv.writer(text, lineterminator="\n")
    writer.writerow(_CELLS[layout])
    for extent in extents:
        writer.writerow([cell(extent, fps) for cell in _CELLS[layout].values()])
    return text.getvalue()


def left_to_fill(extents: Iterable[ClipExtent], layout: LayoutName, fps: float | None) -> list[str]:
    """Return the columns that have an empty cell in some row and may not stay empty."""
    rows = list(extents)
    return [
        name
        for name, cell in _CELLS[layout].items()
        if name not in _OPTIONAL and any(cell(extent, fps) is None for extent in rows)
    ]


def extent_columns(layout: LayoutName) -> tuple[str, str]:
    """Return the names of the columns of a clip's first and last frame."""
    if layout == "guide":
        return metadata_cells.START, metadata_cells.END
    return PLAIN.extent.first, PLAIN.extent.last
