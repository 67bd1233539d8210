"""What the group of a video must contain besides its boxes."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from tracks2zarr.dataset.batches import Int64s
from tracks2zarr.dataset.schema import SCHEMA_VERSION, VARIABLES, Variable
from tracks2zarr.planning.plan import ClipPlan, VideoPlan
from tracks2zarr.tracks.formats import format_named


@dataclass(frozen=True, slots=True)
class ExpectedGroup:
    """What the group of a video must hold.

    Parameters
    ----------
    plan
        The video's plan.
    track_ids
        For each clip (n_individuals,) int64, the track numbers, ascending.
    """

    plan: VideoPlan
    track_ids: Sequence[Int64s]

    @property
    def n_individuals(self) -> int:
        """The number of individuals of the clip with the most."""
        return max(map(len, self.track_ids))

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
            "source_file": [clip.source for clip in self.plan.clips],
            "tracks2zarr_schema": SCHEMA_VERSION,
        }

    def attributes_of(self, variable: Variable) -> dict[str, str]:
        """Return the attributes of a variable; those of data name its coordinates (CF, section 5).

        https://cfconventions.org/cf-conventions/cf-conventions.html#coordinate-system
        """
        attributes = {"long_name": variable.long_name}
        if variable.units:
            attributes["units"] = variable.units
        if not variable.is_coordinate:
            attributes["coordinates"] = " ".join(
                other.name
                for other in VARIABLES
                if other.is_coordinate
                and other.dims != (other.name,)
                and set(other.dims) <= set(variable.dims)
            )
        return attributes

    def coordinates(self) -> dict[str, NDArray[Any]]:
        """Return the values of every coordinate, by its name in the schema."""
        clips, n = self.plan.clips, self.n_individuals
        track_id = np.full((len(clips), n), -1, np.int64)
        for row, tracks in zip(track_id, self.track_ids, strict=True):
            row[: len(tracks)] = tracks
        digits = len(str(max(n - 1, 0)))
        return {
            "clip_id": np.array([clip.clip for clip in clips], object),
            "time": np.arange(self.n_frames),
            "space": np.array(["x", "y"], object),
            "individual": np.array([f"id_{i:0{digits}}" for i in range(n)], object),
            "clip_first_frame_0idx": np.array([clip.first_frame for clip in clips]),
            "clip_last_frame_0idx": np.array([clip.last_frame for clip in clips]),
            "clip_escape_first_frame_0idx": np.array([clip.escape_frame for clip in clips]),
            "clip_escape_type": np.array([clip.escape_type for clip in clips], object),
            "clip_n_frames": np.array([n_frames_of(clip) for clip in clips]),
            "clip_n_individuals": np.array([len(tracks) for tracks in self.track_ids]),
            "track_id": track_id,
        }


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
