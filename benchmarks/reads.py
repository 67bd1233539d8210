"""Times four ways of reading a video of a store, and prints the medians in seconds as JSON.

``python reads.py STORE VIDEO [--ours]``: with xarray and zarr-python alone, or with ``--ours``
through `open_store` and `load_clip`. Each is a call in a process that has everything imported,
as in a notebook.
"""

from __future__ import annotations

import argparse
import json
import statistics
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

INDIVIDUAL, CLIP, MEAN, MINUTE = (
    *("one individual's trajectory", "one clip's positions"),
    *("mean confidence of the video, with dask", "all positions of one minute"),
)
_ROUNDS = 7
_MINUTE_FRAMES = 3596


def readers(store: Path, video: str, *, ours: bool) -> dict[str, Callable[[], Any]]:
    """Return a function for each way of reading; each opens the store anew."""
    import xarray as xr

    import tracks2zarr as tz

    def opened(chunks: dict[str, int] | None = None) -> xr.Dataset:
        if ours:
            return tz.open_store(store, chunks=chunks)[video]
        dataset: xr.Dataset = xr.open_zarr(store, group=video, chunks=chunks)
        return dataset

    def clip() -> Any:
        if ours:
            return tz.load_clip(store, video, "Loop00").position.load()
        return opened().position.sel(clip_id="Loop00").load()

    def individual() -> Any:
        dataset = opened()
        return dataset.position[0, :, :, dataset.position.shape[-1] // 10].load()

    def minute() -> Any:
        dataset = opened()
        start = dataset.sizes["time"] // 3
        return dataset.position[0, start : start + _MINUTE_FRAMES].load()

    def mean() -> Any:
        return opened(chunks={}).confidence.mean().compute()

    return {INDIVIDUAL: individual, CLIP: clip, MEAN: mean, MINUTE: minute}


def main() -> None:
    """Time all ways of reading one store."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("store", type=Path)
    parser.add_argument("video")
    parser.add_argument("--ours", action="store_true")
    given = parser.parse_args()
    medians = {}
    for name, read in readers(given.store, given.video, ours=given.ours).items():
        read()
        times = []
        for _ in range(_ROUNDS):
            start = time.perf_counter()
            read()
            times.append(time.perf_counter() - start)
        medians[name] = statistics.median(times)
    print(json.dumps(medians))


if __name__ == "__main__":
    main()
