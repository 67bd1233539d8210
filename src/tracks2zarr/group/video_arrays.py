"""The extents, coordinates and attributes of a video's group; no I/O."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset import schema
from tracks2zarr.dataset.batches import Float32s, Int64s
from tracks2zarr.dataset.clip_boxes import ClipTracks
from tracks2zarr.planning.metadata_cells import is_empty
from tracks2zarr.planning.plan import ClipPlan, VideoPlan


@dataclass(frozen=True)
class VideoArrays:
    """All of a video but its boxes: what the group must hold, in numpy.

    Parameters
    ----------
    plan
        The video's plan.
    tracks
        Those of each clip.
    """

    plan: VideoPlan
    tracks: Sequence[ClipTracks]

    @cached_property
    def n_individuals(self) -> int:
        """The number of individuals of the clip with the most."""
        return max(map(len, self.tracks))

    @cached_property
    def sizes(self) -> dict[str, int]:
        """The length of each dimension, in the order clip, time, space, individual."""
        return {
            schema.CLIP_ID: len(self.plan.clips),
            schema.TIME: self.plan.longest_clip_frames,
            schema.SPACE: len(schema.SPACE_NAMES),
            schema.INDIVIDUAL: self.n_individuals,
        }

    def shape(self, variable: schema.Variable) -> tuple[int, ...]:
        """Return the shape of a variable in this video."""
        sizes = self.sizes
        return tuple(sizes[dim] for dim in variable.dims)

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the values of every coordinate, by name; texts as numpy's ``<U``."""
        clips, plan = self.plan.clips, self.plan
        individuals = schema.individual_names(self.n_individuals)
        values = {
            schema.CLIP_ID: _strings([clip.clip for clip in clips]),
            schema.TIME: np.arange(self.plan.longest_clip_frames, dtype=np.int64),
            schema.SPACE: _strings(schema.SPACE_NAMES),
            schema.INDIVIDUAL: _strings(individuals),
            "clip_first_frame_0idx": _int64([clip.first_frame for clip in clips]),
            "clip_last_frame_0idx": _int64([clip.last_frame for clip in clips]),
            "clip_escape_first_frame_0idx": _int64([clip.escape_frame for clip in clips]),
            "clip_escape_type": _strings([clip.escape_type for clip in clips]),
            "clip_n_frames": _int64([clip.n_frames for clip in clips]),
            "clip_n_individuals": _int64([len(tracks) for tracks in self.tracks]),
            schema.TRACK_ID: self._table([of.track_ids for of in self.tracks]),
            schema.TRACK_FIRST_FRAME: self._table([of.first_frame for of in self.tracks]),
            schema.TRACK_LAST_FRAME: self._table([of.last_frame for of in self.tracks]),
            schema.TRACK_N_BOXES: self._table([of.n_boxes for of in self.tracks], absent=0),
        }
        for place, column in enumerate(plan.columns):
            values[column.name] = _column([clip.values[place] for clip in clips], column.type)
        return {one.name: values[one.name] for one in plan.variables if one.is_coordinate}

    def _table(self, values: Sequence[Int64s], absent: int = schema.ABSENT) -> Int64s:
        """Return (n_clips, n_individuals) int64, made of the values of each clip."""
        table = np.full((len(values), self.n_individuals), absent, np.int64)
        for row, of_clip in zip(table, values, strict=True):
            row[: len(of_clip)] = of_clip
        return table

    def dims(self, variable: schema.Variable) -> list[str]:
        """Return the names of a variable's dimensions in the store."""
        return [schema.renamed(dim, self.plan.settings.individual_dim) for dim in variable.dims]

    def variable_attributes(self, variable: schema.Variable) -> Mapping[str, str]:
        """Return the attributes of a variable, with those by which xarray finds coordinates.

        xarray looks for the names of coordinates that are no dimensions in ``coordinates``
        of the data variables (CF conventions, section 5).
        """
        attributes = {"long_name": variable.long_name}
        if variable.units:
            attributes["units"] = variable.units
        if variable.units == schema.DATE_UNITS:
            attributes["calendar"] = schema.DATE_CALENDAR
        if not variable.is_coordinate:
            attributes["coordinates"] = " ".join(
                other.name
                for other in self.plan.variables
                if other.is_coordinate
                and other.dims != (other.name,)
                and set(other.dims) <= set(variable.dims)
            )
        return attributes


def escape_state(clip: ClipPlan, n_frames: int) -> Float32s:
    """Return (n_frames,) float32: 0 before the escape, 1 from it on, NaN after the clip.

    Parameters
    ----------
    clip
        The clip.
    n_frames
        The number of frames of the video's longest clip.
    """
    state = np.full(n_frames, np.nan, np.float32)
    state[: clip.n_frames] = 0
    if clip.escape is not None:
        state[clip.escape : clip.n_frames] = 1
    return state


def _strings(values: Sequence[str]) -> NDArray[np.str_]:
    return np.array(values, dtype=np.str_)


def _int64(values: Sequence[int]) -> Int64s:
    return np.array(values, dtype=np.int64)


def _column(cells: Sequence[str], kind: schema.ColumnType) -> NDArray[Any]:
    """Return (n_clips,) the values of a further column of the metadata CSV."""
    match kind:
        case "str":
            return _strings(cells)
        case "int64":
            return np.array(list(map(int, cells)), np.int64)
        case "bool":
            return np.array([cell.lower() == "true" for cell in cells], np.bool_)
        case "float64":
            return np.array([np.nan if is_empty(cell) else float(cell) for cell in cells])
        case "date":
            return np.array([np.nan if is_empty(cell) else _seconds(cell) for cell in cells])


def _seconds(date: str) -> float:
    return float(np.datetime64(date, "s").astype(np.int64))
