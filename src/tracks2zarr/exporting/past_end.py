"""The warning that frames were asked for that a clip does not have."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

from tracks2zarr.common.problems import Problem, comma_list


def frames_past_end(
    group: Path, video: str, n_frames: Mapping[str, int], frames: slice | None
) -> Problem | None:
    """Return the warning that clips have only some of the frames that are asked for, or None.

    Parameters
    ----------
    group
        The video's group.
    video
        Its id.
    n_frames
        The number of frames of each clip, by its id.
    frames
        The frames that are asked for, within each clip, from 0; None for all.
    """
    if frames is None or frames.stop is None:
        return None
    short = [f"{clip} ({n:,} frames)" for clip, n in n_frames.items() if n < frames.stop]
    if not short:
        return None
    return Problem(
        kind="frames-past-end",
        what="1 clip of the video ends before the frames that were asked for."
        if len(short) == 1
        else f"{len(short)} clips of the video end before the frames that were asked for.",
        file=str(group),
        found=comma_list(short),
        expected=f"frames up to {frames.stop - 1}",
        remedy="Nothing, if the frames to the end of the clip are what you want. Otherwise correct"
        " --frames A:B, which counts within the clip, from 0; B is not included.",
        severity="warning",
        video=video,
    )
