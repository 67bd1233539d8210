"""Stores as the older workflow makes them: with `movement`, `xarray.concat` and `to_zarr`.

The first versions of that workflow took the frames as `movement` numbers them by default: those
with boxes, counted from 0. The dimension of individuals was called ``individuals`` then.
"""

import importlib
import os
import tempfile
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import xarray as xr
import zarr

from support.experiments import Clip, Experiment, Video


def _options() -> Any:
    """Return what keeps the settings of `xarray` as they are, which `movement` changes."""
    options: Any = xr.set_options
    return options(keep_attrs="default", display_expand_data="default")


def load_bboxes() -> Any:
    """Import the loader of `movement` without its log in the home folder."""
    home = os.environ.get("HOME", "")
    showwarning = warnings.showwarning
    with tempfile.TemporaryDirectory() as folder, _options():
        os.environ["HOME"] = folder
        module = importlib.import_module("movement.io.load_bboxes")
        importlib.import_module("loguru").logger.remove()
        os.environ["HOME"] = home
    warnings.showwarning = showwarning
    return module


def write_older_store(
    store: Path, experiment: Experiment, tracks_dir: Path, *, renumber: bool = True
) -> None:
    """Write all videos of an experiment into a store, one after the other.

    Parameters
    ----------
    store
        The store; it is made, or added to.
    experiment
        What is in the folder.
    tracks_dir
        The folder of its tracks files.
    renumber
        Whether frames without boxes are dropped and the others renumbered.
    """
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        root = zarr.open_group(store, mode="a")
        for video in experiment.videos:
            dataset = _video(video, tracks_dir, renumber=renumber)
            dataset.to_zarr(root.store, group=video.id, mode="w-")


def _video(video: Video, tracks_dir: Path, *, renumber: bool) -> xr.Dataset:
    clips = [_clip(video, clip, tracks_dir, renumber=renumber) for clip in video.clips]
    width = len(str(max(clip.sizes["individuals"] for clip in clips) - 1))
    named = [
        clip.assign_coords(
            individuals=[f"id_{number:0{width}d}" for number in range(clip.sizes["individuals"])]
        )
        for clip in clips
    ]
    whole = xr.concat(named, "clip_id", join="outer", coords="different", compat="equals")
    whole.attrs = {
        "source_file": [f"{video.id}-{clip.id}_tracks.csv" for clip in video.clips],
        "fps": video.fps,
        "video_id": video.id,
    }
    return whole.chunk({"clip_id": 1, "time": 1000, "space": -1, "individuals": -1})


def _clip(video: Video, clip: Clip, tracks_dir: Path, *, renumber: bool) -> xr.Dataset:
    path = tracks_dir / clip.folder / f"{video.id}-{clip.id}_tracks.csv"
    dataset: xr.Dataset = load_bboxes().from_via_tracks_file(
        path, use_frame_numbers_from_file=not renumber
    )
    dataset = dataset.rename({"individual": "individuals"})
    if not renumber:
        dataset = dataset.reindex(time=np.arange(clip.n_frames))
    assert clip.escape is not None, "that workflow knows no clip without an escape"
    escape = np.zeros(dataset.sizes["time"], np.float16)
    escape[clip.escape - (clip.start - 1) :] = 1
    dataset["escape_state"] = ("time", escape)
    return dataset.expand_dims("clip_id").assign_coords(
        clip_id=[clip.id],
        clip_first_frame_0idx=("clip_id", [clip.start - 1]),
        clip_last_frame_0idx=("clip_id", [clip.end - 1]),
        clip_escape_first_frame_0idx=("clip_id", [clip.escape]),
        clip_escape_type=("clip_id", np.array([clip.escape_type], dtype="<U11")),
    )
