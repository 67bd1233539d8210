"""The further columns of the table of boxes, in which all videos of a store have the same ones."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tracks2zarr.common.problems import Problem
from tracks2zarr.dataset.schema import ClipColumn, ColumnType
from tracks2zarr.exporting import problems
from tracks2zarr.planning.clip_columns import ColumnValue, cell_value
from tracks2zarr.planning.metadata_cells import is_empty
from tracks2zarr.planning.plan import ClipPlan, VideoPlan


@dataclass(slots=True)
class _Found:
    """The videos that have a value in a column, by its type there."""

    videos: dict[ColumnType, list[str]] = field(default_factory=dict)
    #: Whether one of the integers has more digits than a float64.
    has_large: bool = False

    def add(self, video: str, kind: ColumnType, cells: Sequence[str]) -> None:
        """Add the cells of a video; if all are empty, they have any type."""
        if kind == "str" and all(map(is_empty, cells)):
            return
        self.videos.setdefault(kind, []).append(video)
        if kind == "int64":
            self.has_large |= any(int(float(cell)) != int(cell) for cell in cells)

    @property
    def common_type(self) -> ColumnType:
        """The type that loses nothing of any video."""
        kinds = self.videos.keys()
        if len(kinds) < 2:
            return next(iter(kinds), "str")
        return "float64" if kinds == {"int64", "float64"} and not self.has_large else "str"


@dataclass(frozen=True, slots=True)
class TableColumns:
    """The further columns of all videos of a store, in the order in which they are found."""

    _found: dict[str, _Found]

    @classmethod
    def of(cls, plans: Iterable[VideoPlan]) -> TableColumns:
        """Return the columns of videos, of which no plan is kept."""
        found: dict[str, _Found] = {}
        for plan in plans:
            cells = zip(*(clip.values for clip in plan.clips), strict=True)
            for column, of_clips in zip(plan.columns, cells, strict=True):
                found.setdefault(column.name, _Found()).add(plan.video, column.type, of_clips)
        return cls(found)

    @property
    def columns(self) -> tuple[ClipColumn, ...]:
        """The columns, each with the type that it has in the table."""
        return tuple(ClipColumn(name, one.common_type) for name, one in self._found.items())

    def warnings(self, store: Path) -> Iterator[Problem]:
        """Yield a warning for each column that is text only because its types differ.

        And one for each group of columns whose names differ only in case.
        """
        alike: dict[str, list[str]] = {}
        for name, one in self._found.items():
            alike.setdefault(name.casefold(), []).append(name)
            if len(one.videos) > 1 and one.common_type == "str":
                yield problems.column_is_mixed(store, name, one.videos)
        for names in alike.values():
            if len(names) > 1:
                yield problems.columns_are_alike(store, names)


def table_value(column: ClipColumn, video: VideoPlan, clip: ClipPlan) -> ColumnValue:
    """Return the value of a clip in a column of the table; None where it has none.

    In a column that is text only because its types differ, it is the cell as it is in the metadata
    CSV.
    """
    for own, cell in zip(video.columns, clip.values, strict=True):
        if own.name == column.name:
            is_absent = own.type != "str" and is_empty(cell)
            return None if is_absent else cell_value(column.type, cell)
    return None
