"""The two layouts of a metadata CSV: that of the guide, with escapes, and the plain one."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass

from tracks2zarr.planning.metadata_cells import CLIP, ESCAPE, ESCAPE_TYPE, FPS, VIDEO
from tracks2zarr.tracks.frames import GUIDE_EXTENT, PLAIN_EXTENT, ExtentColumns

#: The id of a clip that is all of its video.
WHOLE_VIDEO = "whole"


@dataclass(frozen=True, slots=True)
class MetadataLayout:
    """Which columns a metadata CSV has.

    Parameters
    ----------
    clip
        The column with the clip's file name.
    extent
        The columns with its first and last frame.
    has_escapes
        Whether there are columns for escapes.
    """

    clip: str
    extent: ExtentColumns
    has_escapes: bool

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns that are needed."""
        escapes = (ESCAPE, ESCAPE_TYPE) if self.has_escapes else ()
        return (VIDEO, self.clip, FPS, self.extent.first, self.extent.last, *escapes)

    def clip_id_of(self, clip_stem: str, video: str) -> str:
        """Return the id of a clip by the stem of its name; empty for none.

        It is what follows ``<video>-``. In the plain layout, a clip may have any other name, which
        is its id then, or that of its video.

        >>> PLAIN.clip_id_of("crabs-1", "crabs"), PLAIN.clip_id_of("crabs", "crabs")
        ('1', 'whole')
        """
        if clip_stem.startswith(f"{video}-"):
            return clip_stem.removeprefix(f"{video}-")
        if self.has_escapes:
            return ""
        return WHOLE_VIDEO if clip_stem == video else clip_stem


GUIDE = MetadataLayout(CLIP, GUIDE_EXTENT, has_escapes=True)
PLAIN = MetadataLayout("clip_name", PLAIN_EXTENT, has_escapes=False)


def layout_of(header: Collection[str]) -> MetadataLayout:
    """Return the layout of a metadata CSV: that with the fewest missing columns.

    It is the guide's where both lack as many, and where no column of the plain one alone is there.
    """
    if not _own_columns(PLAIN, header):
        return GUIDE
    return min((GUIDE, PLAIN), key=lambda layout: len(missing_columns(layout, header)))


def is_mixed(header: Collection[str]) -> bool:
    """Tell whether columns of both layouts are there, and each lacks some."""
    return all(
        _own_columns(layout, header) and missing_columns(layout, header)
        for layout in (GUIDE, PLAIN)
    )


def missing_columns(layout: MetadataLayout, header: Collection[str]) -> list[str]:
    """Return the columns of a layout that a metadata CSV lacks."""
    return [column for column in layout.columns if column not in header]


def _own_columns(layout: MetadataLayout, header: Collection[str]) -> set[str]:
    """Return the columns in a header that only this layout has."""
    other = GUIDE if layout is PLAIN else PLAIN
    return ({*layout.columns} - {*other.columns}) & {*header}
