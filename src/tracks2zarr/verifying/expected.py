"""What the group of a video must contain besides its boxes."""

from __future__ import annotations

import unicodedata
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.dataset.schema import Variable
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.tracks.formats import format_named


@dataclass(frozen=True, slots=True)
class TracksOfClip:
    """The tracks of a clip, in ascending order of track number; each (n_individuals,) int64.

    Parameters
    ----------
    track_ids
        The track numbers.
    first_frame, last_frame
        The first and the last frame within the clip with a box of the track.
    n_boxes
        How many boxes it has.
    """

    track_ids: Int64s
    first_frame: Int64s
    last_frame: Int64s
    n_boxes: Int64s


@dataclass(frozen=True, slots=True)
class ExpectedGroup:
    """What the group of a video must hold.

    Parameters
    ----------
    plan
        The video's plan.
    tracks
        Those of each clip.
    """

    plan: VideoPlan
    tracks: Sequence[TracksOfClip]

    @property
    def n_individuals(self) -> int:
        """The number of individuals of the clip with the most."""
        return max(len(of.track_ids) for of in self.tracks)

    @property
    def n_frames(self) -> int:
        """The number of frames of the longest clip."""
        return max(map(n_frames_of, self.plan.clips))

    def shape(self, variable: Variable) -> tuple[int, ...]:
        """Return the shape of a variable."""
        lengths = {
            "clip_id": len(self.plan.clips),
            "time": self.n_frames,
            "space": 2,
            "individual": self.n_individuals,
        }
        return tuple(lengths[dim] for dim in variable.dims)

    def chunks(self, variable: Variable) -> tuple[tuple[int, ...], tuple[int, ...] | None]:
        """Return the shapes of a chunk and of a shard; see the layout's documentation."""
        shape = self.shape(variable)
        if variable.name not in ("position", "shape", "confidence"):
            chunk = tuple(max(1, min(length, 2**20)) for length in shape)
            return ((1, *chunk[1:]) if variable.name == "escape_state" else chunk), None
        layout = self.plan.layout
        frames = max(1, min(layout.chunk_frames, self.n_frames))
        individuals = max(1, min(layout.chunk_individuals, self.n_individuals))
        sides = (2,) if variable.name != "confidence" else ()
        whole = frames * max(1, -(-self.n_frames // frames))
        across = individuals * max(1, -(-self.n_individuals // individuals))
        return (1, frames, *sides, individuals), (1, whole, *sides, across)

    def attributes(self) -> dict[str, Any]:
        """Return the attributes of the group."""
        return {
            "video_id": self.plan.video,
            "fps": self.plan.fps,
            "ds_type": "bboxes",
            "time_unit": "frames",
            "source_software": format_named(self.plan.format).SOURCE_SOFTWARE,
            "source_file": [self._written(clip.read_source) for clip in self.plan.clips],
            "tracks2zarr_schema": self.plan.schema,
        }

    def _written(self, name: str) -> str:
        """Return the name of a file as the group has it; composed, but not yet in schema 1."""
        return name if self.plan.schema == 1 else unicodedata.normalize("NFC", name)

    def attributes_of(self, variable: Variable) -> dict[str, str]:
        """Return the attributes of a variable; those of data name its coordinates (CF, section 5).

        https://cfconventions.org/cf-conventions/cf-conventions.html#coordinate-system
        """
        attributes = {"long_name": variable.long_name}
        if variable.units:
            attributes["units"] = variable.units
            if "since" in variable.units:
                attributes["calendar"] = "proleptic_gregorian"
        if not variable.is_coordinate:
            attributes["coordinates"] = " ".join(
                other.name
                for other in self.variables()
                if other.is_coordinate
                and other.dims != (other.name,)
                and set(other.dims) <= set(variable.dims)
            )
        return attributes

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the values of every coordinate, by its name in the schema."""
        clips, n = self.plan.clips, self.n_individuals
        digits = max(1 if self.plan.schema == 1 else 5, len(str(n - 1)))
        values = {
            "clip_id": self._texts([clip.clip for clip in clips]),
            "time": np.arange(self.n_frames),
            "space": self._texts(["x", "y"]),
            "individual": self._texts([f"id_{i:0{digits}}" for i in range(n)]),
            "clip_first_frame_0idx": np.array([clip.first_frame for clip in clips]),
            "clip_last_frame_0idx": np.array([clip.last_frame for clip in clips]),
            "clip_escape_first_frame_0idx": np.array([clip.escape_frame for clip in clips]),
            "clip_escape_type": self._texts([clip.escape_type for clip in clips]),
            "clip_n_frames": np.array([n_frames_of(clip) for clip in clips]),
            "clip_n_individuals": np.array([len(of.track_ids) for of in self.tracks]),
            "track_id": self._by_track([of.track_ids for of in self.tracks], -1),
            "track_first_frame": self._by_track([of.first_frame for of in self.tracks], -1),
            "track_last_frame": self._by_track([of.last_frame for of in self.tracks], -1),
            "track_n_boxes": self._by_track([of.n_boxes for of in self.tracks], 0),
        }
        for place, column in enumerate(self.plan.columns):
            values[column.name] = self._further([clip.values[place] for clip in clips], column.type)
        return {one.name: values[one.name] for one in self.variables() if one.is_coordinate}

    def _further(self, cells: Sequence[str], kind: str) -> NDArray[Any]:
        """Return the values of a further column of the metadata CSV."""
        if kind == "str":
            return self._texts(cells)
        read: dict[str, Callable[[str], Any]] = {
            "int64": int,
            "bool": "TRUE".__eq__,
            "float64": float,
            "date": _since_1970,
        }
        texts = [cell.upper() for cell in cells]
        dtype = {"int64": np.int64, "bool": np.bool_}.get(kind, np.float64)
        return np.array([np.nan if t in _EMPTY else read[kind](t) for t in texts], dtype)

    def _texts(self, texts: Sequence[str]) -> NDArray[Any]:
        """Return texts as zarr-python reads them; of schema 1, those are of variable length."""
        kind = np.dtypes.StringDType() if self.plan.schema == 1 else np.str_
        return np.array(texts, kind)

    def _by_track(self, rows: Sequence[Int64s], absent: int) -> Int64s:
        """Return (n_clips, n_individuals) int64, the rows filled up."""
        n = self.n_individuals
        filled = [np.pad(row, (0, n - len(row)), constant_values=absent) for row in rows]
        return np.stack(filled)

    def variables(self) -> tuple[Variable, ...]:
        """Return the variables of the group, by its schema."""
        return self.plan.variables

    def compressor(self) -> dict[str, Any]:
        """Return what compresses every chunk, as zarr-python names it."""
        level = self.plan.layout.zstd_level
        # a chunk with a checksum cannot be read as other numbers than were written
        return {"name": "zstd", "configuration": {"level": level, "checksum": self.plan.schema > 1}}


#: Cells without a value, in capitals.
_EMPTY = ("", "NAN", "NA")


def _since_1970(date: str) -> float:
    """Return the seconds up to a date without a time zone."""
    return (datetime.fromisoformat(date) - datetime(1970, 1, 1)).total_seconds()


def stored_name(plan: VideoPlan, name: str) -> str:
    """Return what a variable or a dimension is called in the group of a video."""
    return plan.settings.individual_dim if name == "individual" else name


def n_frames_of(clip: ClipPlan) -> int:
    """Return the number of frames of a clip."""
    return clip.last_frame - clip.first_frame + 1


def escape_state(clip: ClipPlan, n_frames: int) -> NDArray[np.float32]:
    """Return (n_frames,) float32: 0 before the escape, 1 from it on, NaN after the clip."""
    frame = np.arange(clip.first_frame, clip.first_frame + n_frames)
    has_escaped = (frame >= clip.escape_frame) & (clip.escape_frame >= 0)
    return np.where(frame <= clip.last_frame, has_escaped, np.nan).astype(np.float32)
