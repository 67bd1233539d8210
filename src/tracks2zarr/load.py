"""A clip as a `movement` dataset, lazily."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

from tracks2zarr.overview import no_such_video
from tracks2zarr.problems import Problem, Tracks2ZarrError, listed
from tracks2zarr.schema import CLIP_ID, INDIVIDUAL, TIME
from tracks2zarr.store import Store, existing_store

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
    import xarray as xr
    from zarr.storage import LocalStore

    there = existing_store(store)
    _check_finished(there, video)
    dataset: xr.Dataset = xr.open_zarr(
        LocalStore(there.group(video), read_only=True), chunks=None, zarr_format=3
    )
    for name, coordinate in dataset.coords.items():
        if coordinate.dtype.kind == "T":  # as `movement` has strings
            values = np.array(coordinate.values.tolist(), dtype=np.str_)
            dataset = dataset.assign_coords({name: (coordinate.dims, values, coordinate.attrs)})
    clips = dataset[CLIP_ID].values.tolist()
    if clip not in clips:
        raise Tracks2ZarrError(_no_such_clip(there, video, clip, clips))
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


def _check_finished(store: Store, video: str) -> None:
    receipt = store.read_receipt(video)
    if receipt is not None and store.is_intact(receipt, read=False):
        return
    names = store.groups()
    planned = {plan.video: plan for plan in store.read_plan().videos}
    if video not in names and video not in planned:
        raise Tracks2ZarrError(no_such_video(store, video, sorted({*names, *planned})))
    if video in planned or store.is_ours(video):
        state = store.state(planned[video]) if video in planned else "a group without a receipt"
        raise Tracks2ZarrError(
            Problem(
                kind="video-unfinished",
                what="The video is not finished.",
                file=str(store.group(video)),
                found=str(state),
                expected="a video with a valid receipt",
                remedy="Run 'tracks2zarr create' again with --store-mode a.",
                video=video,
            )
        )


def _no_such_clip(store: Store, video: str, clip: str, clips: list[str]) -> Problem:
    return Problem(
        kind="no-such-clip",
        what="The video has no such clip.",
        file=str(store.group(video)),
        found=f"'{clip}'",
        expected=f"one of {listed(clips)}",
        remedy="Correct the clip's id.",
        video=video,
    )
