"""``load_clip``: one clip of a store as a `movement` dataset."""

from __future__ import annotations

import os
import warnings
from typing import TYPE_CHECKING

from tracks2zarr.common.names import clip_id_of
from tracks2zarr.common.problems import (
    Problem,
    Tracks2ZarrError,
    comma_list,
    did_you_mean,
    one_line,
)
from tracks2zarr.dataset.schema import CLIP_ID, INDIVIDUAL, TIME
from tracks2zarr.loading.open_store import open_video
from tracks2zarr.store.commands import converting
from tracks2zarr.store.existing import existing_store
from tracks2zarr.store.overview import no_such_video
from tracks2zarr.store.ownership import foreign_problem
from tracks2zarr.store.store import Store
from tracks2zarr.store.video_state import state_of

if TYPE_CHECKING:
    import xarray as xr


def load_clip(
    store: str | os.PathLike[str], video: str, clip: str, *, seconds: bool = False
) -> xr.Dataset:
    """Return one clip as a `movement` bounding-boxes dataset of its own frames and individuals.

    Nothing but coordinates is read: arrays are read as they are used.

    Parameters
    ----------
    store
        The store.
    video
        The video's id.
    clip
        The clip's id.
    seconds
        Whether the coordinate `time` is in seconds; by default it is the frame within the clip.

    Returns
    -------
    xarray.Dataset
        With ``position`` and ``shape`` (time, space, individual) float32 in pixels,
        ``confidence`` (time, individual) and ``escape_state`` (time) float32; `clip_id` and
        what else is known of the clip are scalar coordinates.

    Raises
    ------
    Tracks2ZarrError
        If there is no such store, video or clip, or the video is not finished.
    """
    import numpy as np

    there = existing_store(store)
    if added := check_finished(there, video):
        text = (
            f"{one_line(video)} contains data that tracks2zarr did not write: {comma_list(added)}"
        )
        warnings.warn(text, stacklevel=2)
    dataset = open_video(there, video, None)
    texts = {
        name: (one.dims, np.array(one.values.tolist(), dtype=np.str_), one.attrs)
        for name, one in dataset.variables.items()
        if one.dtype.kind == "T"
    }
    dataset = dataset.assign_coords(texts)  # of schema 1, as `movement` has them
    clips = dataset[CLIP_ID].values.tolist()
    if clip not in clips:
        raise Tracks2ZarrError(no_such_clip(there, video, clip, clips))
    number = clips.index(clip)
    one = dataset.isel({CLIP_ID: number})
    dim = INDIVIDUAL if INDIVIDUAL in one.dims else "individuals"
    extent = {
        TIME: slice(int(one["clip_n_frames"])),
        dim: slice(int(one["clip_n_individuals"])),
    }
    one = one.isel(extent)
    one.attrs["source_file"] = dataset.attrs["source_file"][number]
    if seconds:
        attributes = {"long_name": "time within the clip", "units": "seconds"}
        one = one.assign_coords({TIME: (TIME, one[TIME].values / one.attrs["fps"], attributes)})
        one.attrs["time_unit"] = "seconds"
    return one


def check_finished(store: Store, video: str) -> tuple[str, ...]:
    """Check that a video is finished.

    Returns
    -------
    tuple
        What others added to its group, such as arrays.

    Raises
    ------
    Tracks2ZarrError
        If it is not, if another workflow made it, or if there is no such video.
    """
    receipt = store.read_receipt(video)
    if receipt is not None and (added := store.added_to(receipt, read=False)) is not None:
        return added
    names = store.groups()
    planned = {plan.video: plan for plan in store.read_plan().videos}
    if video not in names and video not in planned:
        raise Tracks2ZarrError(no_such_video(store, video, sorted({*names, *planned})))
    if store.is_from_tracks2zarr(video):
        state = state_of(store, planned[video]) if video in planned else "a group without a receipt"
        foreign = foreign_problem(store, video)
        beside = f", with data that tracks2zarr did not write: {foreign.found}" if foreign else ""
        raise Tracks2ZarrError(
            Problem(
                kind="video-unfinished",
                what="The video is not finished.",
                file=str(store.group(video)),
                found=f"{state}{beside}",
                expected="a video with a valid receipt",
                remedy=f"Run: {converting(store, video)}",
                video=video,
            )
        )
    raise Tracks2ZarrError(_not_ours(store, video))


def _not_ours(store: Store, video: str) -> Problem:
    note = store.unverified(video)
    return Problem(
        kind="unverified",
        what="A video was made by another workflow, so load_clip cannot read it.",
        file=str(store.group(video)),
        found=note.why() if note else "a group that tracks2zarr did not write",
        expected="a video that tracks2zarr made",
        remedy="Open the group with xarray, or convert the video:"
        f" {converting(store, video, replace=True)}",
        video=video,
    )


def no_such_clip(store: Store, video: str, clip: str, clips: list[str]) -> Problem:
    """Return the problem of a clip that a video does not have."""
    return Problem(
        kind="no-such-clip",
        what="The video has no such clip.",
        file=str(store.group(video)),
        found=f"'{one_line(clip)}'",
        expected=f"one of {comma_list(clips)}",
        remedy=did_you_mean(_without_video(clip, video, clips), clips) or "Correct the clip's id.",
        video=video,
    )


def _without_video(clip: str, video: str, clips: list[str]) -> str:
    """Return a clip's id, where its whole name or the name of its file was given."""
    own = clip_id_of(clip, video) or clip
    return own if own in clips else own.partition(".")[0].removesuffix("_tracks")
