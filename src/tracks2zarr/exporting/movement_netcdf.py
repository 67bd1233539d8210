"""Writes netCDF-4 that `movement` loads, a clip as `load_clip` returns it."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import xarray as xr

from tracks2zarr.common.extras import require_extra
from tracks2zarr.exporting.stored_clip import StoredClip
from tracks2zarr.loading.load_clip import load_clip
from tracks2zarr.parallel.cores import thread_count

require_extra("netcdf", "Export to netCDF", "dask", "h5netcdf")

SUFFIX = ".nc"
_COMPRESSION = {"zlib": True, "complevel": 1, "shuffle": True}


def name_of(clip: StoredClip) -> str:
    """Return the name of a clip's file."""
    return f"{clip.stem}{SUFFIX}"


def write(clip: StoredClip, path: Path, images: str) -> None:
    """Write a clip, chunk by chunk, with `time` in frames."""
    import dask

    frames = slice(clip.frames.start, clip.frames.stop)
    loaded = load_clip(clip.store, clip.video, clip.clip, chunks={}, frames=frames)
    foreign = loaded.variables.keys() - {*clip.video_plan.own_variables, "video"}
    loaded = loaded.drop_vars(foreign)  # what others added to the group
    # the pool is waited for: after an error, threads would make the file again that is removed
    with (
        ThreadPoolExecutor(thread_count()) as pool,
        dask.config.set(scheduler="threads", pool=pool),
    ):
        loaded.to_netcdf(path, engine="h5netcdf", encoding=_encoding(loaded))


def _encoding(clip: xr.Dataset) -> dict[Any, Any]:
    return {
        name: {**_COMPRESSION, "chunksizes": tuple(sizes[0] for sizes in one.chunks)}
        for name, one in clip.variables.items()
        if one.chunks and one.size
    }
